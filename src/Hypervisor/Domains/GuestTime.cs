using System.Buffers.Binary;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Domains;

/// <summary>The clock in vcpu_info and the wall clock in shared_info.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/time.c: update_vcpu_system_time, update_domain_wallclock_time.</remarks>
internal static class GuestTime
{
    // Boot of the simulated host: 2026-01-01 00:00:00 UTC. Unit: seconds since 1970. Any fixed instant does.
    private const ulong BootSeconds = 1_767_225_600;
    private const byte TscStable = 1;

    /// <summary>Writes time.* of a vCPU that is about to run.</summary>
    public static void Update(Vcpu v)
    {
        if (!v.VcpuInfo.Exists)
            return;
        Xen xen = v.Domain.Xen;
        ulong now = xen.VirtualNanoseconds;
        (uint mul, sbyte shift) = TimeScale.For(xen.Options.Host.CpuKhz * 1000UL);
        Span<byte> time = v.VcpuInfo.Bytes[SharedInfoLayout.TimeOffset..];
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(time);
        BinaryPrimitives.WriteUInt64LittleEndian(time[8..], xen.TscAt(now));
        BinaryPrimitives.WriteUInt64LittleEndian(time[16..], now);
        BinaryPrimitives.WriteUInt32LittleEndian(time[24..], mul);
        time[28] = (byte)shift;
        if (xen.Profile.Release != XenRelease.V4_0)
            time[29] = TscStable;
        BinaryPrimitives.WriteUInt32LittleEndian(time, (version & ~1u) + 2);
    }

    /// <summary>update_domain_wallclock_time.</summary>
    public static void UpdateWallClock(Domain d)
    {
        Span<byte> page = d.SharedInfo.Bytes;
        Span<byte> wc = page[d.SharedInfo.Layout.WcVersion..];
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(wc);
        ulong seconds = BootSeconds + (ulong)d.TimeOffsetSeconds;
        BinaryPrimitives.WriteUInt32LittleEndian(wc[4..], (uint)seconds);
        BinaryPrimitives.WriteUInt32LittleEndian(wc[8..], 0);
        if (d.Xen.Profile.Release != XenRelease.V4_0)
            BinaryPrimitives.WriteUInt32LittleEndian(page[d.SharedInfo.Layout.WcSecHi..], (uint)(seconds >> 32));
        BinaryPrimitives.WriteUInt32LittleEndian(wc, (version & ~1u) + 2);
    }
}
