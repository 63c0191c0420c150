using System.Runtime.InteropServices;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>The guest's own list of machine frames, indexed by pfn.</summary>
internal static class P2mList
{
    /// <summary>xc_dom_update_guest_p2m (4.0).</summary>
    public static StageOutcome UpdateGuestP2m(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        dom.Log.Print($"xc_dom_update_guest_p2m: dst {dom.Arch!.PfnSize * 8}bit, pages 0x{dom.Memory.TotalPages:x} ");
        Write(dom);
        return StageOutcome.Ok;
    }

    /// <summary>All entries, all ones for a pfn without a frame. Without a list (translated guests) nothing is to do.</summary>
    public static void Write(DomImage dom)
    {
        if (dom.Layout.Find("phys2mach") is not { } segment || dom.Windows.Map(segment.Pfn, segment.Pages) is not { } pages)
            return;
        int perPage = 4096 / dom.Arch!.PfnSize;
        for (int start = 0; start < dom.Memory.P2m.Length; start += perPage)
        {
            int count = Math.Min(perPage, dom.Memory.P2m.Length - start);
            ReadOnlySpan<ulong> frames = dom.Memory.P2m.AsSpan(start, count);
            Span<byte> page = pages.Page((ulong)(start / perPage));
            if (dom.Arch.PfnSize == 8)
            {
                frames.CopyTo(MemoryMarshal.Cast<byte, ulong>(page));
            }
            else
            {
                for (int i = 0; i < count; i++)
                    MemoryMarshal.Cast<byte, uint>(page)[i] = (uint)frames[i];
            }
        }
    }
}
