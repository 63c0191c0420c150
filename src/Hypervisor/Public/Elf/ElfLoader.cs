namespace XenSim.Hypervisor.Public.Elf;

/// <summary>Where the segments of an image go: a mapping of the guest's frames (libxc) or dom0's own address space (Xen).</summary>
public interface IElfDestination
{
    /// <summary>Copies bytes to <paramref name="offset"/> from the destination's start. False: the write failed (Xen: a fault).</summary>
    bool Copy(ulong offset, ReadOnlySpan<byte> bytes);

    /// <summary>Zeroes <paramref name="count"/> bytes at <paramref name="offset"/>.</summary>
    bool Clear(ulong offset, ulong count);
}

/// <summary>elf_load_binary: copies the loadable segments and zeroes what they do not fill.</summary>
/// <remarks>Source: xen/common/libelf/libelf-loader.c of both releases.</remarks>
public static class ElfLoader
{
    /// <param name="destBase">Address the log lines show for the destination's start (<c>dest_base</c>).</param>
    /// <param name="destSize">Size of the destination. Unit: bytes. Nothing outside is written.</param>
    /// <returns>libelf's error; what it only marks broken is in <see cref="ElfImage.Broken"/> (4.0.4 has no checks: an error here).</returns>
    public static ElfError? LoadBinary(ElfImage elf, ulong destBase, ulong destSize, IElfDestination destination)
    {
        // Bizarre images may write the output twice; this bounds the copying.
        ulong remaining = destSize > ulong.MaxValue / 2 ? ulong.MaxValue : destSize * 2;
        for (int i = 0; i < elf.SegmentCount && elf.TrySegment(i, out ElfSegment segment); i++)
        {
            if (!segment.IsLoadable)
                continue;
            if (remaining < segment.MemorySize)
            {
                elf.MarkBroken("program segments total to more than the input image size");
                break;
            }

            remaining -= segment.MemorySize;
            ulong offset = unchecked(segment.Paddr - elf.PhysicalStart);
            LogSegment(elf, i, unchecked(destBase + offset), segment.FileSize);
            if (!LoadImage(elf, destSize, destination, offset, segment.Offset, segment.FileSize, segment.MemorySize))
                return elf.Error("elf_load_binary", $"elf_load_binary: cannot write phdr {i}");
        }

        ElfError? error = BsdSymbols.Load(elf, destSize, destination);
        return error ?? elf.RefuseIfUnreadable("elf_load_binary");
    }

    /// <summary>elf_load_image: out of range parts mark the image broken and are not written. False: the destination refused.</summary>
    internal static bool LoadImage(
        ElfImage elf, ulong destSize, IElfDestination destination, ulong offset, ulong source, ulong fileSize, ulong memorySize)
    {
        if (InRange(elf, destSize, offset, fileSize) && elf.AccessOk(source, fileSize)
            && !destination.Copy(offset, elf.Bytes.Span.Slice((int)source, (int)fileSize)))
        {
            return false;
        }

        ulong clearAt = unchecked(offset + fileSize);
        ulong clear = unchecked(memorySize - fileSize);
        return !InRange(elf, destSize, clearAt, clear) || destination.Clear(clearAt, clear);
    }

    private static bool InRange(ElfImage elf, ulong destSize, ulong offset, ulong size)
    {
        if (offset <= destSize && size <= destSize - offset)
            return true;
        elf.MarkBroken("out of range access");
        return false;
    }

    private static void LogSegment(ElfImage elf, int index, ulong dest, ulong fileSize)
    {
        ulong end = unchecked(dest + fileSize);
        elf.Message(elf.Release == XenRelease.V4_0
            ? $"elf_load_binary: phdr {index} at 0x0x{dest:x} -> 0x0x{end:x}"
            : $"ELF: phdr {index} at {ElfImage.Hex(dest)} -> {ElfImage.Hex(end)}");
    }
}
