namespace XenSim.Hypervisor.HypercallPages;

/// <summary>Page of a hardware virtual machine on an AMD host.</summary>
/// <remarks>Source: xen/arch/x86/hvm/svm/svm.c: svm_init_hypercall_page, RELEASE-4.0.4 and stable-4.17.</remarks>
internal static class SvmPage
{
    public static readonly HypercallStub Stub = new(
        _ => "svm_init_hypercall_page",
        [0xB8, 0, 0, 0, 0, 0x0F, 0x01, 0xD9, 0xC3], // mov $n,%eax; vmmcall; ret
        1,
        [0x0F, 0x0B]); // ud2: HYPERVISOR_iret is not for such guests
}
