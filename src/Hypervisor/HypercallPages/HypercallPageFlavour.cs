namespace XenSim.Hypervisor.HypercallPages;

/// <summary>What a stub of the page executes to enter Xen. One file of this folder each.</summary>
public enum HypercallPageFlavour
{
    /// <summary>32-bit kernel in ring 0 (<c>supervisor_mode_kernel</c>): a far call to Xen's <c>hypercall</c> entry.</summary>
    Ring0,

    /// <summary>32-bit kernel in ring 1 of a 32-bit Xen: <c>int $0x82</c>.</summary>
    Ring1,

    /// <summary>32-bit kernel in ring 1 of a 64-bit Xen: <c>int $0x82</c>.</summary>
    CompatRing1,

    /// <summary>64-bit kernel in ring 3: <c>syscall</c>.</summary>
    Ring3,

    /// <summary>Hardware virtual machine on an Intel host: <c>vmcall</c>, whatever the guest's mode.</summary>
    Vmx,

    /// <summary>Hardware virtual machine on an AMD host: <c>vmmcall</c>, whatever the guest's mode.</summary>
    Svm,
}
