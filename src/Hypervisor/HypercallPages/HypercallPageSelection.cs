using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.HypercallPages;

/// <summary>Facts on which the flavour depends: of the build, of the host, and of the domain at the moment of writing.</summary>
/// <param name="Host64">A 64-bit hypervisor.</param>
/// <param name="SupervisorModeKernel">The build option of the 32-bit one.</param>
/// <param name="HvmFlavour">Flavour of the host vendor's function table; null if HVM is off.</param>
/// <param name="IsHvm">The domain is a hardware virtual machine (HVM or PVH).</param>
/// <param name="Is32BitPv">The domain's width now: a page written before <c>XEN_DOMCTL_set_address_size</c> keeps the old flavour.</param>
public readonly record struct HypercallPageSelection(
    XenRelease Release, bool Host64, bool SupervisorModeKernel, HypercallPageFlavour? HvmFlavour, bool IsHvm, bool Is32BitPv)
{
    /// <summary>
    /// The three-way choice of RELEASE-4.0.4 xen/arch/x86/x86_{32,64}/traps.c: hypercall_page_initialise and
    /// stable-4.17 xen/arch/x86/domain.c: init_hypercall_page.
    /// </summary>
    /// <exception cref="InvalidOperationException">An HVM domain on a host without HVM: it cannot have been created.</exception>
    public HypercallPageFlavour Flavour => (IsHvm, Host64) switch
    {
        (true, _) => HvmFlavour ?? throw new InvalidOperationException("an HVM domain exists although hvm_enable never ran"),
        (false, false) => SupervisorModeKernel ? HypercallPageFlavour.Ring0 : HypercallPageFlavour.Ring1,
        (false, true) => Is32BitPv ? HypercallPageFlavour.CompatRing1 : HypercallPageFlavour.Ring3,
    };
}
