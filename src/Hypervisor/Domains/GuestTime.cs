using System.Buffers.Binary;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domains;

/// <summary>The clock in vcpu_info and its copy, the runstate copy, and the wall clock in shared_info.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/time.c: __update_vcpu_system_time, update_secondary_system_time,
/// update_domain_wallclock_time; xen/arch/x86/domain.c: update_runstate_area.
/// </remarks>
internal static class GuestTime
{
    // Boot of the simulated host: 2026-01-01 00:00:00 UTC. Unit: seconds since 1970. Any fixed instant does.
    internal const ulong BootSeconds = 1_767_225_600;

    /// <summary>EPOCH: Xen calibrates once a second, and only then do the stamps move. Unit: ns.</summary>
    private const ulong Epoch = 1_000_000_000;

    /// <summary>What context_switch does for a vCPU that is about to run.</summary>
    public static void Update(Vcpu v)
    {
        UpdateSystemTime(v, force: false);
        if (v.RunstateArea != 0)
            v.RunstateStale = !WriteRunstate(v, v.Memory, new VirtualAddress(v.RunstateArea));
    }

    /// <summary>
    /// __update_vcpu_system_time. The clock source is not the TSC, so the stable flag of 4.17 stays clear (oracle: shared_info of every guest).
    /// </summary>
    public static void UpdateSystemTime(Vcpu v, bool force)
    {
        if (!v.VcpuInfo.Exists)
            return;
        Xen xen = v.Domain.Xen;
        ulong stamp = xen.VirtualNanoseconds / Epoch * Epoch;
        Span<byte> time = v.VcpuInfo.Bytes[SharedInfoLayout.TimeOffset..];
        bool first = BinaryPrimitives.ReadUInt32LittleEndian(time[24..]) == 0;
        if (!force && !first && BinaryPrimitives.ReadUInt64LittleEndian(time[16..]) == stamp)
            return;
        (uint mul, sbyte shift) = TimeScale.For(xen.Options.Host.CpuKhz * 1000UL);
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(time);
        BinaryPrimitives.WriteUInt64LittleEndian(time[8..], xen.TscAt(stamp) + (ulong)v.TscOffset);
        BinaryPrimitives.WriteUInt64LittleEndian(time[16..], stamp);
        BinaryPrimitives.WriteUInt32LittleEndian(time[24..], mul);
        time[28] = (byte)shift;
        if (xen.Profile.Release != XenRelease.V4_0)
            time[29] = 0;
        BinaryPrimitives.WriteUInt32LittleEndian(time, (version & ~1u) + 2);
        v.TimeStale = v.TimeArea != 0 && !WriteSecondaryTime(v);
    }

    /// <summary>What could not be written while user tables were in use is written when the guest's kernel runs again.</summary>
    public static void WriteStaleCopies(Vcpu v)
    {
        if (v.TimeStale)
            v.TimeStale = !WriteSecondaryTime(v);
        if (v.RunstateStale)
            v.RunstateStale = !WriteRunstate(v, v.Memory, new VirtualAddress(v.RunstateArea));
    }

    /// <summary>The runstate record of a vCPU, at an address of whoever asks.</summary>
    public static bool WriteRunstate(Vcpu v, ICallerMemory memory, VirtualAddress at)
        => memory.TryWriteRecord(at, v.Domain.Abi, v.Runstate.At(v.Domain.Xen.VirtualNanoseconds));

    private static bool WriteSecondaryTime(Vcpu v)
        => v.Memory.TryWrite(new VirtualAddress(v.TimeArea), v.VcpuInfo.Bytes.Slice(SharedInfoLayout.TimeOffset, 32));

    /// <summary>update_domain_wallclock_time.</summary>
    public static void UpdateWallClock(Domain d)
    {
        Span<byte> page = d.SharedInfo.Bytes;
        Span<byte> wc = page[d.SharedInfo.Layout.WcVersion..];
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(wc);
        ulong seconds = d.Xen.WallClock.Seconds + (ulong)d.TimeOffsetSeconds;
        BinaryPrimitives.WriteUInt32LittleEndian(wc[4..], (uint)seconds);
        BinaryPrimitives.WriteUInt32LittleEndian(wc[8..], d.Xen.WallClock.Nanoseconds);
        if (d.Xen.Profile.Release != XenRelease.V4_0)
            BinaryPrimitives.WriteUInt32LittleEndian(page[d.SharedInfo.Layout.WcSecHi..], (uint)(seconds >> 32));
        BinaryPrimitives.WriteUInt32LittleEndian(wc, (version & ~1u) + 2);
    }
}
