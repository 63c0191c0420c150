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
        new(["pt"], "[ADDRESS]", "The page walk of an address; without one, the ranges that are mapped.", "As Bochs' page and info tab.", ["pt $rip", "pt"], Walk),
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
        foreach (string line in PageWalkView.Lines(s.Debug.Inspect, v, address))
            s.Line(line);
    }

    private static void Ranges(PromptState s, Vcpu v)
    {
        int n = 0;
        foreach (PageWalkView.MappedRange r in PageWalkView.Ranges(s.Debug.Inspect, v))
        {
            if (n++ == MostRanges)
            {
                s.Line($"… more than {MostRanges} ranges");
                return;
            }

            s.Line($"0x{r.From:x16}-0x{r.To:x16} -> machine 0x{r.Machine:x}  {PageWalkView.Rights(r.Flags)}");
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
        s.Line(FrameLine(s, mfn));
    }

    private static void P2m(PromptState s, PromptArguments a)
    {
        Domain d = s.RequireVcpu().Domain;
        ulong first = a.Words.Count > 0 ? s.Evaluate(a.Words[0]) : 0;
        int count = a.Words.Count > 1 ? Math.Min(a.Count(1), 4096) : a.Words.Count > 0 ? 1 : 16;
        for (ulong pfn = first; pfn < first + (ulong)count; pfn++)
        {
            PhysicalAddress? machine = s.Debug.Inspect.MachineAddressOf(AddressSpace.GuestPhysical, pfn << 12, d.Vcpus[0]);
            s.Line($"pfn 0x{pfn:x} -> {(machine is { } m ? FrameLine(s, new Mfn(m.Frame)) : "nothing")}");
        }
    }

    private static void Frames(PromptState s, PromptArguments a)
    {
        FrameTable frames = s.Debug.Inspect.Xen.Frames;
        if (a.Words.Count > 0)
        {
            Mfn mfn = new(s.Evaluate(a.Text));
            s.Line(frames.IsValid(mfn) ? FrameLine(s, mfn) : throw new PromptException($"the machine has no frame 0x{mfn.Value:x}"));
            return;
        }

        foreach (Domain d in s.Debug.Inspect.Xen.Domains)
        {
            IEnumerable<string> counts = frames.OwnedBy(d).GroupBy(m => frames[m].Type).OrderBy(g => g.Key).Select(g => $"{g.Key} {g.Count()}");
            s.Line($"d{d.Id.Value}: {d.TotPages} pages of {d.MaxPages}; {string.Join(", ", counts)}");
        }
    }

    private static string FrameLine(PromptState s, Mfn mfn)
    {
        PageInfo p = s.Debug.Inspect.Xen.Frames[mfn];
        string owner = p.Owner == PageInfo.NoOwner ? "nobody" : p.Owner == DomainId.Xen.Value ? "Xen" : $"d{p.Owner}";
        return $"mfn 0x{mfn.Value:x}: owner {owner}, {p.Type}, {p.Count} reference{(p.Count == 1 ? "" : "s")}, {p.TypeCount} of the type{(p.Flags == PageFlags.None ? "" : $", {p.Flags}")}{(s.Debug.Inspect.PseudoPhysicalOf(mfn) is { } pfn ? $", pfn 0x{pfn.Value:x}" : "")}";
    }
}
