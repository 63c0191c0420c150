using XenSim.Oracle.Tests.Comparison;
using XenSim.Oracle.Tests.Golden;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>The readers of the recorded data, on that data: figures from its own notes and from the recorder's decoded texts.</summary>
public class GoldenDataTests
{
    public static TheoryData<string> Guests => [.. GoldenFolder.Guests];

    [Theory]
    [MemberData(nameof(Guests))]
    public void The_p2m_has_as_many_frames_as_start_info_has_pages_and_none_twice(string name)
    {
        var domain = DomainImage.Load(new(name));
        Assert.Equal(BitConverter.ToUInt64(domain.StartInfo, 32), (ulong)domain.P2m.Length);
        Assert.Equal(domain.P2m.Length, domain.P2m.Distinct().Count());
    }

    [Theory]
    [InlineData("grub-pv64", 7, 0x800)]
    [InlineData("linux-5.10-pv", 0x27 + 3, 0x4800 + 0x80)]
    [InlineData("linux-6.1-pv", 0x29 + 3, 0x4c00 + 0x80)]
    public void The_page_table_walk_has_every_table_and_every_mapped_page(string name, int tables, int pages)
    {
        var walk = DomainImage.Load(new(name)).PageTables;
        Assert.Equal(tables, walk.Count(e => e.Level > 1) + 1);
        Assert.Equal(pages, walk.Count(e => e.Level == 1));
    }

    [Theory]
    [MemberData(nameof(Guests))]
    public void Every_page_table_page_is_mapped_read_only(string name)
    {
        var walk = DomainImage.Load(new(name)).PageTables;
        var tables = walk.Where(e => e.Level > 1).Select(e => e.Pfn).ToHashSet();
        Assert.All(walk.Where(e => e.Level == 1 && tables.Contains(e.Pfn)), e => Assert.Equal(0u, e.Flags & 2));
    }

    [Fact]
    public void Linux_5_10_is_built_by_the_calls_that_the_notes_list()
    {
        var calls = HypercallLog.Parse(new GoldenFolder("linux-5.10-pv").Lines("create-interleaved.log"));
        Assert.Equal(
            [
                "XEN_DOMCTL_createdomain", "XEN_DOMCTL_max_vcpus", "XEN_DOMCTL_max_mem", "EVTCHNOP_alloc_unbound", "EVTCHNOP_alloc_unbound", "XENMEM_set_memory_map",
                "XEN_DOMCTL_settscinfo", "XEN_DOMCTL_getdomaininfo", "XEN_DOMCTL_set_cpu_policy", "XEN_DOMCTL_set_address_size", "XENMEM_claim_pages",
                "XENMEM_populate_physmap", "XENMEM_claim_pages", "MMAPBATCH_V2", "MMAPBATCH_V2", "MMAPBATCH_V2", "MMAPBATCH_V2", "MMAPBATCH_V2", "MMAPBATCH_V2",
                "XEN_DOMCTL_getdomaininfo", "MMAPBATCH_V2", "XEN_DOMCTL_hypercall_init", "MMUEXT_PIN_L4_TABLE", "MMAPBATCH_V2", "XEN_DOMCTL_setvcpucontext", "MMAP_RESOURCE",
            ],
            calls.Select(c => c.SubOperation ?? c.Call));
        Assert.Equal(0x40400ul, calls.Single(c => c.SubOperation == "XEN_DOMCTL_max_mem").Arguments["max_memkb"]);
        Assert.Equal([1ul, 2], calls.Where(c => c.SubOperation == "EVTCHNOP_alloc_unbound").Select(c => c.Details["port"]));
        Assert.Equal([0x10000ul, 0], calls.Where(c => c.SubOperation == "XENMEM_claim_pages").Select(c => c.Arguments["nr_extents"]));
        Assert.Equal([0x4e02ul], calls.Single(c => c.SubOperation == "XEN_DOMCTL_hypercall_init").Frames);
        Assert.Equal(0xffffffff82c471c0, calls.Single(c => c.SubOperation == "XEN_DOMCTL_setvcpucontext").Details["+288"]);
        Assert.Equal(128, calls.Single(c => c.SubOperation == "XENMEM_populate_physmap").Result);
    }

    [Fact]
    public void The_log_keeps_frames_apart_from_text()
    {
        var lines = ToolLog.Parse(new GoldenFolder("linux-5.10-pv").Lines("create-interleaved.log"));
        var frame = Assert.Single(lines, l => l.Text.Contains("vcpu_x86_64: cr3", StringComparison.Ordinal));
        Assert.Equal("domainbuilder: detail: vcpu_x86_64: cr3: pfn 0x4603 mfn MFN", frame.Text);
        Assert.Equal([0x13da03ul], frame.Frames);
        Assert.Contains(lines, l => l.Text == "domainbuilder: detail: xc_dom_kernel_file: filename=\"FILE\"");
        Assert.DoesNotContain(lines, l => l.Text.Contains("malloc", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("boot-4.0.4-x86_32-ring0.log", "9cfab8110000009a")]
    [InlineData("boot-4.0.4-x86_32-ring1.log", "b811000000cd82c3")]
    [InlineData("boot-4.0.4-x86_64-compat.log", "b811000000cd82c3")]
    [InlineData("boot-4.17-x86_64-compat.log", "b811000000cd82c3")]
    public void The_test_kernel_dump_is_complete(string log, string slot17)
    {
        var dump = TestKernelDump.Parse(new GoldenFolder("dom0-test-kernel").Lines(log));
        Assert.Equal(128, dump.Count(l => l.StartsWith("HP ", StringComparison.Ordinal)));
        Assert.StartsWith("HP 0011: " + slot17, dump.Single(l => l.StartsWith("HP 0011:", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains(dump, l => l == "SI nr_pages = 00010000");
        Assert.Contains(dump, l => l == "SI shared_info = SHARED_INFO+0");
        Assert.Equal("END DUMP", dump[^1]);
    }
}
