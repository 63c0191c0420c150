using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Stages;
using static XenSim.Hypervisor.Boot.StartXen;

namespace XenSim.Hypervisor.Boot;

/// <summary>Vendor tables and identification of the boot CPU, and the ways from there into VMX and SVM.</summary>
/// <remarks>Source: xen/arch/x86/cpu/common.c, intel.c, amd.c, hvm/vmx/vmx.c, hvm/svm/svm.c, hvm/hvm.c of both releases.</remarks>
internal static class CpuVendors
{
    private const string Cpu = "xen/arch/x86/cpu";
    private const string Hvm = "xen/arch/x86/hvm";

    /// <summary>early_cpu_init of 4.0: each vendor only enters its record; which one is ours is read afterwards.</summary>
    public static Stage<BootContext> EarlyCpuInit40(bool host64) => Step("early_cpu_init", $"RELEASE-4.0.4 {Cpu}/common.c") with
    {
        Calls =
        [
            Step("intel_cpu_init", $"RELEASE-4.0.4 {Cpu}/intel.c"),
            Step("amd_init_cpu", $"RELEASE-4.0.4 {Cpu}/amd.c"),
            .. host64
                ? (Stage<BootContext>[])[]
                : [
                    Step("cyrix_init_cpu", $"RELEASE-4.0.4 {Cpu}/cyrix.c"), Step("nsc_init_cpu", $"RELEASE-4.0.4 {Cpu}/cyrix.c"),
                    Step("centaur_init_cpu", $"RELEASE-4.0.4 {Cpu}/centaur.c"), Step("transmeta_init_cpu", $"RELEASE-4.0.4 {Cpu}/transmeta.c"),
                ],
            Step("early_cpu_detect", $"RELEASE-4.0.4 {Cpu}/common.c"),
        ],
    };

    /// <summary>4.17 knows the vendors by a switch and names the CPU.</summary>
    public static Stage<BootContext> EarlyCpuInit417 => Step("early_cpu_init", $"stable-4.17 {Cpu}/common.c", c =>
    {
        HostModel h = c.Host;
        c.Print($"CPU Vendor: {(h.Vendor == CpuVendor.Intel ? "Intel" : "AMD")}, Family {h.Family} (0x{h.Family:x}), Model {h.Model} (0x{h.Model:x}), "
            + $"Stepping {h.Stepping} (raw {h.Signature:x8})");
    });

    /// <summary>identify_cpu of 4.0: the vendor's c_init turns hardware virtualisation on.</summary>
    public static Stage<BootContext> IdentifyCpu40 => Step("identify_cpu", $"RELEASE-4.0.4 {Cpu}/common.c") with
    {
        Calls =
        [
            Step("generic_identify", $"RELEASE-4.0.4 {Cpu}/common.c"),
            Step("init_intel", $"RELEASE-4.0.4 {Cpu}/intel.c") with { When = IsIntel, WhenText = "Intel CPU", Calls = [StartVmx40] },
            Step("init_amd", $"RELEASE-4.0.4 {Cpu}/amd.c") with { When = IsAmd, WhenText = "AMD CPU", Calls = [StartSvm40] },
            Step("mcheck_init", $"RELEASE-4.0.4 {Cpu}/mcheck/mce.c", c => c.Print(MachineCheck(c.Host, XenRelease.V4_0))),
        ],
    };

    /// <summary>identify_cpu of 4.17 leaves virtualisation alone.</summary>
    public static Stage<BootContext> IdentifyCpu417 => Step("identify_cpu", $"stable-4.17 {Cpu}/common.c") with
    {
        Calls =
        [
            Step("generic_identify", $"stable-4.17 {Cpu}/common.c"),
            Step("init_intel", $"stable-4.17 {Cpu}/intel.c") with { When = IsIntel, WhenText = "Intel CPU" },
            Step("init_amd", $"stable-4.17 {Cpu}/amd.c", c => c.Print("No SSBD controls available")) with { When = IsAmd, WhenText = "AMD CPU" },
            Step("xstate_init", "stable-4.17 xen/arch/x86/xstate.c", PrintXstate) with { When = c => c.Host.Has(CpuFeature.Xsave), WhenText = "XSAVE" },
            Step("mcheck_init", $"stable-4.17 {Cpu}/mcheck/mce.c", c => c.Print(MachineCheck(c.Host, XenRelease.V4_17))),
        ],
    };

