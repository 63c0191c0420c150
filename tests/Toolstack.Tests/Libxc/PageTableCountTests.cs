using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Images;
using XenSim.Toolstack.Libxc.Dom;

namespace XenSim.Toolstack.Tests.Libxc;

/// <summary>count_pgtables. Expected counts come from compiling and running the functions of RELEASE-4.0.4 and 4.17; G and H are also real captures.</summary>
public sealed class PageTableCountTests
{
    public static TheoryData<string, int, ulong, ulong, ulong[], ulong> Vectors => new()
    {
        { "A", 4, 0xffffffff80000000, 0xffffffff80a83000, [1, 1, 1, 6], 0xffffffff80c00000 },
        { "B", 4, 0xffffffff80000000, 0xffffffff83938000, [1, 1, 1, 30], 0xffffffff83c00000 },
        { "C", 3, 0xc0000000, 0xc0a23000, [1, 1, 6], 0xc0c00000 },
        { "D", 3, 0, 0x8b000, [1, 2, 2], 0x400000 },
        { "E", 2, 0xc0000000, 0xc0713000, [1, 2], 0xc0800000 },
        { "F", 4, 0, 0x93000, [1, 1, 1, 2], 0x400000 },
        { "G", 4, 0xffffffff80000000, 0xffffffff84603000, [1, 1, 1, 36], 0xffffffff84800000 },
        { "H", 4, 0, 0x657000, [1, 1, 1, 4], 0x800000 },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Counts_of_4_0_4(string vector, int levels, ulong virtBase, ulong allocEnd, ulong[] tables, ulong pgtabEnd)
    {
        Assert.NotEmpty(vector);
        foreach (int toolWord in (int[])[64, 32])
        {
            (TableMapping mapping, ulong end) = PageTableCount.Count40(Arch(levels), virtBase, allocEnd, toolWord, 0)!.Value;
            Assert.Equal(tables, mapping.Levels.Select(l => l.Tables).Reverse());
            Assert.Equal(pgtabEnd, end);
        }
    }

    /// <summary>The same, but for D, where a PAE guest that ends below 0xc0000000 gets L2 tables for all slots; E is gone.</summary>
    [Theory]
    [MemberData(nameof(Vectors))]
    public void Counts_of_4_17(string vector, int levels, ulong virtBase, ulong allocEnd, ulong[] tables, ulong pgtabEnd)
    {
        if (vector == "E")
            return;
        Layout layout = new() { VirtAllocEnd = allocEnd, PfnAllocEnd = (allocEnd - virtBase) >> 12 };
        (TableMapping mapping, ulong end) = PageTableCount.CountKernel417(Arch(levels), virtBase, layout, 1 << 20, new BuilderLog(XenRelease.V4_17, _ => { }))!.Value;
        Assert.Equal(vector == "D" ? [1, 4, 2] : tables, mapping.Levels.Select(l => l.Tables).Reverse());
        Assert.Equal(pgtabEnd, end);
    }

    [Fact]
    public void An_initial_mapping_beyond_the_p2m_is_refused_by_4_17()
    {
        List<string> lines = [];
        Layout layout = new() { VirtAllocEnd = 0x657000, PfnAllocEnd = 0x657 };

        Assert.Null(PageTableCount.CountKernel417(GuestArch.X86_64, 0, layout, 0x700, new BuilderLog(XenRelease.V4_17, l => lines.Add(l.Rendered))));
        Assert.Equal(["xc: error: panic: xg_dom_x86.c:159: count_pgtables: not enough memory for initial mapping (0x7ff > 0x700): Out of memory"], lines);
    }

    private static GuestArch Arch(int levels) => levels switch
    {
        2 => GuestArch.X86_32,
        3 => GuestArch.X86_32p,
        _ => GuestArch.X86_64,
    };
}
