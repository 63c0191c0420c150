using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>xc_dom_boot_mem_init of a PV guest: word size first, then its pages.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_x86.c: arch_setup_meminit; stable-4.17 tools/libs/guest/xg_dom_x86.c: meminit_pv.</remarks>
internal static class BootMemInit
{
    private const int SuperpageShift = 9;
    private const int SuperpageBatch = 512;
    private const int PageBatch = 1024 * 1024;

    private static readonly PanicSite OutOfMemory = new("boot.c", 141, 119);
    private static readonly PanicSite ShadowFailed = new("x86.c", 688, 0);
    private static readonly PanicSite AllocationFailed = new("x86.c", 0, 1319);

    public static StageOutcome Enter(DomainBuild build)
    {
        build.Current.Image!.Log.Print("xc_dom_boot_mem_init: called");
        return StageOutcome.Ok;
    }

    /// <summary>What xc_dom_boot_mem_init says about any failure below it; the code goes up unchanged.</summary>
    public static StageOutcome Failed(DomainBuild build, StageOutcome failure)
        => XcDomCore.Panic(
            build.Current.Image!, XcError.XC_OUT_OF_MEMORY, OutOfMemory, "xc_dom_boot_mem_init: can't allocate low memory for domain", failure.Errno, failure.Code);

    /// <summary>x86_compat: must come before the first page.</summary>
    public static StageOutcome X86Compat(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        uint size = dom.Arch!.AddressSize;
        if (size == 0)
            return StageOutcome.Ok;
        dom.Log.Print($"x86_compat: guest {dom.Arch.GuestType}, address size {size}");
        XcReturn rc = build.Xc.SetAddressSize(dom.Domid, size);
        if (rc.Failed)
            dom.Log.Print($"x86_compat: warning: failed (rc={rc.Value})");
        return rc.ToOutcome();
    }

    /// <summary>x86_shadow: auto-translated guests (4.0).</summary>
    public static StageOutcome X86Shadow(DomainBuild build)
    {
        const uint enable = 32, refcountAndTranslate = 0xa;
        DomImage dom = build.Current.Image!;
        dom.Log.Print("x86_shadow: called");
        XcReturn rc = build.Xc.ShadowControl(dom.Domid, enable, refcountAndTranslate, 0);
        if (rc.Failed)
        {
            string text = $"x86_shadow: SHADOW_OP_ENABLE (mode=0x{refcountAndTranslate:x}) failed (rc={rc.Value})";
            return XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, ShadowFailed, text, rc.Errno);
        }

        dom.Log.Print("x86_shadow: shadow enabled (mode=0xa)");
        return StageOutcome.Ok;
    }

    /// <summary>4.0: single pages, at most 1048576 per call; the list starts as pfn = pfn and comes back as frames.</summary>
    public static StageOutcome Populate40(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ulong[] p2m = Identity(dom);
        dom.BuilderMemory.Malloc((ulong)p2m.Length * 8);
        for (int i = 0; i < p2m.Length; i += PageBatch)
        {
            XcReturn rc = build.Xc.PopulatePhysmapExact(dom.Domid, p2m.AsSpan(i, Math.Min(PageBatch, p2m.Length - i)), 0);
            if (rc.Failed)
                return rc.ToOutcome();
        }

        dom.Memory = dom.Memory with { P2m = p2m };
        return StageOutcome.Ok;
    }

    /// <summary>4.17: an early warning when the host has not enough memory.</summary>
    public static StageOutcome Claim(DomainBuild build) => build.Xc.ClaimPages(build.Current.Domid, build.Current.Image!.Memory.TotalPages).ToOutcome();

    public static StageOutcome CancelClaim(DomainBuild build) => build.Xc.ClaimPages(build.Current.Domid, 0).ToOutcome();

    /// <summary>4.17: 2 MiB extents, up to 512 per call, as far as the host has them; the rest as single pages.</summary>
    public static StageOutcome Populate417(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        ulong[] p2m = Identity(dom);
        dom.BuilderMemory.Malloc((ulong)p2m.Length * 8);
        StageOutcome superpages = PopulateSuperpages(build, dom, p2m, out int done);
        if (superpages.Failed)
            return superpages;
        for (int i = done; i < p2m.Length; i += PageBatch)
        {
            XcReturn rc = build.Xc.PopulatePhysmapExact(dom.Domid, p2m.AsSpan(i, Math.Min(PageBatch, p2m.Length - i)), 0);
            if (rc.Failed)
            {
                string text = $"meminit_pv: failed to allocate 0x{p2m.Length:x} pages";
                return XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, AllocationFailed, text, rc.Errno, rc.Value);
            }
        }

        dom.Memory = dom.Memory with { P2m = p2m };
        return StageOutcome.Ok;
    }

    /// <summary>A short result ends nothing: the loop goes on with the next batch, as the real one does, and the pages left over come singly.</summary>
    private static StageOutcome PopulateSuperpages(DomainBuild build, DomImage dom, ulong[] p2m, out int done)
    {
        int left = p2m.Length >> SuperpageShift;
        done = 0;
        while (left > 0)
        {
            int count = Math.Min(left, SuperpageBatch);
            left -= count;
            ulong[] extents = new ulong[count];
            for (int j = 0; j < count; j++)
                extents[j] = p2m[done + (j << SuperpageShift)];
            XcReturn rc = build.Xc.PopulatePhysmap(dom.Domid, extents, SuperpageShift);
            if (rc.Failed)
                return rc.ToOutcome();
            for (int j = 0; j < (int)rc.Value; j++)
            {
                for (int k = 0; k < 1 << SuperpageShift; k++)
                    p2m[done++] = extents[j] + (ulong)k;
            }
        }

        return StageOutcome.Ok;
    }

    private static ulong[] Identity(DomImage dom)
    {
        ulong[] list = new ulong[dom.Memory.TotalPages];
        for (int i = 0; i < list.Length; i++)
            list[i] = (ulong)i;
        return list;
    }
}
