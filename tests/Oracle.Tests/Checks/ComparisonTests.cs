using XenSim.Oracle.Tests.Comparison;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>The comparison itself: it must find a domain equal to its renamed twin and must see every kind of change.</summary>
public class ComparisonTests
{
    private static readonly DomainImage linux = DomainImage.Load(new("linux-5.10-pv"));

    [Fact]
    public void A_domain_equals_itself_with_its_frames_renamed()
    {
        var (differences, frames) = DomainComparison.Compare(linux, Renamed(linux));
        Assert.Empty(differences);
        Assert.Equal(linux.P2m.Length + 1, frames.Count);
    }

    [Fact]
    public void A_renaming_is_one_to_one()
    {
        var renaming = new Renaming();
        Assert.True(renaming.Match(1, 10));
        Assert.True(renaming.Match(1, 10));
        Assert.False(renaming.Match(1, 11));
        Assert.False(renaming.Match(2, 10));
        Assert.True(renaming.Match(2, 11));
    }

    public static TheoryData<string, string> Changes => new()
    {
        { "two frames swapped in p2m only", "start_info.console" },
        { "start_info flag", "start_info +0x30" },
        { "start_info names another store frame", "start_info.store_mfn" },
        { "an event mask bit", "shared_info +0xa00" },
        { "upcall mask of vcpu 31", "shared_info +0x7c1" },
        { "stack pointer", "vcpu context +0x2a0" },
        { "cr3", "vcpu context cr3" },
        { "grant domain", "grant 1" },
        { "grant frame", "grant 0 frame" },
        { "a page mapped writable", "page tables lack" },
        { "a page mapped besides", "page tables have" },
        { "slot 23", "hypercall page +0x2e0" },
        { "guest's own p2m list", "mfn_list" },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public void A_changed_domain_is_seen(string change, string named)
    {
        var (differences, _) = DomainComparison.Compare(linux, Changed(Renamed(linux), change));
        Assert.Contains(differences, d => d.Contains(named, StringComparison.Ordinal));
    }

    [Fact]
    public void Grants_that_the_daemons_have_not_mapped_yet_are_equal()
    {
        var ours = Renamed(linux);
        ours.GrantFrame[0] = 1;
        ours.GrantFrame[8] = 1;
        Assert.Empty(DomainComparison.Compare(linux, ours).Differences);
    }

    private static DomainImage Changed(DomainImage d, string change)
    {
        switch (change)
        {
            case "two frames swapped in p2m only":
                (d.P2m[0x4602], d.P2m[0x4603]) = (d.P2m[0x4603], d.P2m[0x4602]);
                break;
            case "start_info flag":
                d.StartInfo[48] ^= 8;
                break;
            case "start_info names another store frame":
                d.StartInfo[56] ^= 1;
                break;
            case "an event mask bit":
                d.SharedInfo[2560] = 1;
                break;
            case "upcall mask of vcpu 31":
                d.SharedInfo[31 * 64 + 1] = 0;
                break;
            case "stack pointer":
                d.VcpuContext[520 + 152] ^= 0x10;
                break;
            case "cr3":
                d.VcpuContext[4984 + 24 + 1] ^= 0x10;
                break;
            case "grant domain":
                d.GrantFrame[10] = 3;
                break;
            case "grant frame":
                d.GrantFrame[4] ^= 1;
                break;
            case "a page mapped writable":
                var table = d.PageTables.First(e => e.Level == 1 && (e.Flags & 2) == 0);
                d.PageTables.Remove(table);
                d.PageTables.Add(table with { Flags = table.Flags | 2 });
                break;
            case "a page mapped besides":
                d.PageTables.Add(new(1, 0x1000, 1, 0x27));
                break;
            case "slot 23":
                d.HypercallPage![23 * 32] ^= 1;
                break;
            case "guest's own p2m list":
                return d with { GuestP2m = new ulong[d.P2m.Length] };
            default:
                throw new ArgumentOutOfRangeException(nameof(change), change, null);
        }

        return d;
    }

    /// <summary>A deep copy whose frames all have other numbers, in another order.</summary>
    private static DomainImage Renamed(DomainImage d)
    {
        static ulong Name(ulong frame) => (frame ^ 0x155) + 0x10000;

        static void Rename(byte[] bytes, int at, int shift) =>
            BitConverter.TryWriteBytes(bytes.AsSpan(at, 8), Name(BitConverter.ToUInt64(bytes, at) >> shift) << shift);

        var copy = d with
        {
            P2m = [.. d.P2m.Select(Name)],
            SharedInfoFrame = Name(d.SharedInfoFrame),
            StartInfo = [.. d.StartInfo],
            SharedInfo = [.. d.SharedInfo],
            VcpuContext = [.. d.VcpuContext],
            GrantFrame = [.. d.GrantFrame],
            PageTables = [.. d.PageTables],
            HypercallPage = d.HypercallPage is { } page ? [.. page] : null,
        };
        Rename(copy.StartInfo, 40, 12);
        Rename(copy.StartInfo, 56, 0);
        Rename(copy.StartInfo, 72, 0);
        Rename(copy.VcpuContext, 4984 + 24, 12);
        for (int i = 0; i < 2; i++)
        {
            BitConverter.TryWriteBytes(copy.GrantFrame.AsSpan(i * 8 + 4, 4), (uint)Name(BitConverter.ToUInt32(copy.GrantFrame, i * 8 + 4)));
        }

        return copy;
    }
}
