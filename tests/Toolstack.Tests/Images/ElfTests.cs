using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Toolstack.Tests.Images;

/// <summary>libelf against the lines real Xen 4.17 printed (Data/ORIGIN.md) and the rules of libelf-dominfo.c of each release.</summary>
public sealed class ElfTests
{
    [Theory]
    [InlineData("linux-6.1-pv", true, false)]
    [InlineData("linux-5.10-pv", true, false)]
    [InlineData("grub-pv64", true, false)]
    [InlineData("linux-6.1-pvh", true, true)]
    [InlineData("grub-pvh", false, true)]
    [InlineData("error-pv32-refused", false, false)]
    [InlineData("error-pvh-kernel-without-note", true, true)]
    public void An_image_with_the_real_kernels_headers_and_notes_gives_the_lines_that_real_libxc_printed(string log, bool is64, bool hvm)
    {
        string[] expected = GoldenLog.ElfLines(log);
        (_, ElfError? error, List<string> lines) = Parse(GoldenLog.Rebuild(expected, is64), XenRelease.V4_17, hvm);
        Assert.Null(error);
        Assert.Equal(expected, lines);
    }

    [Fact]
    public void The_real_test_kernel_gives_the_lines_that_real_Xen_printed_when_it_was_dom0()
    {
        byte[] kernel = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Data", "Elf", "test-kernel-32.elf"));
        (_, ElfError? error, List<string> lines) = Parse(kernel, XenRelease.V4_17, hvm: false);
        Assert.Null(error);
        Assert.Equal(GoldenLog.ElfLines("dom0-test-kernel-4.17", "(XEN) "), lines);
    }

    // Formats: RELEASE-4.0.4 xen/common/libelf/libelf-loader.c: elf_parse_binary, libelf-dominfo.c: elf_xen_parse_note.
    [Fact]
    public void Release_4_0_prints_the_function_name_before_each_line_and_knows_fewer_notes()
    {
        byte[] image = Kernel().Note(ElfNote.MOD_START_PFN, 1).Note(ElfNote.PADDR_OFFSET, 0).Build();
        (XenElfParameters parms, ElfError? error, List<string> lines) = Parse(image, XenRelease.V4_0);
        Assert.Null(error);
        Assert.False(parms.UnmappedInitrd);
        Assert.Equal(
            [
                "elf_parse_binary: phdr: paddr=0x100000 memsz=0x2000",
                "elf_parse_binary: memory: 0x100000 -> 0x102000",
                "elf_xen_parse_note: LOADER = \"generic\"",
                "elf_xen_parse_note: XEN_VERSION = \"xen-3.0\"",
                "elf_xen_parse_note: VIRT_BASE = 0xffffffff80000000",
                "elf_xen_parse_note: ENTRY = 0xffffffff80100000",
                "elf_xen_parse_note: unknown xen elf note (0x10)",
                "elf_xen_parse_note: PADDR_OFFSET = 0x0",
                "elf_xen_addr_calc_check: addresses:",
            ],
            lines[..9]);
    }

    [Fact]
    public void A_pae_mode_note_of_yes_means_extended_cr3_and_bimodal_may_stand_anywhere_in_it()
    {
        Assert.Equal(PaeMode.ExtendedCr3, Parameters(Kernel().Note(ElfNote.PAE_MODE, "yes")).Pae);
        Assert.Equal(PaeMode.Bimodal, Parameters(Kernel().Note(ElfNote.PAE_MODE, "yes,bimodal")).Pae);
        Assert.Equal(PaeMode.No, Parameters(Kernel().Note(ElfNote.PAE_MODE, "no")).Pae);
    }

    [Fact]
    public void A_numeric_note_of_three_bytes_reads_as_zero()
        => Assert.Equal(0ul, Parameters(Kernel().Note(ElfNote.HYPERCALL_PAGE, 0x123456, 3)).VirtHypercall);

    [Fact]
    public void Notes_of_other_vendors_do_not_count_and_a_kernel_with_only_those_is_refused_for_its_loader()
    {
        byte[] image = new ElfBuilder().Load(0, 0x1000).RawNote("GNU", 3, [1, 2, 3, 4]).Build();
        Assert.Equal(
            "elf_xen_note_check: ERROR: Will only load images built for the generic loader or Linux images",
            Parse(image, XenRelease.V4_0).Error?.Message);
        Assert.Equal(
            "ERROR: Will only load images built for the generic loader or Linux images (Not '' and '') or with PHYS32_ENTRY set",
            Parse(image, XenRelease.V4_17).Error?.Message);
    }

    [Fact]
    public void An_x86_image_without_any_note_or_section_is_not_a_Xen_image()
    {
        byte[] image = new ElfBuilder().Load(0, 0x1000).Build();
        Assert.Equal("ERROR: Not a Xen-ELF image: No ELF notes or '__xen_guest' section found", Parse(image, XenRelease.V4_17).Error?.Message);
    }

