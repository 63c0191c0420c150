using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.HypercallPages;

/// <summary>Page of a 32-bit kernel in ring 1, of a 32-bit Xen and, with the same bytes, of a 64-bit one (compat).</summary>
/// <remarks>
/// Sources: RELEASE-4.0.4 xen/arch/x86/x86_32/traps.c and x86_64/compat/traps.c: hypercall_page_initialise_ring1_kernel;
/// stable-4.17 xen/arch/x86/pv/hypercall.c: pv_ring1_init_hypercall_page (a build with CONFIG_PV32).
/// </remarks>
internal static class Ring1Page
{
    public static readonly HypercallStub Stub = new(
        release => release == XenRelease.V4_0 ? "hypercall_page_initialise_ring1_kernel" : "pv_ring1_init_hypercall_page",
        [0xB8, 0, 0, 0, 0, 0xCD, 0x82, 0xC3], // mov $n,%eax; int $0x82; ret
        1,
        [0x50, 0xB8, 23, 0, 0, 0, 0xCD, 0x82]); // push %eax; mov $23,%eax; int $0x82
}
