using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;

namespace XenSim.Toolstack.Images;

/// <summary>What the loaders know about the build: facts, no state.</summary>
/// <param name="HvmContainer">4.17: the domain is PVH or HVM (XC_DOM_HVM_CONTAINER).</param>
/// <param name="XenCapabilities">XENVER_capabilities, for kernels that take either kind of PAE.</param>
public sealed record LoaderInput(bool HvmContainer, string XenCapabilities, BuilderLog Log, BuilderMemory Memory)
{
    public XenRelease Release => Log.Release;
}

/// <summary>A kernel that a loader has parsed: <c>kernel_seg</c>, <c>parms</c> and <c>guest_type</c>. Addresses in bytes.</summary>
/// <param name="Kernel">kernel_blob, unpacked.</param>
/// <param name="Elf">Null for a multiboot binary.</param>
/// <param name="GuestType">e.g. <c>xen-3.0-x86_64</c>; null: the loader did not set it.</param>
/// <param name="Load">The loader's third function: writes the segment's contents. Arguments: address shown for the segment's start
/// (in libxc a pointer), size of the mapping, the mapping. False after saying why.</param>
public sealed record ParsedKernel(
    ReadOnlyMemory<byte> Kernel, ElfImage? Elf, XenElfParameters Parameters, string? GuestType, ulong SegmentStart, ulong SegmentEnd,
    Func<ulong, ulong, IElfDestination, bool> Load);

/// <summary><c>struct xc_dom_loader</c>.</summary>
/// <param name="Name">As printed by xc_dom_find_loader.</param>
/// <param name="Probe">True when the loader takes the blob; may unpack it (and, as in reality, leaves it unpacked when it then refuses).</param>
/// <param name="Parse">Null after saying why not.</param>
public sealed record KernelLoader(string Name, string ProbeFunction, string ParseFunction, string LoadFunction, KernelProbe Probe, Func<LoaderInput, ReadOnlyMemory<byte>, ParsedKernel?> Parse);

/// <summary>A loader's probe.</summary>
public delegate bool KernelProbe(LoaderInput input, ref ReadOnlyMemory<byte> blob);

/// <summary>The loaders of a release in the order in which xc_dom_find_loader tries them.</summary>
/// <remarks>
/// Each registers itself at the front of a list from an ELF constructor. 4.17: the order of the real logs. 4.0.4: that of the
/// toolchains of its day, which ran constructors backwards; the probes are disjoint, so it decides nothing.
/// </remarks>
public static class KernelLoaders
{
    private static readonly PanicSite NoLoader = new("core.c", 517, 689);

    private static readonly KernelLoader[] Order40 = [ElfLoaders.Generic, BzImageLoader.Loader, MultibootLoader.Loader];

    private static readonly KernelLoader[] Order417 = [MultibootLoader.Loader, ElfLoaders.Hvm, BzImageLoader.Loader, ElfLoaders.Generic];

    public static IReadOnlyList<KernelLoader> ProbeOrder(XenRelease release) => release == XenRelease.V4_0 ? Order40 : Order417;

    /// <summary>xc_dom_find_loader.</summary>
    /// <returns>The loader whose probe succeeded; null after the panic "no loader found".</returns>
    public static KernelLoader? Find(LoaderInput input, ref ReadOnlyMemory<byte> blob)
    {
        foreach (KernelLoader loader in ProbeOrder(input.Release))
        {
            input.Log.Print($"xc_dom_find_loader: trying {loader.Name} loader ... ");
            bool taken = loader.Probe(input, ref blob);
            input.Log.Print(taken ? "loader probe OK" : "loader probe failed");
            if (taken)
                return loader;
        }

        input.Log.Panic(XcError.XC_INVALID_KERNEL, NoLoader, "xc_dom_find_loader: no loader found");
        return null;
    }
}
