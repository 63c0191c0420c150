using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Domains;

/// <summary>Physical interrupts of a domain: which of the machine's it has under which number. The machine has one I/O APIC and no device that interrupts.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/irq.c: allocate_and_map_gsi_pirq, allocate_pirq, get_free_pirq, map_domain_pirq; answers: oracle, dom0-calls.</remarks>
internal sealed class Pirqs(Domain domain)
{
    /// <summary>nr_irqs_gsi: inputs of the I/O APIC; ISA's come first.</summary>
    public const int Gsis = 24;
    private const int IsaIrqs = 16;

    /// <summary>What dom0 may have above the GSIs ("IRQ limits: 24 GSI, 184 MSI/MSI-X"), and another domain (extra_domU_irqs).</summary>
    private const int ExtraForDom0 = 184, ExtraForDomU = 32;

    /// <summary>PIRQ_ALLOCATED: a number without an interrupt behind it yet.</summary>
    private const int Allocated = -1;

    private readonly Dictionary<int, int> _irqs = [];

    /// <summary>nr_pirqs.</summary>
    public int Count => Gsis + (domain.IsHardwareDomain ? ExtraForDom0 : ExtraForDomU);

    /// <summary>The page in which the guest reads which of them want an EOI (PHYSDEVOP_pirq_eoi_gmfn); one writable reference is held on it.</summary>
    public Mfn EoiFrame { get; private set; } = Mfn.Invalid;

    /// <summary>pirq_info exists: the number was handed out, or is bound to a port.</summary>
    public bool IsKnown(int pirq) => _irqs.ContainsKey(pirq);

    /// <summary>A port was bound to it.</summary>
    public void Know(int pirq) => _irqs.TryAdd(pirq, Allocated);

    /// <summary>mp_register_gsi.</summary>
    public static XenErrno SetupGsi(Xen xen, int gsi, bool level, bool activeLow)
    {
        if (gsi is < 0 or >= Gsis)
            return XenErrno.EINVAL;
        if (xen.IoApic.WasWritten(gsi))
        {
            xen.NotImplemented("PHYSDEVOP_setup_gsi", "after PHYSDEVOP_apic_write to that pin Xen stops at a BUG, in add_pin_to_irq", ours: true);
            return XenErrno.EINVAL;
        }

        return xen.IoApic.TrySetUp(gsi, level, activeLow) ? XenErrno.None : XenErrno.EEXIST;
    }

    /// <summary>map_domain_pirq for a GSI: what is mapped otherwise already stays, and that is no error.</summary>
    public void Map(int pirq, int irq)
    {
        int old = _irqs.GetValueOrDefault(pirq, Allocated);
        if ((old == Allocated || old == irq) && !_irqs.Any(p => p.Value == irq && p.Key != pirq))
            _irqs[pirq] = irq;
    }

    /// <summary>pirq_access_permitted: an interrupt of the machine stands behind the number.</summary>
    public bool IsMapped(int pirq) => _irqs.TryGetValue(pirq, out int irq) && irq != Allocated;

    /// <summary>pirq_guest_bind and pirq_guest_unbind: a port of the domain takes it, or no longer.</summary>
    public void Bind(int pirq, bool bound)
    {
        if (IsMapped(pirq))
            domain.Xen.IoApic.Bind(_irqs[pirq], bound);
    }

    /// <summary>physdev_map_pirq for a GSI.</summary>
    /// <param name="pirq">Wanted number, below 0: any; then the one it got.</param>
    public XenErrno MapGsi(int gsi, ref int pirq)
    {
        if (gsi is <= 0 or >= Gsis || !domain.IsHardwareDomain)
            return XenErrno.EINVAL;
        int now = _irqs.FirstOrDefault(p => p.Value == gsi, new(-1, 0)).Key;
        if (pirq < 0)
            pirq = now >= 0 ? now : gsi;
        else if (now >= 0 && now != pirq)
            return XenErrno.EEXIST;
        if (pirq >= Count)
            return XenErrno.EINVAL;
        _irqs[pirq] = gsi;
        return XenErrno.None;
    }

    /// <summary>unmap_domain_pirq.</summary>
    public XenErrno Unmap(int pirq)
        => pirq < 0 || pirq >= Count || !_irqs.TryGetValue(pirq, out int irq) || irq == Allocated || !_irqs.Remove(pirq) ? XenErrno.EINVAL : XenErrno.None;

    /// <summary>get_free_pirq: from below for a GSI, from above for an MSI.</summary>
    public XenErrno Allocate(bool gsi, out int pirq)
    {
        IEnumerable<int> candidates = gsi ? Enumerable.Range(IsaIrqs, Gsis - IsaIrqs) : Enumerable.Range(Gsis, Count - Gsis).Reverse();
        pirq = candidates.FirstOrDefault(p => !_irqs.ContainsKey(p), -1);
        if (pirq < 0)
            return XenErrno.ENOSPC;
        _irqs[pirq] = Allocated;
        return XenErrno.None;
    }

    /// <summary>PHYSDEVOP_pirq_eoi_gmfn.</summary>
    public XenErrno SetEoiFrame(Gfn gfn)
    {
        Mfn mfn = domain.GfnToMfn(gfn);
        if (domain.Xen.PageTypes.GetPageAndType(mfn, domain, PageType.PGT_writable_page) != XenErrno.None)
            return XenErrno.EINVAL;
        if (EoiFrame != Mfn.Invalid)
        {
            domain.Xen.PageTypes.PutPageAndType(mfn);
            return XenErrno.EBUSY;
        }

        EoiFrame = mfn;
        return XenErrno.None;
    }

    /// <summary>unmap_pirq_eoi of a dying domain.</summary>
    public void Release()
    {
        if (EoiFrame != Mfn.Invalid)
            domain.Xen.PageTypes.PutPageAndType(EoiFrame);
        EoiFrame = Mfn.Invalid;
    }
}
