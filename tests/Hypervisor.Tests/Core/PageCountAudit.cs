using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>
/// Counts again, from the page tables and everything else that refers to frames, what the frame table says of a domain's frames: the
/// bookkeeping rule of xen/arch/x86/mm.c ("a page's type count is the number of references to it as that type").
/// </summary>
internal sealed class PageCountAudit(Domain domain)
{
    private readonly Dictionary<ulong, uint> _types = [];
    private readonly Dictionary<ulong, uint> _general = [];

    private PageTypes Types => domain.Xen.PageTypes;

    /// <summary>The first frame whose counts differ, or whose mappings break the rules; null: all is well.</summary>
    public string? Check()
    {
        _types.Clear();
        _general.Clear();
        List<Mfn> owned = [.. domain.Xen.Frames.OwnedBy(domain)];
        foreach (Mfn mfn in owned)
        {
            PageInfo page = domain.Xen.Frames[mfn];
            if (page.Has(PageFlags.Allocated))
                Add(_general, mfn);
            if (page.Has(PageFlags.Pinned))
                Typed(mfn);
            if (PageTypes.IsTable(page.Type) && page.TypeCount > 0 && page.Has(PageFlags.Validated) && CountTable(mfn, page) is { } wrong)
                return wrong;
        }

        foreach (Vcpu v in domain.Vcpus)
        {
            foreach (Mfn root in new[] { v.GuestTable, v.GuestTableUser }.Where(r => r != Mfn.Invalid))
                Typed(root);
            foreach (Mfn frame in v.GdtFrames.Concat(v.LdtFrames.Where(f => f != Mfn.Invalid)))
                Typed(frame);
            if (v.VcpuInfoRegistered)
                Typed(v.VcpuInfo.Frame);
        }

        return owned.Where(m => !domain.Xen.Frames[m].Has(PageFlags.XenHeap)).Select(Compare).FirstOrDefault(d => d is not null);
    }

    private string? Compare(Mfn mfn)
    {
        PageInfo page = domain.Xen.Frames[mfn];
        uint types = _types.GetValueOrDefault(mfn.Value), general = _general.GetValueOrDefault(mfn.Value);
        return types == page.TypeCount && general == page.Count
            ? null
            : $"{mfn} ({page.Type}, {page.Flags}): type count {page.TypeCount}, recounted {types}; general count {page.Count}, recounted {general}";
    }

    private string? CountTable(Mfn table, PageInfo page)
    {
        int level = (int)page.Type;
        for (int slot = 0; slot < Pte.EntriesPerTable; slot++)
        {
            if (!Types.Rules.IsGuestSlot(domain, level, slot, page.Has(PageFlags.PaeXenL2)))
                continue;
            ulong entry = Types.ReadEntry(table, slot);
            if ((entry & Pte.Present) == 0)
                continue;
            Mfn mfn = new(Pte.FrameOf(entry));
            if (!domain.Xen.Frames.IsValid(mfn) || domain.Xen.Frames[mfn].Owner != domain.Id.Value)
                return $"entry {slot} of {table} (L{level}) is {entry:x16}, a frame that the domain does not own";
            if (level > 1 && mfn == table)
                continue;
            PageInfo target = domain.Xen.Frames[mfn];
            bool writable = level == 1 && (entry & Pte.Writable) != 0;
            if (writable && target.Type != PageType.PGT_writable_page)
                return $"entry {slot} of {table} maps {mfn}, a {target.Type}, writable";
            if (level > 1 || writable)
                Typed(mfn);
            else
                Add(_general, mfn);
        }

        return null;
    }

    private void Typed(Mfn mfn)
    {
        Add(_types, mfn);
        Add(_general, mfn);
    }

    private static void Add(Dictionary<ulong, uint> counts, Mfn mfn) => counts[mfn.Value] = counts.GetValueOrDefault(mfn.Value) + 1;
}
