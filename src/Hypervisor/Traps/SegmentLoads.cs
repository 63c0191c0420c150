using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Traps;

/// <summary>
/// load_segments: when a PV vCPU comes to the processor after another, its data segments are loaded anew. Descriptors may have changed since;
/// for those that cannot be loaded the guest's failsafe callback is entered.
/// </summary>
/// <remarks>Source: RELEASE-4.0.4 and RELEASE-4.17.0 xen/arch/x86/domain.c: save_segments, load_segments.</remarks>
internal static class SegmentLoads
{
    public static void Load(Vcpu v)
    {
        v.SegmentsLoaded = true;
        int refused = 0;
        int ring = v.Cpu.Cpl;
        v.Cpu.Cpl = 0;
        foreach (SegmentName name in GuestSegments.DataSegments)
        {
            if (!TryLoad(v, name))
                refused |= 1 << (int)name;
        }

        v.Cpu.Cpl = ring;
        if (refused != 0)
        {
            GuestBounce.FailsafeOfLoad(v);
            Clear(v, refused);
        }

        GuestSegments.ClearUnreachable(v);
    }

    /// <summary>A null selector has nothing to load, and a base of its own in 64-bit mode.</summary>
    private static bool TryLoad(Vcpu v, SegmentName name)
    {
        SegmentRegister before = v.Cpu.GetSegment(name);
        if ((before.Selector & ~3) == 0)
            return true;

        // Looking brings in the page of an LDT.
        if (!GuestSegments.TryReadDescriptor(v, before.Selector, out _) || !v.Cpu.TryLoadSegment(name, before.Selector, out _, out _))
            return false;
        if (!v.Domain.Is32BitPv && name is SegmentName.Fs or SegmentName.Gs)
            RestoreBase(v, name, before.Base);
        return true;
    }

    /// <summary>4.17 saves and restores both bases of FS and GS; in 4.0 a selector that is not null brings its own, to GS for user mode.</summary>
    private static void RestoreBase(Vcpu v, SegmentName name, ulong saved)
    {
        bool v40 = v.Domain.Xen.Profile.Release == XenRelease.V4_0;
        if (v40 && name == SegmentName.Gs && v.KernelMode)
            v.GsBaseUser = v.Cpu.GetSegment(name).Base;
        if (!v40 || (name == SegmentName.Gs && v.KernelMode))
            GuestSegments.SetBase(v, name, saved);
    }

    private static void Clear(Vcpu v, int refused)
    {
        foreach (SegmentName name in GuestSegments.DataSegments)
        {
            if ((refused & (1 << (int)name)) == 0)
                continue;
            bool keepsBase = !v.Domain.Is32BitPv && name is SegmentName.Fs or SegmentName.Gs && v.Domain.Xen.Profile.Release != XenRelease.V4_0;
            v.Cpu.SetSegment(name, new SegmentRegister(0, keepsBase ? v.Cpu.GetSegment(name).Base : 0, 0, 0));
        }
    }
}
