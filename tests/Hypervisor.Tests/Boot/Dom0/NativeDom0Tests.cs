using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.Boot.Dom0;

/// <summary>Origin: RELEASE-4.0.4 construct_dom0 and stable-4.17 dom0_construct_pv: order, flags and types of the tables of a 64-bit kernel.</summary>
public sealed class NativeDom0Tests
{
    private static readonly byte[] Ramdisk = [.. Enumerable.Range(0, 0x2345).Select(i => (byte)(i * 7))];

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void Tables_are_taken_L4_L1_L2_L3_and_map_the_kernel_for_ring_3(XenRelease release)
    {
        using BootRun run = Boot(release, new KernelBuilder());
        Assert.False(run.Outcome.Failed, run.Outcome.Message);
        Vcpu v = Vcpu0(run);
        StartInfo64 si = StartInfo(v);
        Mfn[] tables = [.. Enumerable.Range(0, 4).Select(i => FrameOf(v, si.PtBase + ((ulong)i << 12)))];

        Assert.Equal(v.GuestTable, tables[0]);
        PageType[] types = [.. tables.Select(t => run.Xen.Frames[t].Type)];
        Assert.Equal([PageType.PGT_l4_page_table, PageType.PGT_l1_page_table, PageType.PGT_l2_page_table, PageType.PGT_l3_page_table], types);
        Assert.Equal(tables[3].Value << 12 | 0x67, run.Xen.PageTypes.ReadEntry(tables[0], 511));
        Assert.Equal(tables[2].Value << 12 | 0x67, run.Xen.PageTypes.ReadEntry(tables[3], 510));
        Assert.Equal(tables[1].Value << 12 | 0x67, run.Xen.PageTypes.ReadEntry(tables[2], 0));
        Assert.Equal(0x0010000000000027ul, run.Xen.PageTypes.ReadEntry(tables[1], 0) & ~Pte.AddressMask);
        Assert.True(run.Xen.Frames[tables[0]].Has(PageFlags.Pinned));
        Assert.All(tables, t => Assert.Equal(3u + (t == tables[0] ? 1u : 0u), run.Xen.Frames[t].Count));
        Assert.Equal("xen-3.0-x86_64", Text(si.Magic));
        Assert.Equal(0x303u, si.Flags);
    }

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void A_mapped_ramdisk_lies_behind_the_kernel(XenRelease release)
    {
        using BootRun run = Boot(release, new KernelBuilder(), Ramdisk);
        Assert.False(run.Outcome.Failed, run.Outcome.Message);
        Vcpu v = Vcpu0(run);
        StartInfo64 si = StartInfo(v);

        Assert.Equal((0xFFFFFFFF81005000ul, (ulong)Ramdisk.Length), (si.ModStart, si.ModLen));
        Assert.Equal(Ramdisk, TestKernelDump.Read(v, si.ModStart, Ramdisk.Length));
        Assert.Equal(FrameOf(v, si.ModStart), P2m(v, si, (si.ModStart - 0xFFFFFFFF80000000) >> 12));
        Assert.Contains(run.Log, l => l == "(XEN)  Init. ramdisk: ffffffff81005000->ffffffff81007345");
    }

    [Fact]
    public void An_INIT_P2M_kernel_of_4_17_gets_its_list_there_and_its_ramdisk_unmapped()
    {
        using BootRun run = Boot(XenRelease.V4_17, new KernelBuilder { InitP2m = 0x8000000000, ModStartPfn = true, SupportedFeatures = 1 << 11 }, Ramdisk);
        Assert.False(run.Outcome.Failed, run.Outcome.Message);
        Vcpu v = Vcpu0(run);
        StartInfo64 si = StartInfo(v);

        Assert.Equal(0x8000000000ul, si.MfnList);
        Assert.Equal(0x30Bu, si.Flags);
        Assert.Equal(si.FirstP2mPfn - 3, si.ModStart);
        byte[] first = run.Xen.Memory.Readable(P2m(v, si, si.ModStart).Value).ToArray();
        Assert.Equal(Ramdisk[..4096], first);

        // 0x10000 entries of 8 bytes are 128 pages, in one L1; its L2 and L3 are new too.
        Assert.Equal(128ul + 3, si.NrP2mFrames);
        for (ulong pfn = 0; pfn < si.NrPages; pfn += 0x100)
            Assert.Equal(new Pfn(pfn), run.Xen.M2p.Get(P2m(v, si, pfn)));
        Assert.Equal(si.NrPages, v.Domain.TotPages);
    }

    [Fact]
    public void The_hypercall_page_may_lie_across_two_pages()
    {
        using BootRun run = Boot(XenRelease.V4_17, new KernelBuilder { HypercallPage = 0xFFFFFFFF81001010 });

        Assert.Equal(HypercallPage.Render(HypercallPageFlavour.Ring3, XenRelease.V4_17), TestKernelDump.Read(Vcpu0(run), 0xFFFFFFFF81001010, 4096));
    }

    internal static BootRun Boot(XenRelease release, KernelBuilder kernel, byte[]? ramdisk = null, string commandLine = "dom0_mem=256M")
        => new(
            e => new XenOptions { Release = release, Host = HostModels.Find(HostModels.Amd)!, CommandLine = commandLine, Events = e },
            new Dom0Image("kernel", kernel.Build(), ramdisk ?? [], "quiet"));

    private static Vcpu Vcpu0(BootRun run) => run.Xen.FindDomain(DomainId.Dom0)!.Vcpus[0];

    private static StartInfo64 StartInfo(Vcpu v) => TestKernelDump.Read(v, v.Cpu[Gpr.Rsi], 1168).AsSpan().ReadStruct<StartInfo64>();

    private static Mfn P2m(Vcpu v, in StartInfo64 si, ulong pfn) => new(BitConverter.ToUInt64(TestKernelDump.Read(v, si.MfnList + (pfn * 8), 8)));

    private static Mfn FrameOf(Vcpu v, ulong address)
    {
        Assert.True(v.Cpu.TryTranslate(new Guest.Memory.LinearAddress(address), AccessKind.Read, 3, out Guest.Memory.PhysicalAddress physical, out _));
        return new Mfn(physical.Frame);
    }

    private static string Text(Array32<byte> bytes) => System.Text.Encoding.ASCII.GetString(bytes[..]).TrimEnd('\0');
}
