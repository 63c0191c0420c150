using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor;

/// <summary>What the hypervisor is built and started with: data only.</summary>
public sealed record XenOptions
{
    public required XenRelease Release { get; init; }

    public required HostModel Host { get; init; }

    /// <summary>False: the 32-bit PAE hypervisor (4.0 only).</summary>
    public bool Host64 { get; init; } = true;

    /// <summary>CONFIG_X86_SUPERVISOR_MODE_KERNEL of 4.0's 32-bit build: dom0's kernel runs in ring 0 and there are no other domains.</summary>
    public bool SupervisorModeKernel { get; init; }

    /// <summary>CONFIG_PV32, a build option of 4.17: whether a 64-bit hypervisor takes 32-bit PV guests.</summary>
    public bool Pv32 { get; init; } = true;

    /// <summary>debug=y build: argument registers are clobbered after hypercalls.</summary>
    public bool DebugBuild { get; init; }

    /// <summary>The machine's memory. Unit: MiB.</summary>
    public ulong MemoryMiB { get; init; } = 1024;

    /// <summary>Xen's own command line.</summary>
    public string CommandLine { get; init; } = "";

    /// <summary>hvm_fep on the command line of a 4.17 built with CONFIG_HVM_FEP: "ud2; xen" before an instruction has it emulated.</summary>
    internal bool HvmForcedEmulation => Release != XenRelease.V4_0 && CommandLine.Split(' ').Contains("hvm_fep");

    /// <summary>Address of <c>hypercall</c> in a supervisor-mode build, the target of the ring 0 stubs' lcall.</summary>
    public ulong HypercallEntry { get; init; } = HypercallPage.DefaultEntry;

    public required IEventSink Events { get; init; }

    /// <summary>Fault injection by stage name: a failed outcome replaces the stage's work.</summary>
    public Func<string, StageOutcome?>? StageFaults { get; init; }

    /// <summary>Fault injection by call name (<c>XEN_DOMCTL_hypercall_init</c>, <c>XENMEM_populate_physmap</c>, <c>mmu_update</c> …).</summary>
    public Func<string, XenErrno?>? CallFaults { get; init; }

    /// <summary>Fault injection by domctl name: the domain that the command is about instead of the one that it names.</summary>
    public Func<string, DomainId?>? DomctlFaults { get; init; }

    /// <summary>Fault injection: whether an allocation of 2^order frames for a domain (<c>alloc_domheap_pages</c>) finds none.</summary>
    public Func<int, bool>? AllocationFaults { get; init; }
}
