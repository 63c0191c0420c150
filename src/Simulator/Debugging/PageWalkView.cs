using System.Buffers.Binary;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Simulator.Debugging;

/// <summary>A vCPU's page tables as they are, read without the CPU. SDM vol. 3A, chapter 4.</summary>
internal static class PageWalkView
{
    private const ulong Cr0Paging = 1ul << 31, Cr4Pae = 1 << 5, EferLongMode = 1 << 10;

    /// <param name="Flags">Rights of all levels together.</param>
    /// <param name="Runs">Pieces of memory in a row that it lies in; <paramref name="Machine"/> is where the first begins.</param>
    public readonly record struct MappedRange(ulong From, ulong To, ulong Machine, ulong Flags, int Runs = 1);

    private readonly record struct Format(int Levels, int IndexBits, int EntrySize);

    /// <summary>Each level, until the walk ends, and why it ends there.</summary>
    public static IEnumerable<string> Lines(Inspector inspector, Vcpu v, ulong address)
    {
        if (FormatOf(v) is not { } f)
        {
            yield return $"paging is off: 0x{address:x} is the guest-physical address";
            yield break;
        }

        ulong table = v.Cpu.Cr3 & (f.Levels == 4 ? Pte.AddressMask : f.EntrySize == 4 ? 0xFFFF_F000 : 0xFFFF_FFE0);
        for (int level = f.Levels; level > 0; level--)
        {
            int slot = SlotOf(f, address, level);
            string name = $"L{level}[{slot}]";
            if (ReadEntry(inspector, v, table + (ulong)(slot * f.EntrySize), f) is not { } entry)
            {
                yield return $"{name} at 0x{table + (ulong)(slot * f.EntrySize):x}: no memory is there";
                yield break;
            }

            if ((entry & Pte.Present) == 0)
            {
                yield return $"{name} = 0x{entry:x}: not present, the walk ends here";
                yield break;
            }

            ulong frame = Pte.FrameOf(entry);
            bool leaf = level == 1 || (level < 4 && (entry & Pte.PageSize) != 0);
            // Bit 7 of the lowest level is PAT, not PS.
            ulong shown = f.EntrySize == 4 ? (uint)entry : entry;
            yield return $"{name} = 0x{entry:x}: {(leaf ? "page" : "table")} at 0x{frame << 12:x}, {Rights(level == 1 ? shown & ~(ulong)Pte.PageSize : shown)}{About(inspector, v, frame)}";
            if (leaf)
                yield break;
            table = frame << 12;
        }
    }

    public static bool IsOn(Vcpu v) => FormatOf(v) is not null;

    public static bool IsLong(Vcpu v) => FormatOf(v) is { Levels: 4 };

    /// <summary>Neighbours with the same rights together; Xen's own part left out.</summary>
    public static IEnumerable<MappedRange> Ranges(Inspector inspector, Vcpu v)
    {
        if (FormatOf(v) is not { } f)
            yield break;
        MappedRange? open = null;
        ulong next = 0;
        ulong table = v.Cpu.Cr3 & (f.Levels == 4 ? Pte.AddressMask : f.EntrySize == 4 ? 0xFFFF_F000 : 0xFFFF_FFE0);
        foreach (MappedRange r in Below(inspector, v, f, table, f.Levels, 0, Pte.Writable | Pte.User))
        {
            if (open is { } o && o.To == r.From && o.Flags == r.Flags)
            {
                open = o with { To = r.To, Runs = o.Runs + (next == r.Machine ? 0 : 1) };
                next = r.Machine + (r.To - r.From);
                continue;
            }

            next = r.Machine + (r.To - r.From);

            if (open is { } done)
                yield return done;
            open = r;
        }

        if (open is { } last)
            yield return last;
    }

    /// <summary>SDM vol. 3A, tables 4-14 to 4-19.</summary>
    public static string Rights(ulong flags)
    {
        (int Bit, string Name)[] bits = [(0, "P"), (1, "RW"), (2, "US"), (3, "PWT"), (4, "PCD"), (5, "A"), (6, "D"), (7, "PS"), (8, "G"), (63, "XD")];
        return string.Join(' ', bits.Where(b => (flags >> b.Bit & 1) != 0).Select(b => b.Name));
    }

    private static IEnumerable<MappedRange> Below(Inspector inspector, Vcpu v, Format f, ulong table, int level, ulong address, ulong rights)
    {
        int entries = f.Levels == 3 && level == 3 ? 4 : 1 << f.IndexBits;
        ulong size = 1ul << (12 + ((level - 1) * f.IndexBits));
        for (int slot = 0; slot < entries; slot++)
        {
            ulong from = address + ((ulong)slot * size);
            if (f.Levels == 4 && level == 4)
            {
                // Xen's own slots are not the guest's (xen/include/public/arch-x86/xen-x86_64.h: HYPERVISOR_VIRT_START).
                if (!v.Domain.IsHvm && slot is >= 256 and < 272)
                    continue;
                from |= slot >= 256 ? 0xFFFF_0000_0000_0000 : 0;
            }

            if (ReadEntry(inspector, v, table + (ulong)(slot * f.EntrySize), f) is not { } entry || (entry & Pte.Present) == 0)
                continue;
            ulong own = level == 3 && f.Levels == 3 ? Pte.Writable | Pte.User : entry;
            ulong all = Pte.Present | (rights & own & (Pte.Writable | Pte.User)) | ((rights | own) & Pte.NoExecute);
            if (level == 1 || (level < 4 && (entry & Pte.PageSize) != 0))
            {
                yield return new MappedRange(from, from + size, Pte.FrameOf(entry) << 12, all);
                continue;
            }

            foreach (MappedRange r in Below(inspector, v, f, Pte.FrameOf(entry) << 12, level - 1, from, all))
                yield return r;
        }
    }

    private static Format? FormatOf(Vcpu v)
    {
        if ((v.Cpu.Cr0 & Cr0Paging) == 0)
            return null;
        return (v.Cpu.Efer & EferLongMode) != 0 ? new Format(4, 9, 8) : (v.Cpu.Cr4 & Cr4Pae) != 0 ? new Format(3, 9, 8) : new Format(2, 10, 4);
    }

    private static int SlotOf(Format f, ulong address, int level)
        => (int)(address >> (12 + ((level - 1) * f.IndexBits))) & (f.Levels == 3 && level == 3 ? 3 : (1 << f.IndexBits) - 1);

    private static ulong? ReadEntry(Inspector inspector, Vcpu v, ulong at, Format f)
    {
        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        return inspector.TryRead(v.Domain.IsHvm ? AddressSpace.GuestPhysical : AddressSpace.Machine, at, bytes[..f.EntrySize], v) ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : null;
    }

    private static string About(Inspector inspector, Vcpu v, ulong frame)
    {
        Mfn mfn = new(frame);
        if (v.Domain.IsHvm || !inspector.Xen.Frames.IsValid(mfn))
            return v.Domain.IsHvm ? "" : " (no memory is there)";
        PageInfo p = inspector.Xen.Frames[mfn];
        return $" ({p.Type}, of {Prompt.PagingCommands.OwnerOf(p)}{(inspector.PseudoPhysicalOf(mfn) is { } pfn ? $", pfn 0x{pfn.Value:x}" : "")})";
    }
}
