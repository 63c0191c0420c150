using System.Buffers.Binary;

namespace XenSim.Hypervisor.HypercallPages;

/// <summary>Page of a kernel that runs in ring 0 under a 32-bit Xen built with <c>supervisor_mode_kernel=y</c>.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/x86_32/traps.c: hypercall_page_initialise_ring0_kernel. Gone in 4.3.</remarks>
internal static class Ring0Page
{
    /// <param name="entry">Link address of Xen's <c>hypercall</c>, which differs from build to build.</param>
    public static HypercallStub Stub(uint entry)
    {
        // pushf; cli; mov $n,%eax; lcall $0xe008,$entry; ret
        byte[] generic = [0x9C, 0xFA, 0xB8, 0, 0, 0, 0, 0x9A, 0, 0, 0, 0, 0x08, 0xE0, 0xC3];
        BinaryPrimitives.WriteUInt32LittleEndian(generic.AsSpan(8), entry);
        // push %eax; pushf; cli; mov $23,%eax; lcall $0xe008,$entry
        byte[] iret = [0x50, 0x9C, 0xFA, 0xB8, 23, 0, 0, 0, 0x9A, 0, 0, 0, 0, 0x08, 0xE0];
        BinaryPrimitives.WriteUInt32LittleEndian(iret.AsSpan(9), entry);
        return new HypercallStub(_ => "hypercall_page_initialise_ring0_kernel", generic, 3, iret);
    }
}
