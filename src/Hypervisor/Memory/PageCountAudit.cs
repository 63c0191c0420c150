using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Grants;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Memory;

/// <summary>
/// Counts again, from the page tables and everything else that refers to frames, what the frame table says of a domain's frames: the
/// bookkeeping rule of xen/arch/x86/mm.c ("a page's type count is the number of references to it as that type").
/// </summary>
public sealed class PageCountAudit(Domain domain)
{
    private readonly Dictionary<ulong, uint> _types = [];
    private readonly Dictionary<ulong, uint> _general = [];
    private HashSet<ulong> _owned = [];

    private PageTypes Types => domain.Xen.PageTypes;

    /// <summary>The first frame whose counts differ, or whose mappings break the rules; null: all is well.</summary>
    public string? Check()
    {
        _types.Clear();
        _general.Clear();
        List<Mfn> owned = [.. domain.Xen.Frames.OwnedBy(domain)];
        _owned = [.. owned.Select(m => m.Value)];
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

        if (domain.Pirqs.EoiFrame != Mfn.Invalid)
            Typed(domain.Pirqs.EoiFrame);
        CountOthers();
        foreach ((Mfn frame, bool writable) in domain.Xen.MappedByTools.Where(m => domain.Xen.Frames[m.Frame].Owner == domain.Id.Value))
        {
            if (writable && domain.Xen.Frames[frame].Type == PageType.PGT_writable_page)
                Typed(frame);
            else
                Add(_general, frame);
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
            if (level == 1 && (HasMapped(mfn) || IsForeign(mfn)))
            {
                CountMapping(entry, mfn);
                continue;
            }

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

    /// <summary>What other domains hold of this one's frames: entries of their L1 tables, and grants mapped for devices.</summary>
    private void CountOthers()
    {
        foreach (Domain d in domain.Xen.Domains)
        {
            for (uint handle = 0; handle < d.GrantTable.Maptrack.Limit; handle++)
            {
                GrantMapping m = d.GrantTable.Maptrack[handle];
                if (m.Granter == domain.Id && (m.Flags & GrantMapFlags.device_map) != 0)
                    CountMapping((m.Flags & GrantMapFlags.@readonly) == 0 ? Pte.Writable : 0, domain.GrantTable.Active(m.Reference).Frame);
            }

            if (d == domain)
                continue;
            foreach (Mfn table in domain.Xen.Frames.OwnedBy(d).Where(t => domain.Xen.Frames[t] is { Type: PageType.PGT_l1_page_table, TypeCount: > 0 }))
            {
                for (int slot = 0; slot < Pte.EntriesPerTable; slot++)
                {
                    ulong entry = Types.ReadEntry(table, slot);
                    if ((entry & Pte.Present) != 0 && _owned.Contains(Pte.FrameOf(entry)))
                        CountMapping(entry, new Mfn(Pte.FrameOf(entry)));
                }
            }
        }
    }

    /// <summary>Whether the domain has mapped another's frame by a grant.</summary>
    private bool HasMapped(Mfn mfn)
    {
        if (_owned.Contains(mfn.Value))
            return false;
        for (uint handle = 0; handle < domain.GrantTable.Maptrack.Limit; handle++)
        {
            GrantMapping m = domain.GrantTable.Maptrack[handle];
            if (m.Flags != 0 && domain.Xen.FindDomain(m.Granter)?.GrantTable.Active(m.Reference).Frame == mfn)
                return true;
        }

        return false;
    }

    /// <summary>
    /// A frame of another domain that this one may map by its right over that; the other's audit counts it. Or one that Xen had lent and took back while it
    /// was mapped (4.0's status frames).
    /// </summary>
    private bool IsForeign(Mfn mfn)
    {
        if (_owned.Contains(mfn.Value) || !domain.Xen.Frames.IsValid(mfn))
            return false;
        DomainId owner = new(domain.Xen.Frames[mfn].Owner);
        return owner == DomainId.Xen || (domain.Xen.FindDomain(owner) is { } other && domain.IsPrivilegedFor(other));
    }

    private void CountMapping(ulong entry, Mfn mfn)
    {
        if ((entry & Pte.Writable) != 0)
            Typed(mfn);
        else
            Add(_general, mfn);
    }

    private void Typed(Mfn mfn)
    {
        Add(_types, mfn);
        Add(_general, mfn);
    }

    private static void Add(Dictionary<ulong, uint> counts, Mfn mfn) => counts[mfn.Value] = counts.GetValueOrDefault(mfn.Value) + 1;
}
