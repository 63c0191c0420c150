using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Hvm;

/// <summary>What a guest sees of an access to one of Xen's MSRs.</summary>
public enum MsrEffect
{
    /// <summary>Done.</summary>
    Done,

    /// <summary>Nothing happened and the guest goes on as if it had.</summary>
    Ignored,

    /// <summary>The access is not Xen's: the caller's path for an unknown MSR goes on (4.0, PV).</summary>
    Unknown,

    /// <summary>#GP(0).</summary>
    GeneralProtection,
}

/// <summary>A write to the hypercall-page MSR, taken apart.</summary>
/// <param name="Frame">Guest frame that is to become the page.</param>
/// <param name="Refusal">The line Xen logs for a value that it refuses before it looks at the frame; else null.</param>
public readonly record struct HypercallMsrWrite(Gfn Frame, string? Refusal);

/// <summary>The MSR route to a hypercall page: wrmsr_hypervisor_regs (4.0), guest_wrmsr_xen (4.17).</summary>
/// <remarks>Source: xen/arch/x86/traps.c of both releases.</remarks>
public static class HypervisorMsrs
{
    private const uint Base = 0x4000_0000;
    private const uint ViridianBase = 0x4000_0200;
    private const uint ViridianLast417 = 0x4000_02FF;
    private const uint Last417 = 0x4000_01FF;

    /// <summary>Whether the index is the MSR that installs the page.</summary>
    public static bool IsHypercallPage(uint index, bool viridian) => index == BaseOf(viridian);

    /// <summary>Whether the release dispatches the index to Xen's own MSRs at all (4.0 asks its hypervisor MSRs last, for any index).</summary>
    public static bool IsXens(XenRelease release, uint index, bool viridian)
        => release == XenRelease.V4_0
            ? index >= BaseOf(viridian)
            : index is >= Base and <= Last417 ? !viridian : index is >= ViridianBase and <= ViridianLast417;

    /// <summary>Takes the value apart: bits 63:12 guest frame, 11:0 page index, which must be 0.</summary>
    public static HypercallMsrWrite Decode(XenRelease release, ulong value, bool viridian = false)
    {
        uint page = (uint)value & 0xFFF;
        string? refusal = page switch
        {
            0 => null,
            _ when release == XenRelease.V4_0 => $"Out of range index {page} to MSR {BaseOf(viridian):x8}",
            _ => $"wrmsr hypercall page index 0x{page:x} unsupported",
        };
        return new HypercallMsrWrite(new Gfn(value >> 12), refusal);
    }

    /// <summary>The line Xen logs when the frame is not there, not the domain's, or in use as another type.</summary>
    public static string BadFrameLine(XenRelease release, Gfn gfn, Mfn mfn, bool viridian)
        => release == XenRelease.V4_0
            ? $"Bad GMFN {gfn.Value:x} (MFN {mfn.Value:x}) to MSR {BaseOf(viridian):x8}"
            : $"Bad GMFN {gfn.Value:x} (MFN 0x{mfn.Value:x}) to MSR {BaseOf(viridian):x8}";

    /// <summary>What the guest sees when Xen refuses the write, or the index is none of Xen's.</summary>
    public static MsrEffect Refused(XenRelease release, bool isHvm) => (release, isHvm) switch
    {
        (XenRelease.V4_0, true) => MsrEffect.Ignored,
        (XenRelease.V4_0, false) => MsrEffect.Unknown,
        _ => MsrEffect.GeneralProtection,
    };

    /// <summary>rdmsr_hypervisor_regs, guest_rdmsr_xen: the MSR reads as zero; Xen does not remember the page.</summary>
    public static MsrEffect Read(XenRelease release, bool isHvm, bool viridian, uint index, out ulong value)
    {
        value = 0;
        return IsHypercallPage(index, viridian) ? MsrEffect.Done : Refused(release, isHvm);
    }

    private static uint BaseOf(bool viridian) => viridian ? ViridianBase : Base;
}