    [Fact]
    public void Notes_in_a_section_are_used_when_no_segment_has_any()
    {
        byte[] image = Fill(new ElfBuilder { NotesInSegment = false }.Load(0x100000, 0x2000)).Build();
        (XenElfParameters parms, ElfError? error, List<string> lines) = Parse(image, XenRelease.V4_17);
        Assert.Null(error);
        Assert.Equal(0xffffffff80100000, parms.VirtEntry);
        Assert.Contains("ELF: using notes from SHT_NOTE section", lines);
    }

    [Theory]
    [InlineData("VIRT_BASE", "ENTRY set low")]
    [InlineData("ENTRY", "entry behind the end")]
    public void An_entry_outside_the_kernel_is_refused(string what, string why)
    {
        ulong entry = what == "VIRT_BASE" ? 0xfffffffful : 0xffffffff80103000;
        byte[] image = new ElfBuilder().Load(0x100000, 0x2000).Note(ElfNote.LOADER, "generic").Note(ElfNote.XEN_VERSION, "xen-3.0")
            .Note(ElfNote.VIRT_BASE, 0xffffffff80000000).Note(ElfNote.ENTRY, entry).Build();
        Assert.True(Parse(image, XenRelease.V4_17).Error?.Message == "ERROR: ELF start or entries are out of bounds", why);
        Assert.Equal("elf_xen_addr_calc_check: ERROR: ELF start or entries are out of bounds.", Parse(image, XenRelease.V4_0).Error?.Message);
    }

    [Fact]
    public void A_physical_offset_needs_a_virtual_base()
    {
        byte[] image = new ElfBuilder().Load(0, 0x1000).Note(ElfNote.LOADER, "generic").Note(ElfNote.XEN_VERSION, "xen-3.0")
            .Note(ElfNote.PADDR_OFFSET, 0).Build();
        Assert.Equal("ERROR: ELF_PADDR_OFFSET set, VIRT_BASE unset", Parse(image, XenRelease.V4_17).Error?.Message);
    }

    [Fact]
    public void A_p2m_base_inside_the_kernel_is_refused()
        => Assert.Equal(
            "ERROR: P->M table base is out of bounds",
            Parse(Kernel().Note(ElfNote.INIT_P2M, 0xffffffff80101000).Build(), XenRelease.V4_17).Error?.Message);

    // libelf-dominfo.c: elf_xen_parse_features. 4.0.4 refuses every unknown name, 4.17 only a required one.
    [Theory]
    [InlineData("pae_pgdir_above_4gb|no_such_feature", false, true)]
    [InlineData("!no_such_feature", false, false)]
    [InlineData("!writable_page_tables|pae_pgdir_above_4gb", true, true)]
    [InlineData("dom0|hvm_callback_vector", false, true)]
    public void Unknown_feature_names_are_refused_by_each_release_in_its_way(string features, bool in40, bool in417)
    {
        byte[] image = Kernel().Note(ElfNote.FEATURES, features).Build();
        Assert.Equal(in40, Parse(image, XenRelease.V4_0).Error is null);
        Assert.Equal(in417, Parse(image, XenRelease.V4_17).Error is null);
    }

    [Fact]
    public void A_required_feature_is_also_supported()
    {
        XenElfParameters parms = Parameters(Kernel().Note(ElfNote.FEATURES, "!writable_page_tables|pae_pgdir_above_4gb").Note(ElfNote.SUPPORTED_FEATURES, 0x8801, 4));
        Assert.Equal(0x8811u, parms.FeaturesSupported);
        Assert.Equal(0x1u, parms.FeaturesRequired);
    }

    private static XenElfParameters Parameters(ElfBuilder builder)
    {
        (XenElfParameters parms, ElfError? error, _) = Parse(builder.Build(), XenRelease.V4_17);
        Assert.Null(error);
        return parms;
    }

    private static ElfBuilder Kernel() => Fill(new ElfBuilder().Load(0x100000, 0x2000));

    private static ElfBuilder Fill(ElfBuilder builder) => builder
        .Note(ElfNote.LOADER, "generic").Note(ElfNote.XEN_VERSION, "xen-3.0")
        .Note(ElfNote.VIRT_BASE, 0xffffffff80000000).Note(ElfNote.ENTRY, 0xffffffff80100000);

    internal static (XenElfParameters Parameters, ElfError? Error, List<string> Lines) Parse(byte[] image, XenRelease release, bool hvm = false)
    {
        List<string> lines = [];
        ElfImage? elf = ElfImage.Init(release, image, l => lines.Add(l.Text), out ElfError? error);
        if (elf is null)
            return (new XenElfParameters(), error, lines);
        elf.ParseBinary();
        return (XenNotes.Parse(elf, hvm, out error), error, lines);
    }
}
