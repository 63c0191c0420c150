namespace XenSim.Hypervisor.HypercallPages;

/// <summary>Page of a hardware virtual machine on an Intel host.</summary>
/// <remarks>Source: xen/arch/x86/hvm/vmx/vmx.c: vmx_init_hypercall_page, RELEASE-4.0.4 and stable-4.17.</remarks>
internal static class VmxPage
{
    public static readonly HypercallStub Stub = new(
        _ => "vmx_init_hypercall_page",
        [0xB8, 0, 0, 0, 0, 0x0F, 0x01, 0xC1, 0xC3], // mov $n,%eax; vmcall; ret
        1,
        [0x0F, 0x0B]); // ud2: HYPERVISOR_iret is not for such guests
}