    /// <summary>The initcall of 4.17 that starts VMX or SVM and then takes its function table over.</summary>
    public static Stage<BootContext> HvmEnable417 => new()
    {
        Name = "hvm_enable",
        Source = $"stable-4.17 {Hvm}/hvm.c (presmp_initcall)",
        Calls =
        [
            Step("start_vmx", $"stable-4.17 {Hvm}/vmx/vmx.c") with
            {
                When = c => c.Host.Has(CpuFeature.Vmx), WhenText = "VMX in CPUID",
                Calls = [VmxCpuUp("stable-4.17")], OnCalleeFailure = (c, _) => Abandon(c, "VMX"),
            },
            Step("start_svm", $"stable-4.17 {Hvm}/svm/svm.c") with
            {
                When = c => !c.Host.Has(CpuFeature.Vmx) && c.Host.Has(CpuFeature.Svm), WhenText = "SVM in CPUID",
                Calls = [SvmCpuUp("stable-4.17")], OnCalleeFailure = (c, _) => Abandon(c, "SVM"), Return = PrintSvmFeatures,
            },
        ],
        Return = c =>
        {
            Enable(c);
            return StageOutcome.Ok;
        },
    };

    private static Stage<BootContext> StartVmx40 => Step("start_vmx", $"RELEASE-4.0.4 {Hvm}/vmx/vmx.c") with
    {
        Calls =
        [
            VmxCpuUp("RELEASE-4.0.4") with { When = c => c.Host.Has(CpuFeature.Vmx), WhenText = "VMX in CPUID" },
            HvmEnable40,
        ],
        OnCalleeFailure = (c, _) => Abandon(c, "VMX"),
    };

    private static Stage<BootContext> StartSvm40 => Step("start_svm", $"RELEASE-4.0.4 {Hvm}/svm/svm.c") with
    {
        Calls =
        [
            SvmCpuUp("RELEASE-4.0.4") with { When = c => c.Host.Has(CpuFeature.Svm), WhenText = "SVM in CPUID" },
            HvmEnable40,
        ],
        OnCalleeFailure = (c, _) => Abandon(c, "SVM"),
    };

    private static Stage<BootContext> HvmEnable40 => Step("hvm_enable", $"RELEASE-4.0.4 {Hvm}/hvm.c", Enable) with
    {
        When = c => c.StartedHvm is not null,
        WhenText = "virtualisation came up",
    };

    private static Stage<BootContext> VmxCpuUp(string release) => new()
    {
        Name = "vmx_cpu_up",
        Source = $"{release} {Hvm}/vmx/vmcs.c",
        Enter = c =>
        {
            if (VmxCpu.CpuUpFailure(c.Host, cpu: 0) is { } failure)
                return Fail(c, failure);
            VmxCapabilities capabilities = new(c.Host, c.Xen.Options.Release);
            c.Print(capabilities.FeatureLines());
            c.Print(VmxCpu.AsidLine(capabilities));
            c.StartedHvm = VmxCpu.FunctionTable(capabilities, c.Xen.Options.Release);
            return StageOutcome.Ok;
        },
    };

    private static Stage<BootContext> SvmCpuUp(string release) => new()
    {
        Name = "svm_cpu_up",
        Source = $"{release} {Hvm}/svm/svm.c",
        Enter = c =>
        {
            if (SvmCpu.CpuUpFailure(c.Host, cpu: 0) is { } failure)
                return Fail(c, failure);
            c.Print(SvmCpu.AsidLine(c.Host));
            c.StartedHvm = SvmCpu.FunctionTable(c.Host, c.Xen.Options.Release);
            return StageOutcome.Ok;
        },
    };

