using System.Buffers.Binary;
using XenSim.Hypervisor.Public.Elf;

namespace XenSim.Toolstack.Images;

/// <summary>Plain binaries with a Xen multiboot table in their first 8 KiB.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_binloader.c, stable-4.17 tools/libs/guest/xg_dom_binloader.c.</remarks>
internal static class MultibootLoader
{
    public static readonly KernelLoader Loader = new(
        "multiboot-binary", "xc_dom_probe_bin_kernel", "xc_dom_parse_bin_kernel", "xc_dom_load_bin_kernel",
        (LoaderInput _, ref ReadOnlyMemory<byte> blob) => FindTable(blob.Span) is not null, Parse);

    private const uint Magic = 0x336ec578;
    private const int TableSize = 32;
    private const int SearchLimit = 8192;
    private const uint FlagAlign4K = 1;
    private const uint FlagAddressesValid = 0x10000;
    private const int PaeShift = 14;
    private const uint FlagsTested = ~FlagAlign4K & ~(3u << PaeShift);

    /// <param name="At">Offset of the table in the image. The rest are its fields.</param>
    private sealed record Table(uint At, uint Flags, uint HeaderAddress, uint LoadAddress, uint LoadEnd, uint BssEnd, uint Entry);

    /// <summary>Addresses worked out, all 32 bits wide as in the source.</summary>
    private sealed record Layout(uint Start, uint LoadEnd, uint BssEnd);

    private static Table? FindTable(ReadOnlySpan<byte> image)
    {
        int end = Math.Min(image.Length - TableSize, SearchLimit);
        for (int at = 0; at < end; at += 4)
        {
            ReadOnlySpan<byte> table = image[at..];
            if (Word(table, 0) == Magic && unchecked(Word(table, 0) + Word(table, 4) + Word(table, 8)) == 0)
                return new Table((uint)at, Word(table, 4), Word(table, 12), Word(table, 16), Word(table, 20), Word(table, 24), Word(table, 28));
        }

        return null;
    }

    private static uint Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ParsedKernel? Parse(LoaderInput input, ReadOnlyMemory<byte> image)
    {
        const string function = "xc_dom_parse_bin_kernel";
        if (FindTable(image.Span) is not { } table)
            return null;
        input.Log.Print($"{function}: multiboot header fields");
        input.Log.Print($"  flags:         0x{table.Flags:x}");
        input.Log.Print($"  header_addr:   0x{table.HeaderAddress:x}");
        input.Log.Print($"  load_addr:     0x{table.LoadAddress:x}");
        input.Log.Print($"  load_end_addr: 0x{table.LoadEnd:x}");
        input.Log.Print($"  bss_end_addr:  0x{table.BssEnd:x}");
        input.Log.Print($"  entry_addr:    0x{table.Entry:x}");
        if ((table.Flags & FlagsTested) != FlagAddressesValid)
            return Refuse(157, 175, $"xen_bin_image_table flags required 0x{FlagAddressesValid:x8} found 0x{table.Flags & FlagsTested:x8}");
        if (table.HeaderAddress < table.LoadAddress || table.At < table.HeaderAddress - table.LoadAddress)
            return Refuse(169, 187, "Invalid header_addr.");

        Layout layout = Place(table, image.Length);
        input.Log.Print($"{function}: calculated addresses");
        input.Log.Print($"  start_addr:    0x{layout.Start:x}");
        input.Log.Print($"  load_end_addr: 0x{layout.LoadEnd:x}");
        input.Log.Print($"  bss_end_addr:  0x{layout.BssEnd:x}");
        if (layout.Start + (ulong)image.Length < layout.LoadEnd)
            return Refuse(185, 203, "Invalid load_end_addr.");
        if (layout.BssEnd < layout.LoadEnd)
            return Refuse(192, 210, "Invalid bss_end_addr.");

        (string guestType, PaeMode pae) = GuestType(input, table, function);
        var parameters = new XenElfParameters { VirtBase = layout.Start, VirtEntry = table.Entry, Pae = pae };
        return new ParsedKernel(
            image, null, parameters, guestType, table.LoadAddress, layout.BssEnd,
            (_, size, destination) => Load(input.Log, image.Span, table, layout, size, destination));

        ParsedKernel? Refuse(int line40, int line417, string text)
        {
            input.Log.Panic(XcError.XC_INVALID_KERNEL, new PanicSite("binloader.c", line40, line417), $"{function}: {text}");
            return null;
        }
    }

    private static Layout Place(Table table, int imageSize)
    {
        uint start = unchecked(table.HeaderAddress - table.At);
        uint loadEnd = table.LoadEnd != 0 ? table.LoadEnd : unchecked(start + (uint)imageSize);
        return new Layout(start, loadEnd, table.BssEnd != 0 ? table.BssEnd : loadEnd);
    }

    private static (string Type, PaeMode Pae) GuestType(LoaderInput input, Table table, string function)
    {
        switch (table.Flags >> PaeShift & 3)
        {
            case 0:
                return ("xen-3.0-x86_32", PaeMode.No);
            case 1:
                return ("xen-3.0-x86_32p", PaeMode.No);
            case 2:
                return ("xen-3.0-x86_64", PaeMode.No);
            default:
                if (!input.XenCapabilities.Contains("xen-3.0-x86_32p", StringComparison.Ordinal))
                    return ("xen-3.0-x86_32", PaeMode.No);
                input.Log.Print($"{function}: PAE fixup");
                return ("xen-3.0-x86_32p", PaeMode.ExtendedCr3);
        }
    }

    private static bool Load(BuilderLog log, ReadOnlySpan<byte> image, Table table, Layout layout, ulong destSize, IElfDestination destination)
    {
        uint skip = unchecked(table.LoadAddress - layout.Start);
        uint text = unchecked(layout.LoadEnd - table.LoadAddress);
        uint bss = layout.BssEnd - layout.LoadEnd;
        log.Print("xc_dom_load_bin_kernel: calculated sizes");
        log.Print($"  skip:      0x{skip:x}");
        log.Print($"  text_size: 0x{text:x}");
        log.Print($"  bss_size:  0x{bss:x}");

        // 4.0.4 has neither check and would read or write past its buffers.
        if (destSize < text || destSize - text < bss)
        {
            log.Print("xc_dom_load_bin_kernel: mapped region is too small for image");
            return false;
        }

        if (image.Length < skip || image.Length - skip < text)
        {
            log.Print("xc_dom_load_bin_kernel: image is too small for declared text size");
            return false;
        }

        return destination.Copy(0, image.Slice((int)skip, (int)text)) && destination.Clear(text, bss);
    }
}
