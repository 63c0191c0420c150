using System.Buffers.Binary;
using System.Runtime.InteropServices;
using XenSim.Hypervisor;
using XenSim.Hypervisor.Public;

namespace XenSim.Oracle.Tests.Simulated;

/// <summary>What xl asks about the host.</summary>
internal static class HostQueries
{
    /// <summary>hw_cap of XEN_SYSCTL_physinfo.</summary>
    public static uint[] HardwareCapabilities(Xen xen)
    {
        const ulong sysctl = 0x1000;
        const int payload = 8, hwCap = 80, words = 8;
        var memory = new CallerBuffers(sysctl, new byte[136], ulong.MaxValue, []);
        var command = memory.At(sysctl);
        BinaryPrimitives.WriteUInt32LittleEndian(command, 3); // XEN_SYSCTL_physinfo
        BinaryPrimitives.WriteUInt32LittleEndian(command[4..], 0x15); // XEN_SYSCTL_INTERFACE_VERSION of 4.17
        Assert.Equal(0, xen.ToolChannel.Hypercall(HypercallNumber.sysctl, memory, sysctl));
        return MemoryMarshal.Cast<byte, uint>(command.Slice(payload + hwCap, words * sizeof(uint))).ToArray();
    }
}
