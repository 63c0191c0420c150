using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Tests.Boot.Dom0;
using XenSim.Hypervisor.Tests.Core;

namespace XenSim.Hypervisor.Tests.Devices;

/// <summary>XENMEM_machine_memory_map for dom0. Oracle: the map that Linux 6.1 shows as dom0 of 4.17 (dom0-linux-6.1), before it rounds and merges.</summary>
public class MachineMemoryMapTests
{
    private const string Recorded =
        "0-9fc00 1|9fc00-a0000 2|f0000-100000 2|100000-3ffdf000 1|3ffdf000-40000000 2|b0000000-c0000000 2|fec00000-fec01000 2|fed1c000-fed20000 2|"
        + "fee00000-fef00000 2|fffc0000-100000000 2|fd00000000-10000000000 2";

    [Fact]
    public void It_has_what_dom0_may_not_map_as_reserved()
    {
        using BootRun run = Dom0Boots.Run("boot-4.17-x86_64-compat");
        Assert.Equal(XenErrno.None, Ask(run.Xen, buffer: true, 64, out uint count, out string map));
        Assert.Equal(Recorded, map);
        Assert.Equal(11u, count);
    }

    /// <summary>RELEASE-4.17.0 xen/arch/x86/mm.c: a place more than entries is asked for; without a buffer only counting.</summary>
    [Theory]
    [InlineData(true, 9u, XenErrno.EINVAL)]
    [InlineData(true, 10u, XenErrno.EINVAL)]
    [InlineData(true, 11u, XenErrno.EINVAL)]
    [InlineData(true, 12u, XenErrno.None)]
    [InlineData(false, 0u, XenErrno.None)]
    public void The_buffer_must_hold_it(bool buffer, uint places, XenErrno errno)
    {
        using BootRun run = Dom0Boots.Run("boot-4.17-x86_64-compat");
        Assert.Equal(errno, Ask(run.Xen, buffer, places, out uint count, out _));
        if (errno == XenErrno.None)
            Assert.Equal(11u, count);
    }

    /// <summary>4.0 denies the local and the I/O APIC's page.</summary>
    [Fact]
    public void In_4_0_two_pages_are_not_dom0_s()
    {
        using BootRun run = Dom0Boots.Run("boot-4.0.4-x86_64-compat");
        Assert.Equal(XenErrno.None, Ask(run.Xen, buffer: true, 64, out _, out string map));
        Assert.Equal(Recorded.Replace("fee00000-fef00000", "fee00000-fee01000", StringComparison.Ordinal), map);
    }

    private static XenErrno Ask(Xen xen, bool buffer, uint places, out uint count, out string map)
    {
        const ulong entries = Host.Scratch + 0x100;
        ToolMemory memory = new();
        WireRecord.ToBytes(new MemoryMap { NrEntries = places, Buffer = buffer ? entries : 0 }, Abi.X64).CopyTo(memory.Bytes.AsSpan((int)(Host.Scratch - ToolMemory.Base)));
        XenErrno errno = xen.ToolChannel.Hypercall(HypercallNumber.memory_op, memory, (ulong)MemoryOpCommand.machine_memory_map, Host.Scratch).ToErrno();
        memory.TryReadStruct(new VirtualAddress(Host.Scratch), out count);
        List<string> lines = [];
        for (ulong i = 0; buffer && errno == XenErrno.None && i < count; i++)
        {
            memory.TryReadStruct(new VirtualAddress(entries + (i * 20)), out E820Entry e);
            lines.Add($"{e.Addr:x}-{e.Addr + e.Size:x} {e.Type}");
        }

        map = string.Join('|', lines);
        return errno;
    }
}
