using XenSim.Hypervisor.HypercallPages;

namespace XenSim.Hypervisor.Hvm;

/// <summary>The host's way into hardware virtualisation, <c>vmx_function_table</c> or <c>svm_function_table</c>, as start_vmx/start_svm leaves it.</summary>
/// <remarks>Sources: xen/arch/x86/hvm/vmx/vmx.c, hvm/svm/svm.c, include/asm-x86/hvm/hvm.h of both releases.</remarks>
public sealed record HvmFunctionTable
{
    /// <summary>The table's <c>name</c>, as in "HVM: SVM enabled".</summary>
    public required string Name { get; init; }

    /// <summary><c>init_hypercall_page</c>: the flavour follows the host's vendor, not the guest's mode.</summary>
    public required HypercallPageFlavour Flavour { get; init; }

    /// <summary><c>hap_supported</c>: EPT or NPT.</summary>
    public bool HapSupported { get; init; }

    /// <summary>HVM_HAP_SUPERPAGE_2MB.</summary>
    public bool Hap2Mb { get; init; }

    /// <summary>HVM_HAP_SUPERPAGE_1GB; 4.0 does not look for it.</summary>
    public bool Hap1Gb { get; init; }

    /// <summary>VMX with APIC register virtualisation (leaf 4 of 4.17 says so).</summary>
    public bool ApicRegisterVirtualisation { get; init; }

    /// <summary>VMX that runs a guest's x2APIC accesses without exits (leaf 4 of 4.17 says so).</summary>
    public bool X2ApicVirtualisation { get; init; }
}
