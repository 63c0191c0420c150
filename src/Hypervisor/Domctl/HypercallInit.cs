using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>XEN_DOMCTL_hypercall_init: checks the frame; the nested stage fills it.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/domctl.c: case XEN_DOMCTL_hypercall_init.</remarks>
internal static class HypercallInit
{
    public static XenErrno Do(DomctlContext d)
    {
        Domain domain = d.Target!;
        Mfn mfn = domain.GfnToMfn(new Gfn(d.Payload<DomctlHypercallInit>().Gmfn));
        if (!d.Xen.Frames.TryGetPage(mfn, domain.Id))
            return d.Xen.Profile.HypercallInitForeignFrame;
        if (d.Xen.PageTypes.GetPageType(mfn, domain, PageType.PGT_writable_page) != XenErrno.None)
        {
            d.Xen.Frames.PutPage(mfn);
            return d.Xen.Profile.HypercallInitWrongType;
        }

        d.HypercallPage = mfn;
        return XenErrno.None;
    }

    public static StageOutcome Fill(DomctlContext d)
    {
        hypercall_page_initialise(d.Target!, d.HypercallPage);
        return StageOutcome.Ok;
    }

    /// <summary>Gives back what <see cref="Do"/> took, whether the page has been filled or a fault came between.</summary>
    public static StageOutcome PutFrame(DomctlContext d, StageOutcome outcome)
    {
        if (d.HypercallPage != Mfn.Invalid)
            d.Xen.PageTypes.PutPageAndType(d.HypercallPage);
        d.HypercallPage = Mfn.Invalid;
        return outcome;
    }

    /// <summary>The flavour of the domain as it is now, written over the whole frame. The caller holds a writable-type reference.</summary>
    public static void hypercall_page_initialise(Domain domain, Mfn frame)
    {
        Xen xen = domain.Xen;
        HypercallPageFlavour flavour = xen.PageSelectionFor(domain).Flavour;
        HypercallPage.Initialise(xen.Memory.Writable(frame.Value), flavour, xen.Options.Release, xen.Options.HypercallEntry);
        if (xen.Events.Wants<PageWritten>())
            xen.Events.Emit(new PageWritten(domain.Id, frame, xen.M2p.Get(frame), HypercallPage.WriterOf(flavour, xen.Options.Release), "hypercall page"));
    }
}