    /// <summary>vmx_cpu_up, svm_cpu_up on a CPU that is not the first: whether it can follow.</summary>
    public static Stage<BootContext> CpuUp(bool intel, string release, int cpu) => new()
    {
        Name = intel ? $"vmx_cpu_up:{cpu}" : $"svm_cpu_up:{cpu}",
        Source = intel ? $"{release} {Hvm}/vmx/vmcs.c" : $"{release} {Hvm}/svm/svm.c",
        When = c => c.Xen.Hvm is not null && IsIntel(c) == intel,
        WhenText = intel ? "HVM enabled, Intel CPU" : "HVM enabled, AMD CPU",
        Enter = c =>
        {
            HostModel processor = c.Host.Processor(cpu);
            string[]? failure = intel ? VmxCpu.CpuUpFailure(processor, cpu) : SvmCpu.CpuUpFailure(processor, cpu);
            return failure is null ? StageOutcome.Ok : Fail(c, failure);
        },
    };

    private static StageOutcome PrintSvmFeatures(BootContext c)
    {
        if (c.StartedHvm is not null)
            c.Print(SvmCpu.FeatureLines(c.Host, c.Xen.Options.Release));
        return StageOutcome.Ok;
    }

    /// <summary>4.0: vmx_cpu_up and svm_cpu_up return 0; 4.17: -EINVAL. Either way the CPU stays without virtualisation.</summary>
    private static StageOutcome Fail(BootContext c, string[] lines)
    {
        c.Print(lines);
        return c.Xen.Options.Release == XenRelease.V4_0 ? StageOutcome.Fail(-1, message: lines[0]) : StageOutcome.Fail(XenErrno.EINVAL, lines[0]);
    }

    /// <summary>Not fatal: Xen goes on without HVM.</summary>
    private static StageOutcome Abandon(BootContext c, string technology)
    {
        c.StartedHvm = null;
        c.Print($"{technology}: failed to initialise.");
        return StageOutcome.Ok;
    }

    private static void Enable(BootContext c)
    {
        if (c.StartedHvm is not { } table)
            return;
        c.Xen.Hvm = table;
        c.Print($"HVM: {table.Name} enabled");
        if (!table.HapSupported)
            return;
        if (c.Xen.Options.Release == XenRelease.V4_0)
        {
            c.Print("HVM: Hardware Assisted Paging detected.");
            return;
        }

        c.Print("HVM: Hardware Assisted Paging (HAP) detected");
        c.Print($"HVM: HAP page sizes: 4kB{(table.Hap2Mb ? ", 2MB" : "")}{(table.Hap1Gb ? ", 1GB" : "")}");
    }

    private static void PrintXstate(BootContext c)
    {
        var r = c.Host.Cpuid(0xD, 0);
        c.Print($"xstate: size: 0x{r.Ecx:x} and states: 0x{r.Eax:x}");
    }

    /// <summary>Banner of the machine-check code. Source: xen/arch/x86/cpu/mcheck/mce.c of both releases.</summary>
    private static string MachineCheck(HostModel host, XenRelease release)
    {
        bool modern = release != XenRelease.V4_0;
        if (!host.Has(CpuFeature.Mce) || (modern && !host.Has(CpuFeature.Mca)))
            return "CPU0: No machine check support available";
        string type = (host.Vendor, host.Family) switch
        {
            (CpuVendor.Intel, _) => "Intel",
            (_, 6) when !modern => "AMD K7",
            (_, 0xF) => "AMD K8",
            _ => $"AMD Fam{host.Family:x}h",
        };
        return $"{(modern ? "CPU0: " : "")}{type} machine check reporting enabled";
    }

    internal static bool IsIntel(BootContext c) => c.Host.Vendor == CpuVendor.Intel;

    internal static bool IsAmd(BootContext c) => c.Host.Vendor == CpuVendor.AMD;
}
