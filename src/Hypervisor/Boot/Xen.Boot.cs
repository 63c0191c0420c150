using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.HypercallPages;

namespace XenSim.Hypervisor;

/// <summary>The parts of Xen's global state that its boot decides.</summary>
public sealed partial class Xen
{
    /// <summary><c>hvm_funcs</c>: null until hvm_enable ran, and for good on a host without usable VMX or SVM.</summary>
    public HvmFunctionTable? HvmFunctions { get; internal set; }

    /// <summary><c>hvm_enabled</c>.</summary>
    public bool HvmEnabled => HvmFunctions is not null;

    /// <summary>What decides the flavour of a page written for a domain now: <c>hypercall_page_initialise</c>, <c>init_hypercall_page</c>.</summary>
    public HypercallPageSelection PageSelectionFor(Domains.Domain domain)
        => new(Options.Release, Options.Host64, Options.SupervisorModeKernel, HvmFunctions?.Flavour, domain.IsHvm, domain.Is32BitPv);
}
