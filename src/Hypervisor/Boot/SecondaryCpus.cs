using XenSim.Hypervisor.Public.Stages;
using static XenSim.Hypervisor.Boot.StartXen;

namespace XenSim.Hypervisor.Boot;

/// <summary>The other processors: what each does on its way up, and what Xen makes of one on which virtualisation does not come up.</summary>
/// <remarks>Source: xen/arch/x86/smpboot.c of RELEASE-4.0.4 and stable-4.17, hvm/vmx/vmx.c, hvm/svm/svm.c, stable-4.17 common/cpu.c.</remarks>
internal static class SecondaryCpus
{
    private const string Arch40 = "RELEASE-4.0.4 xen/arch/x86";
    private const string Arch417 = "stable-4.17 xen/arch/x86";

    /// <summary>The lines of the two BUG() calls.</summary>
    private const string VmxBug = "vmx.c:1431";
    private const string SvmBug = "svm.c:880";

    /// <summary>smp_boot_cpus of 4.0: each processor identifies itself as the first one did, and must get as far.</summary>
    public static Stage<BootContext>[] Boot40(int cpus) => Each(cpus, cpu => Step($"do_boot_cpu:{cpu}", $"{Arch40}/smpboot.c") with
    {
        Calls =
        [
            Step($"start_secondary:{cpu}", $"{Arch40}/smpboot.c") with
            {
                Calls = [Step($"smp_callin:{cpu}", $"{Arch40}/smpboot.c") with { Calls = [Identify40(cpu)] }],
            },
        ],
        Return = Online,
    });

    /// <summary>cpu_up of 4.17: a processor that cannot follow stays offline, Xen goes on without it.</summary>
    public static Stage<BootContext>[] Boot417(int cpus) => Each(cpus, cpu => Step($"cpu_up:{cpu}", "stable-4.17 xen/common/cpu.c") with
    {
        Calls =
        [
            Step($"do_boot_cpu:{cpu}", $"{Arch417}/smpboot.c") with
            {
                Calls =
                [
                    Step($"start_secondary:{cpu}", $"{Arch417}/smpboot.c") with
                    {
                        Calls = [Step($"smp_callin:{cpu}", $"{Arch417}/smpboot.c") with { Calls = [Identify417(cpu), HvmCpuUp417(cpu)] }],
                    },
                ],
            },
        ],
        Return = Online,
        FailureInCaller = (c, failure) =>
        {
            c.Print($"Failed to bring up CPU {cpu} (error {failure.Code})");
            return StageOutcome.Ok;
        },
    });

    private static Stage<BootContext>[] Each(int cpus, Func<int, Stage<BootContext>> stage) => [.. Enumerable.Range(1, cpus - 1).Select(stage)];

    private static StageOutcome Online(BootContext c)
    {
        c.Xen.OnlineCpus++;
        return StageOutcome.Ok;
    }

    private static Stage<BootContext> Identify40(int cpu) => Step($"identify_cpu:{cpu}", $"{Arch40}/cpu/common.c") with
    {
        Calls =
        [
            Step($"init_intel:{cpu}", $"{Arch40}/cpu/intel.c") with
            {
                When = CpuVendors.IsIntel, WhenText = "Intel CPU", Calls = [Start40("start_vmx", $"{Arch40}/hvm/vmx/vmx.c", "VMX", VmxBug, cpu)],
            },
            Step($"init_amd:{cpu}", $"{Arch40}/cpu/amd.c") with
            {
                When = CpuVendors.IsAmd, WhenText = "AMD CPU", Calls = [Start40("start_svm", $"{Arch40}/hvm/svm/svm.c", "SVM", SvmBug, cpu)],
            },
        ],
    };

    /// <summary>The second pass of start_vmx and start_svm: a BUG if the processor cannot do what the first one did.</summary>
    private static Stage<BootContext> Start40(string name, string source, string technology, string bug, int cpu) => Step($"{name}:{cpu}", source) with
    {
        Calls = [CpuVendors.CpuUp(technology == "VMX", "RELEASE-4.0.4", cpu)],
        OnCalleeFailure = (c, _) =>
        {
            c.Print($"{technology}: FATAL: failed to initialise CPU{cpu}!");
            c.Print($"Xen BUG at {bug}");
            return c.Panic($"Xen BUG at {bug}", cpu);
        },
    };

    private static Stage<BootContext> Identify417(int cpu) => Step($"smp_store_cpu_info:{cpu}", $"{Arch417}/smpboot.c") with
    {
        Calls = [Step($"identify_cpu:{cpu}", $"{Arch417}/cpu/common.c")],
    };

    private static Stage<BootContext> HvmCpuUp417(int cpu) => Step($"hvm_cpu_up:{cpu}", $"{Arch417}/include/asm/hvm/hvm.h") with
    {
        Calls = [CpuVendors.CpuUp(intel: true, "stable-4.17", cpu), CpuVendors.CpuUp(intel: false, "stable-4.17", cpu)],
        FailureInCaller = (c, failure) =>
        {
            c.Print($"CPU{cpu}: Failed to initialise HVM. Not coming online.");
            return failure;
        },
    };
}
