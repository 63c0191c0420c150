using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Images;

/// <summary>Linux bzImages: unpacks the payload, the rest is the ELF loader's.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_bzimageloader.c, stable-4.17 tools/libs/guest/xg_dom_bzimageloader.c.</remarks>
internal static class BzImageLoader
{
    public static readonly KernelLoader Loader = new(
        "Linux bzImage", "xc_dom_probe_bzimage_kernel", "xc_dom_parse_bzimage_kernel", "xc_dom_load_bzimage_kernel", Probe,
        (input, blob) => ElfLoaders.Generic.Parse(input, blob));

    private static bool Probe(LoaderInput input, ref ReadOnlyMemory<byte> blob)
    {
        if (!TryHeader(input.Log, blob.Span, out BzImageHeader header))
            return false;
        blob = blob.Slice((int)header.PayloadStart, (int)header.PayloadLength);
        if (PayloadFormats.Find(input.Release, blob.Span) is not { } format)
        {
            Refuse(input.Log, new PanicSite("bzimageloader.c", 450, 813), ": unknown compression format");
            return false;
        }

        if (format.Decode(input.Log, input.Memory, blob) is not { } kernel)
        {
            Refuse(input.Log, format.Site, format.Panic);
            return false;
        }

        blob = kernel;
        return ElfLoaders.Generic.Probe(input, ref blob);
    }

    private static bool TryHeader(BuilderLog log, ReadOnlySpan<byte> file, out BzImageHeader header)
    {
        const int oldestVersion = 0x208; // the first with a payload_offset
        header = default;
        if (file.Length < BzImageHeader.Size)
            return NotOne(log, 371, "kernel image too small");
        if (!BzImageHeader.HasMagic(file))
            return NotOne(log, 380, "kernel is not a bzImage");
        header = BzImageHeader.Read(file);
        if (header.Version < oldestVersion)
            return Refuse(log, new PanicSite("bzimageloader.c", 387, 707), $": boot protocol too old ({header.Version:x4})");
        if (header.PayloadStart >= (ulong)file.Length)
            return Refuse(log, new PanicSite("bzimageloader.c", 401, 721), ": payload offset overflow");
        return header.PayloadStart + header.PayloadLength <= (ulong)file.Length
            || Refuse(log, new PanicSite("bzimageloader.c", 407, 727), ": payload length overflow");
    }

    /// <summary>4.0.4 calls it a panic (the last error then stays even when another loader succeeds), 4.17 only prints.</summary>
    private static bool NotOne(BuilderLog log, int line40, string what)
    {
        string text = $"xc_dom_probe_bzimage_kernel: {what}";
        if (log.Release == XenRelease.V4_0)
            log.Panic(line40 == 371 ? XcError.XC_INTERNAL_ERROR : XcError.XC_INVALID_KERNEL, new PanicSite("bzimageloader.c", line40, 0), text);
        else
            log.Print(text);
        return false;
    }

    private static bool Refuse(BuilderLog log, PanicSite site, string text)
    {
        log.Panic(XcError.XC_INVALID_KERNEL, site, $"xc_dom_probe_bzimage_kernel{text}");
        return false;
    }
}
