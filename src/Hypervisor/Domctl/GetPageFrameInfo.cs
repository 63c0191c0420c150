using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>XEN_DOMCTL_getpageframeinfo3: type and pin of each frame of a list.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/domctl.c.</remarks>
internal static class GetPageFrameInfo
{
    private const ulong MaxFrames = 1024;

    public static XenErrno Do(DomctlContext d)
    {
        DomctlGetPageFrameInfo3 p = d.Payload<DomctlGetPageFrameInfo3>();
        if (p.Num > MaxFrames)
            return XenErrno.E2BIG;
        Abi abi = d.Call.Abi;
        for (ulong i = 0; i < p.Num; i++)
        {
            VirtualAddress at = new(p.Array + (i * (ulong)abi.LongSize()));
            if (!d.Call.Memory.TryReadLong(at, abi, out ulong gfn) || !d.Call.Memory.TryWriteLong(at, abi, TypeOf(d.Target!, gfn)))
                return XenErrno.EFAULT;
        }

        return XenErrno.None;
    }

    private static uint TypeOf(Domain domain, ulong gfn)
    {
        Mfn mfn = domain.GfnToMfn(new Gfn(gfn));
        if (!domain.Xen.Frames.IsValid(mfn) || domain.Xen.Frames[mfn].Owner != domain.Id.Value)
            return (uint)PageFrameInfo.XTAB;
        PageInfo page = domain.Xen.Frames[mfn];
        uint type = PageTypes.IsTable(page.Type) && page.TypeCount > 0 ? (uint)page.Type << (int)PageFrameInfo.LTAB_SHIFT : 0;
        return type | (page.Has(PageFlags.Pinned) ? (uint)PageFrameInfo.LPINTAB : 0);
    }
}
