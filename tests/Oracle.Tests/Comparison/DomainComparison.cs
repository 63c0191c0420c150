using System.Buffers.Binary;

namespace XenSim.Oracle.Tests.Comparison;

/// <summary>Compares two domains under one renaming of machine frames; the result is a list of differences in words.</summary>
internal sealed class DomainComparison
{
    // struct start_info, 64-bit ABI.
    private const int StartInfoSharedInfo = 40;
    private const int StartInfoStoreMfn = 56;
    private const int StartInfoConsoleMfn = 72;

    // shared_info: wc_version .. wc_sec_hi are the wall clock.
    private const int WallClock = 3072;
    private const int WallClockEnd = 3088;

    private const int ContextCr3 = 4984 + 3 * 8; // vcpu_guest_context.ctrlreg[3]
    private const int GrantEntries = 512;
    private const ushort GrantInUse = 0x18; // GTF_reading | GTF_writing: set while the console and store daemons map the page

    private readonly DomainImage golden;
    private readonly DomainImage ours;
    private readonly List<string> differences = [];

    private DomainComparison(DomainImage golden, DomainImage ours)
    {
        this.golden = golden;
        this.ours = ours;
    }

    public Renaming Frames { get; } = new();

    public static (IReadOnlyList<string> Differences, Renaming Frames) Compare(DomainImage golden, DomainImage ours)
    {
        var comparison = new DomainComparison(golden, ours);
        comparison.ComparePhysToMachine();
        comparison.CompareStartInfo();
        comparison.CompareSharedInfo();
        comparison.CompareContext();
        comparison.CompareGrants();
        comparison.ComparePageTables();
        comparison.CompareHypercallPage();
        return (comparison.differences, comparison.Frames);
    }

    private void ComparePhysToMachine()
    {
        if (golden.P2m.Length != ours.P2m.Length)
        {
            Report($"nr_pages: 0x{golden.P2m.Length:x}, ours 0x{ours.P2m.Length:x}");
            return;
        }

        for (int pfn = 0; pfn < golden.P2m.Length; pfn++)
        {
            MatchFrame($"p2m[0x{pfn:x}]", golden.P2m[pfn], ours.P2m[pfn]);
        }

        MatchFrame("shared_info_frame", golden.SharedInfoFrame, ours.SharedInfoFrame);
        if (ours.GuestP2m is { } list && !list.AsSpan().SequenceEqual(ours.P2m))
        {
            Report("the list at start_info.mfn_list is not the domain's p2m");
        }
    }

    private void CompareStartInfo()
    {
        MatchFrame("start_info.shared_info", Word(golden.StartInfo, StartInfoSharedInfo) >> 12, Word(ours.StartInfo, StartInfoSharedInfo) >> 12);
        MatchFrame("start_info.store_mfn", Word(golden.StartInfo, StartInfoStoreMfn), Word(ours.StartInfo, StartInfoStoreMfn));
        MatchFrame("start_info.console.domU.mfn", Word(golden.StartInfo, StartInfoConsoleMfn), Word(ours.StartInfo, StartInfoConsoleMfn));
        CompareBytes("start_info", golden.StartInfo, ours.StartInfo, i =>
            i is >= StartInfoSharedInfo and < StartInfoSharedInfo + 8 or >= StartInfoStoreMfn and < StartInfoStoreMfn + 8 or >= StartInfoConsoleMfn and < StartInfoConsoleMfn + 8);
    }

    private void CompareSharedInfo() => CompareBytes("shared_info", golden.SharedInfo, ours.SharedInfo, i => i is >= WallClock and < WallClockEnd);

    private void CompareContext()
    {
        MatchFrame("vcpu context cr3", Word(golden.VcpuContext, ContextCr3) >> 12, Word(ours.VcpuContext, ContextCr3) >> 12);
        CompareBytes("vcpu context", golden.VcpuContext, ours.VcpuContext, i => i is >= ContextCr3 and < ContextCr3 + 8);
    }

    private void CompareGrants()
    {
        for (int i = 0; i < GrantEntries; i++)
        {
            var (flags, domain, frame) = Grant(golden.GrantFrame, i);
            var (ourFlags, ourDomain, ourFrame) = Grant(ours.GrantFrame, i);
            if ((flags & ~GrantInUse) != (ourFlags & ~GrantInUse) || domain != ourDomain)
            {
                Report($"grant {i}: flags 0x{flags:x} domain {domain}, ours flags 0x{ourFlags:x} domain {ourDomain}");
            }

            if (flags != 0 && ourFlags != 0)
            {
                MatchFrame($"grant {i} frame", frame, ourFrame);
            }
        }
    }

    private void ComparePageTables()
    {
        foreach (var entry in golden.PageTables.Except(ours.PageTables).OrderByDescending(e => e.Level).ThenBy(e => e.Address).Take(8))
        {
            Report($"page tables lack {entry}");
        }

        foreach (var entry in ours.PageTables.Except(golden.PageTables).OrderByDescending(e => e.Level).ThenBy(e => e.Address).Take(8))
        {
            Report($"page tables have {entry} besides");
        }
    }

    private void CompareHypercallPage()
    {
        if (golden.HypercallPage is { } page)
        {
            CompareBytes("hypercall page", page, ours.HypercallPage ?? [], _ => false);
        }
    }

    private void MatchFrame(string what, ulong theirs, ulong our)
    {
        if (!Frames.Match(theirs, our))
        {
            Report($"{what}: frame 0x{theirs:x} cannot be 0x{our:x} here");
        }
    }

    private void CompareBytes(string what, byte[] theirs, byte[] our, Func<int, bool> excepted)
    {
        if (theirs.Length != our.Length)
        {
            Report($"{what}: {theirs.Length} bytes, ours {our.Length}");
            return;
        }

        for (int i = 0; i < theirs.Length; i++)
        {
            if (theirs[i] != our[i] && !excepted(i))
            {
                Report($"{what} +0x{i:x}: {theirs[i]:x2}, ours {our[i]:x2}");
            }
        }
    }

    private void Report(string difference)
    {
        const int enough = 40;
        if (differences.Count < enough)
        {
            differences.Add(difference);
        }
    }

    private static (ushort Flags, ushort Domain, uint Frame) Grant(byte[] frame, int index)
    {
        var entry = frame.AsSpan(index * 8, 8);
        return (BinaryPrimitives.ReadUInt16LittleEndian(entry), BinaryPrimitives.ReadUInt16LittleEndian(entry[2..]), BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]));
    }

    private static ulong Word(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(offset));
}
