using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>Page tables and machine frames.</summary>
internal static class PagingCommands
{
    private const int MostRanges = 512;

    public static readonly PromptCommand[] All =
    [
        new(["pt"], "[ADDRESS]", "The page walk of an address; without one, the ranges that are mapped.",
            """
            As Bochs' page and info tab. Entries are shown with the manuals' bits: P, RW, US, PWT, PCD, A, D, PS, G, XD; of ranges those that all levels
            give together.
            """,
            ["pt $rip", "pt"], Walk),
        new(["mem"], "ADDRESS", "An address in every way of counting: virtual, guest-physical, machine.", "", ["mem $rsp"], Mem),
        new(["p2m"], "[PFN [COUNT]]", "Machine frames behind the guest's frame numbers.", "", ["p2m 0x103", "p2m 0 16"], P2m),
        new(["frames"], "[MFN]", "What Xen knows of a machine frame (struct page_info); without one, how many of each type each domain has.", "", ["frames 0x3f903", "frames"], Frames),
    ];

    private static void Walk(PromptState s, PromptArguments a)
    {
        Vcpu v = s.RequireVcpu();
        if (a.Words.Count == 0)
        {
            Ranges(s, v);
            return;
        }

        ulong address = s.Evaluate(a.Text);
        if (PageWalkView.IsLong(v) && (long)(address << 16) >> 16 != (long)address)
            throw new PromptException($"0x{address:x} is not canonical");
        foreach (string line in PageWalkView.Lines(s.Debug.Inspect, v, address))
            s.Line(line);
    }

    private static void Ranges(PromptState s, Vcpu v)
    {
        if (!PageWalkView.IsOn(v))
            s.Line("paging is off: virtual addresses are guest-physical ones");
        int n = 0;
        foreach (PageWalkView.MappedRange r in PageWalkView.Ranges(s.Debug.Inspect, v))
        {
            if (n++ == MostRanges)
            {
                s.Line($"… more than {MostRanges} ranges");
                return;
            }

            string where = v.Domain.IsHvm ? "phys" : "machine";
            s.Line($"0x{r.From:x16}-0x{r.To:x16} -> {(r.Runs == 1 ? $"{where} 0x{r.Machine:x}" : $"{r.Runs} pieces of {where} memory")}  {PageWalkView.Rights(r.Flags)}");
        }
    }

    private static void Mem(PromptState s, PromptArguments a)
    {
        Vcpu v = s.RequireVcpu();
        ulong address = s.Evaluate(a.Text);
        if (s.Debug.Inspect.MachineAddressOf(AddressSpace.Virtual, address, v) is not { } machine)
            throw new PromptException($"0x{address:x} is not mapped; pt 0x{address:x} says where the walk ends");
        Mfn mfn = new(machine.Frame);
        s.Line($"virtual 0x{address:x} = {(s.Debug.Inspect.PseudoPhysicalOf(mfn) is { } pfn ? $"guest-physical 0x{(pfn.Value << 12) | (address & 0xFFF):x} = " : "")}machine 0x{machine.Value:x}");
        s.Line(FrameLine(s.Debug, mfn));
    }

    private static void P2m(PromptState s, PromptArguments a)
    {
        Domain d = s.RequireVcpu().Domain;
        ulong first = a.Words.Count > 0 ? s.Evaluate(a.Words[0]) : 0;
        if (a.Words.Count > 2)
            throw new PromptException($"p2m: \"{a.Rest(2)}\" is too much; help p2m says what can stand there");
        int count = a.Words.Count > 1 ? Math.Min(a.Count(1), 4096) : a.Words.Count > 0 ? 1 : 16;
        for (ulong pfn = first; pfn < first + (ulong)count; pfn++)
        {
            PhysicalAddress? machine = s.Debug.Inspect.MachineAddressOf(AddressSpace.GuestPhysical, pfn << 12, d.Vcpus[0]);
            s.Line($"pfn 0x{pfn:x} -> {(machine is { } m ? FrameLine(s.Debug, new Mfn(m.Frame)) : "nothing")}");
        }
    }

    private static void Frames(PromptState s, PromptArguments a)
    {
        FrameTable frames = s.Debug.Inspect.Xen.Frames;
        if (a.Words.Count > 0)
        {
            Mfn mfn = new(s.Evaluate(a.Text));
            s.Line(frames.IsValid(mfn) ? FrameLine(s.Debug, mfn) : throw new PromptException($"the machine has no frame 0x{mfn.Value:x}"));
            return;
        }

        foreach (Domain d in s.Debug.Inspect.Xen.Domains)
        {
            IEnumerable<string> counts = frames.OwnedBy(d).GroupBy(m => frames[m].Type).OrderBy(g => g.Key).Select(g => $"{g.Key} {g.Count()}");
            s.Line($"d{d.Id.Value}: {d.TotPages} pages of {d.MaxPages}; {string.Join(", ", counts)}");
        }
    }

    /// <summary>struct page_info of a frame that there is.</summary>
    public static string FrameLine(DebugSession debug, Mfn mfn)
    {
        PageInfo p = debug.Inspect.Xen.Frames[mfn];
        string flags = string.Join(", ", FlagNames(p.Flags));
        return $"mfn 0x{mfn.Value:x}: owner {OwnerOf(p)}, {p.Type}, {p.Count} reference{(p.Count == 1 ? "" : "s")}, {p.TypeCount} of the type{(flags.Length == 0 ? "" : $", {flags}")}{(debug.Inspect.PseudoPhysicalOf(mfn) is { } pfn ? $", pfn 0x{pfn.Value:x}" : "")}";
    }

    /// <summary>DOMID_XEN's and nobody's frames are Xen's own.</summary>
    public static string OwnerOf(PageInfo p) => p.Owner == PageInfo.NoOwner ? "nobody" : p.Owner == DomainId.Xen.Value ? "DOMID_XEN" : p.Owner == DomainId.Io.Value ? "DOMID_IO" : $"d{p.Owner}";

    /// <summary>xen/include/asm-x86/mm.h.</summary>
    private static IEnumerable<string> FlagNames(PageFlags flags)
    {
        (PageFlags Flag, string Name)[] names =
        [
            (PageFlags.Allocated, "PGC_allocated"), (PageFlags.XenHeap, "PGC_xen_heap"), (PageFlags.InUse, "PGC_state_inuse"), (PageFlags.Validated, "PGT_validated"), (PageFlags.Pinned, "PGT_pinned"),
            (PageFlags.PaeXenL2, "PGT_pae_xen_l2"),
        ];
        foreach ((PageFlags flag, string name) in names)
        {
            if ((flags & flag) != 0)
                yield return name;
            flags &= ~flag;
        }

        if (flags != 0)
            yield return flags.ToString();
    }
}
