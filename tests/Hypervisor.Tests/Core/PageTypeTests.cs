using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>Rules of RELEASE-4.0.4 and stable-4.17 xen/arch/x86/mm.c, on tables made by hand.</summary>
public class PageTypeTests
{
    private const ulong Rw = Pte.Present | Pte.Writable | Pte.User;
    private const ulong Ro = Pte.Present | Pte.User;

    [Theory]
    [InlineData(XenRelease.V4_0, Pte.Pwt, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_0, Pte.Pcd, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_0, Pte.PageSize, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_0, Pte.Global, XenErrno.None)]
    [InlineData(XenRelease.V4_17, Pte.Pcd, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, Pte.Global, XenErrno.None)]
    public void Flags_of_an_L1_entry(XenRelease release, ulong flag, XenErrno expected)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Mfn[] f = host.Populate(d, 0, 2);
        Set(host, f[0], 5, Pte.Make(f[1].Value, Ro | flag));
        Assert.Equal(expected, host.Xen.PageTypes.Pin(f[0], d, PageType.PGT_l1_page_table));
    }

    [Theory]
    [InlineData(XenRelease.V4_0, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, XenErrno.EBUSY)]
    public void A_writable_mapping_of_a_page_table_is_refused(XenRelease release, XenErrno expected)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Mfn[] f = host.Populate(d, 0, 2);
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Pin(f[1], d, PageType.PGT_l1_page_table));
        Set(host, f[0], 0, Pte.Make(f[1].Value, Rw));
        Assert.Equal(expected, host.Xen.PageTypes.Pin(f[0], d, PageType.PGT_l1_page_table));
        Assert.Equal(0u, host.Xen.Frames[f[0]].TypeCount);
    }

    [Fact]
    public void Validation_marks_supervisor_pages_as_guest_kernel_and_user_pages_as_global()
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = host.CreateDomain();
        Mfn[] f = host.Populate(d, 0, 2);
        Set(host, f[0], 0, Pte.Make(f[1].Value, Pte.Present));
        Set(host, f[0], 1, Pte.Make(f[1].Value, Pte.Present | Pte.User));
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Pin(f[0], d, PageType.PGT_l1_page_table));
        Assert.Equal(Pte.Make(f[1].Value, Pte.Present | Pte.User | Pte.GuestKernel), Get(host, f[0], 0));
        Assert.Equal(Pte.Make(f[1].Value, Pte.Present | Pte.User | Pte.Global), Get(host, f[0], 1));
    }

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void A_builders_table_tree_pins_and_unpins_without_a_reference_left(XenRelease release)
    {
        using Host host = new(release);
        Domain d = host.CreateDomain();
        Mfn[] f = host.Populate(d, 0, 8);
        for (int i = 0; i < 8; i++)
            Set(host, f[3], i, Pte.Make(f[i].Value, i < 4 ? Ro : Rw));
        Set(host, f[2], 0, Pte.Make(f[3].Value, Rw));
        Set(host, f[1], 0, Pte.Make(f[2].Value, Rw));
        Set(host, f[0], 0, Pte.Make(f[1].Value, Rw));
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Pin(f[0], d, PageType.PGT_l4_page_table));
        Assert.Equal(PageType.PGT_l1_page_table, host.Xen.Frames[f[3]].Type);
        Assert.Equal(1u, host.Xen.Frames[f[5]].TypeCount);
        Assert.Equal(XenErrno.EINVAL, host.Xen.PageTypes.Pin(f[0], d, PageType.PGT_l4_page_table));
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Unpin(f[0], d));
        Assert.All(f, m => Assert.Equal((0u, 1u), (host.Xen.Frames[m].TypeCount, host.Xen.Frames[m].Count)));
        Assert.Equal(XenErrno.EINVAL, host.Xen.PageTypes.Unpin(f[0], d));
    }

    [Fact]
    public void A_foreign_mapping_that_is_writable_keeps_a_table_from_being_pinned()
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = host.CreateDomain();
        Mfn[] f = host.Populate(d, 0, 1);
        using (host.Xen.Foreign.Map(d.Id, [new Gfn(f[0].Value)], writable: true))
            Assert.Equal(XenErrno.EINVAL, host.Xen.PageTypes.Pin(f[0], d, PageType.PGT_l1_page_table));
        Assert.Equal(XenErrno.None, host.Xen.PageTypes.Pin(f[0], d, PageType.PGT_l1_page_table));
    }

    private static void Set(Host host, Mfn table, int slot, ulong entry)
        => BitConverter.TryWriteBytes(host.Xen.Memory.Writable(table.Value)[(slot * 8)..], entry);

    private static ulong Get(Host host, Mfn table, int slot) => BitConverter.ToUInt64(host.Xen.Memory.Readable(table.Value)[(slot * 8)..]);
}
