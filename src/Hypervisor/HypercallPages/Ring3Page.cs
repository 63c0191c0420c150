using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.HypercallPages;

/// <summary>Page of a 64-bit PV kernel.</summary>
/// <remarks>
/// Sources: RELEASE-4.0.4 xen/arch/x86/x86_64/traps.c: hypercall_page_initialise_ring3_kernel;
/// stable-4.17 xen/arch/x86/pv/hypercall.c: pv_ring3_init_hypercall_page.
/// </remarks>
internal static class Ring3Page
{
    public static readonly HypercallStub Stub = new(
        release => release == XenRelease.V4_0 ? "hypercall_page_initialise_ring3_kernel" : "pv_ring3_init_hypercall_page",
        [0x51, 0x41, 0x53, 0xB8, 0, 0, 0, 0, 0x0F, 0x05, 0x41, 0x5B, 0x59, 0xC3], // push %rcx; push %r11; mov $n,%eax; syscall; pop %r11; pop %rcx; ret
        4,
        [0x51, 0x41, 0x53, 0x50, 0xB8, 23, 0, 0, 0, 0x0F, 0x05]); // push %rcx; push %r11; push %rax: the low words of struct iret_context
}
