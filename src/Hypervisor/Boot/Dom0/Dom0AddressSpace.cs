using System.Buffers.Binary;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>
/// dom0's virtual memory while Xen itself runs on dom0's page tables (after write_ptbase): what Xen writes there sets accessed
/// and dirty bits, as the processor does.
/// </summary>
/// <param name="levels">4, or 3 from the L3 of a PAE kernel.</param>
internal readonly struct Dom0AddressSpace(Xen xen, Mfn root, int levels)
{
    private const int PageSize = 4096;

    /// <summary>Writes through the page tables. False: an address on the way is not mapped writable, where Xen would fault.</summary>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int offset = (int)(address & (PageSize - 1));
            int n = Math.Min(bytes.Length, PageSize - offset);
            if (TryTouch(address) is not { } frame)
                return false;
            bytes[..n].CopyTo(xen.Memory.Writable(frame.Value)[offset..]);
            bytes = bytes[n..];
            address = unchecked(address + (ulong)n);
        }

        return true;
    }

    /// <summary>Zeroes memory through the page tables.</summary>
    public bool TryClear(ulong address, ulong count)
    {
        while (count > 0)
        {
            ulong offset = address & (PageSize - 1);
            ulong n = Math.Min(count, PageSize - offset);
            if (TryTouch(address) is not { } frame)
                return false;
            xen.Memory.Writable(frame.Value).Slice((int)offset, (int)n).Clear();
            count -= n;
            address = unchecked(address + n);
        }

        return true;
    }

    /// <summary>The frame behind a page that is written, with the bits set that the write sets; null if it is not writable.</summary>
    public Mfn? TryTouch(ulong address)
    {
        Mfn table = root;
        for (int level = levels; level >= 1; level--)
        {
            int shift = 12 + (9 * (level - 1));
            int slot = (int)(address >> shift) & (level == 3 && levels == 3 ? 3 : Pte.EntriesPerTable - 1);
            Span<byte> at = xen.Memory.Writable(table.Value)[(slot * 8)..];
            ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(at);
            bool leaf = level == 1 || (level < 4 && (entry & Pte.PageSize) != 0);

            // A PAE L3 entry has no writable bit.
            bool writable = (entry & Pte.Writable) != 0 || (level == 3 && levels == 3);
            if ((entry & Pte.Present) == 0 || !writable)
                return null;
            BinaryPrimitives.WriteUInt64LittleEndian(at, entry | Pte.Accessed | (leaf ? Pte.Dirty : 0));
            ulong frame = Pte.FrameOf(entry);
            if (leaf)
                return new Mfn(frame + ((address >> 12) & ((1ul << (shift - 12)) - 1)));
            table = new Mfn(frame);
        }

        return null;
    }
}
