using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;

namespace XenSim.Hypervisor.Tests.Boot.Dom0;

public sealed class Dom0LayoutTests
{
    /// <summary>Origin: the layout loop of RELEASE-4.0.4 construct_dom0, compiled and run; 4.17 compat likewise.</summary>
    [Theory]
    [InlineData(XenRelease.V4_0, "X86_32", 0xC0A4247C, 0xC0A4E000, 11)]
    [InlineData(XenRelease.V4_0, "Compat", 0xC0A424B4, 0xC0A4F000, 12)]
    [InlineData(XenRelease.V4_17, "Compat", 0xC0A424B8, 0xC0A4E000, 11)]
    public void A_32_bit_kernel_with_a_ramdisk(XenRelease release, string kind, ulong startInfoEnd, ulong tablesEnd, ulong tables)
    {
        Dom0Layout layout = Compute(release, Enum.Parse<Dom0Kind>(kind), 0xC0000000, 0xC0701234, 0x300000, 0x10000);

        Assert.Equal((0xC0702000ul, 0xC0A02000ul), layout.Initrd);
        Assert.Equal((0xC0A02000ul, 0xC0A42000ul), layout.Physmap);
        Assert.Equal((0xC0A42000ul, startInfoEnd), layout.StartInfo);
        Assert.Equal((0xC0A43000ul, tablesEnd), layout.PageTables);
        Assert.Equal(tables, layout.TablePages);
        Assert.Equal((tablesEnd, tablesEnd + 0x1000), layout.Stack);
        Assert.Equal((0xC0000000ul, 0xC0C00000ul), (layout.Start, layout.End));
    }

    /// <summary>Origin: the layout loop of RELEASE-4.0.4 construct_dom0, compiled and run.</summary>
    [Fact]
    public void A_64_bit_kernel_with_a_ramdisk()
    {
        Dom0Layout layout = Compute(XenRelease.V4_0, Dom0Kind.Native, 0xFFFFFFFF80000000, 0xFFFFFFFF80A01234, 0x500000, 0x20000);

        Assert.Equal((0xFFFFFFFF80F02000ul, 0xFFFFFFFF81002000ul), layout.Physmap);
        Assert.Equal(0xFFFFFFFF81002000ul, layout.StartInfo.Start);
        Assert.Equal((0xFFFFFFFF81003000ul, 0xFFFFFFFF81010000ul), layout.PageTables);
        Assert.Equal(13ul, layout.TablePages);
        Assert.Equal(0xFFFFFFFF81011000ul, layout.Stack.End);
        Assert.Equal(0xFFFFFFFF81400000ul, layout.End);
    }

    /// <summary>Origin: VIRTUAL MEMORY ARRANGEMENT of the real boots of the test kernel (4.0.4 x86_32, 4.0.4 compat, 4.17 compat).</summary>
    [Theory]
    [InlineData(XenRelease.V4_0, "X86_32", 0xC014747C, 0xC014F000, 7)]
    [InlineData(XenRelease.V4_0, "Compat", 0xC01474B4, 0xC0150000, 8)]
    [InlineData(XenRelease.V4_17, "Compat", 0xC01474B8, 0xC014F000, 7)]
    public void The_test_kernel_is_laid_out_as_real_Xen_did(XenRelease release, string kind, ulong startInfoEnd, ulong tablesEnd, ulong tables)
    {
        Dom0Layout layout = Compute(release, Enum.Parse<Dom0Kind>(kind), 0xC0000000, 0xC0106020, 0, 0x10000);

        Assert.Equal((0xC0107000ul, 0xC0147000ul), layout.Physmap);
        Assert.Equal((0xC0147000ul, startInfoEnd), layout.StartInfo);
        Assert.Equal((0xC0148000ul, tablesEnd), layout.PageTables);
        Assert.Equal(tables, layout.TablePages);
        Assert.Equal(0xC0400000ul, layout.End);
        Assert.Equal(10, layout.ChunkOrder);
    }

    /// <summary>Origin: the real boots of Debian's Linux 6.1 and 5.10 under 4.17.7 with dom0_mem=384M and a ramdisk of 0xfbbdf bytes.</summary>
    [Theory]
    [InlineData(0xFFFFFFFF84A00000, 0xFFFFFFFF84A004B8, 0xFFFFFFFF84A2A000, 41, 0xFFFFFFFF84C00000)]
    [InlineData(0xFFFFFFFF84600000, 0xFFFFFFFF846004B8, 0xFFFFFFFF84628000, 39, 0xFFFFFFFF84800000)]
    public void Linux_with_INIT_P2M_and_an_unmapped_ramdisk(ulong kernelEnd, ulong startInfoEnd, ulong tablesEnd, ulong tables, ulong end)
    {
        XenElfParameters parms = Parms(0xFFFFFFFF80000000, kernelEnd) with { P2mBase = 0x8000000000, UnmappedInitrd = true };

        Dom0Layout layout = Dom0Layout.Compute(XenRelease.V4_17, Dom0Kind.Native, parms, 0xFBBDF, 0x18000)!;

        Assert.Equal((0ul, 0ul), layout.Initrd);
        Assert.Equal((0x8000000000ul, 0x80000C0000ul), layout.Physmap);
        Assert.Equal((kernelEnd, startInfoEnd), layout.StartInfo);
        Assert.Equal((kernelEnd + 0x1000, tablesEnd), layout.PageTables);
        Assert.Equal(tables, layout.TablePages);
        Assert.Equal(end, layout.End);
        Assert.Equal(15, layout.ChunkOrder);
    }

    [Theory]
    [InlineData(0, ulong.MaxValue - 0xFFFF)]
    [InlineData(0x1000, 0x7FFFFFFFF000)]
    [InlineData(0xFFFFFFFF80000000, 0x1000)]
    public void An_absurd_address_range_ends_in_a_refusal(ulong virtBase, ulong kernelEnd)
        => Assert.Null(Dom0Layout.Compute(XenRelease.V4_0, Dom0Kind.Native, Parms(virtBase, kernelEnd), 0, 0x10000));

    [Fact]
    public void A_kernel_larger_than_its_memory_is_refused()
        => Assert.Null(Dom0Layout.Compute(XenRelease.V4_0, Dom0Kind.Native, Parms(0xFFFFFFFF80000000, 0xFFFFFFFF84000000), 0, 0x4000));

    private static Dom0Layout Compute(XenRelease release, Dom0Kind kind, ulong virtBase, ulong kernelEnd, ulong initrd, ulong pages)
        => Dom0Layout.Compute(release, kind, Parms(virtBase, kernelEnd), initrd, pages)!;

    private static XenElfParameters Parms(ulong virtBase, ulong kernelEnd)
        => new() { VirtBase = virtBase, VirtKernelStart = virtBase + 0x100000, VirtKernelEnd = kernelEnd };
}
