using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.HypercallPages;

/// <summary>The page through which a guest calls Xen: 128 stubs of 32 bytes, slot n at offset 32·n, filler <c>int3</c>.</summary>
public static class HypercallPage
{
    /// <summary>Unit: bytes.</summary>
    public const int Size = 4096;

    /// <summary>Unit: bytes.</summary>
    public const int SlotSize = 32;

    public const int SlotCount = Size / SlotSize;

    /// <summary>Link address of <c>hypercall</c> in the 4.0.4 build with <c>supervisor_mode_kernel=y</c> that the golden boot log is from.</summary>
    public const ulong DefaultEntry = 0xFF1DDAB0;

    private const byte Int3 = 0xCC;

    /// <summary>Whether a build of that release has the flavour: ring 0 and the 32-bit hypervisor went with 4.3.</summary>
    public static bool Exists(HypercallPageFlavour flavour, XenRelease release)
        => release == XenRelease.V4_0 || flavour is not (HypercallPageFlavour.Ring0 or HypercallPageFlavour.Ring1);

    /// <summary>The page's 4096 bytes.</summary>
    /// <param name="entry">Address of Xen's <c>hypercall</c>; only the ring-0 flavour holds it.</param>
    /// <exception cref="ArgumentException">The release has no such page: see <see cref="Exists"/>.</exception>
    public static byte[] Render(HypercallPageFlavour flavour, XenRelease release, ulong entry = DefaultEntry)
    {
        byte[] page = new byte[Size];
        Initialise(page, flavour, release, entry);
        return page;
    }

    /// <summary><c>hypercall_page_initialise</c> (4.0), <c>init_hypercall_page</c> (4.17): overwrites all 4096 bytes.</summary>
    /// <exception cref="ArgumentException">The release has no such page: see <see cref="Exists"/>.</exception>
    public static void Initialise(Span<byte> page, HypercallPageFlavour flavour, XenRelease release, ulong entry = DefaultEntry)
    {
        if (!Exists(flavour, release))
            throw new ArgumentException($"{release} has no {flavour} hypercall page", nameof(flavour));
        page[..Size].Fill(Int3);
        StubOf(flavour, entry).Fill(page, release);
    }

    /// <summary>Xen's function that writes the flavour, for traces.</summary>
    public static string WriterOf(HypercallPageFlavour flavour, XenRelease release) => StubOf(flavour, DefaultEntry).Writer(release);

    private static HypercallStub StubOf(HypercallPageFlavour flavour, ulong entry) => flavour switch
    {
        HypercallPageFlavour.Ring0 => Ring0Page.Stub((uint)entry),
        HypercallPageFlavour.Ring1 or HypercallPageFlavour.CompatRing1 => Ring1Page.Stub,
        HypercallPageFlavour.Ring3 => Ring3Page.Stub,
        HypercallPageFlavour.Vmx => VmxPage.Stub,
        HypercallPageFlavour.Svm => SvmPage.Stub,
        _ => throw new ArgumentOutOfRangeException(nameof(flavour)),
    };
}
