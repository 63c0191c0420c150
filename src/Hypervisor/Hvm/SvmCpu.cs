using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Hvm;

/// <summary>start_svm and svm_cpu_up, on what the host's CPUID and MSRs say.</summary>
/// <remarks>Source: xen/arch/x86/hvm/svm/svm.c of both releases.</remarks>
internal static class SvmCpu
{
    private const ulong SvmeDisable = 1 << 4;
    private const uint FeatureLeaf = 0x8000000A;

    // Bits of leaf 0x8000000A EDX in the order in which 4.17 prints them. Source: stable-4.17 svm.h, SVM_FEATURE_*.
    private static readonly (int Bit, string Text)[] Features =
    [
        (0, "Nested Page Tables (NPT)"), (1, "Last Branch Record (LBR) Virtualisation"), (3, "Next-RIP Saved on #VMEXIT"),
        (5, "VMCB Clean Bits"), (DecodeAssists, "DecodeAssists"), (15, "Virtual VMLOAD/VMSAVE"), (16, "Virtual GIF"),
        (10, "Pause-Intercept Filter"), (12, "Pause-Intercept Filter Threshold"), (4, "TSC Rate MSR"),
        (19, "NPT Supervisor Shadow Stack"), (20, "MSR_SPEC_CTRL virtualisation"),
    ];

    private const int Npt = 0;
    private const int Nrips = 3;
    private const int DecodeAssists = 7;

    /// <summary>svm_cpu_up: null when SVM is on, else what it prints before it gives up.</summary>
    public static string[]? CpuUpFailure(HostModel host, int cpu)
        => (host.Msrs.GetValueOrDefault(Msr.VmCr) & SvmeDisable) != 0 ? [$"CPU{cpu}: AMD SVM Extension is disabled in BIOS."] : null;

    /// <summary>hvm_asid_init by svm_asid_init: EBX of the feature leaf is the number of ASIDs.</summary>
    public static string AsidLine(HostModel host) => $"HVM: ASIDs {(host.Cpuid(FeatureLeaf, 0).Ebx <= 1 ? "dis" : "en")}abled.";

    /// <summary>The feature list; 4.0 prints none.</summary>
    public static IEnumerable<string> FeatureLines(HostModel host, XenRelease release)
    {
        if (release == XenRelease.V4_0)
            return [];
        uint flags = FeatureFlags(host);
        List<string> lines = ["SVM: Supported advanced features:"];
        foreach ((int bit, string text) in Features)
        {
            if (Has(flags, bit))
                lines.Add($" - {text}");
        }

        if (lines.Count == 1)
            lines.Add(" - none");
        return lines;
    }

    public static HvmFunctionTable FunctionTable(HostModel host, XenRelease release) => new()
    {
        Name = "SVM",
        Flavour = HypercallPageFlavour.Svm,
        HapSupported = Has(FeatureFlags(host), Npt),
        Hap2Mb = true,
        Hap1Gb = release != XenRelease.V4_0 && host.Has(CpuFeature.Page1Gb),
    };

    private static uint FeatureFlags(HostModel host)
    {
        uint flags = host.Cpuid(0x80000000, 0).Eax >= FeatureLeaf ? host.Cpuid(FeatureLeaf, 0).Edx : 0;
        return Has(flags, Nrips) ? flags : flags & ~(1u << DecodeAssists);
    }

    private static bool Has(uint flags, int bit) => (flags >> bit & 1) != 0;
}
