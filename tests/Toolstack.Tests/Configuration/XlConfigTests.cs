using System.Text;
using CsCheck;
using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Configuration;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.Tests.Configuration;

/// <summary>Grammar and messages: libxlu_cfg_l.l, libxlu_cfg_y.y, libxlu_cfg.c; meaning: xl_parse.c (4.17), xl_cmdimpl.c (4.0.4).</summary>
public sealed class XlConfigTests
{
    // The configuration of the golden Linux run, with its own layout.
    private const string Golden = """
        name="linux-6.1-pv"
        type="pv"
        memory=256
        kernel="/guests/vmlinuz"
        ramdisk="/guests/initrd.gz"
        cmdline="console=hvc0 earlyprintk=xen panic=1"
        on_poweroff="preserve"
        """;

    private static readonly string[] Pieces = ["a", "=", "'", "\"", "[", "]", ",", "\n", "#", "\\", "12", " ", "+=", "(", "x", ";"];

    [Fact]
    public void A_real_configuration_becomes_a_domain()
    {
        XlDomain result = Read(Golden);
        Assert.Empty(result.Messages);
        DomainConfiguration domain = result.Domain!;
        Assert.Equal(("linux-6.1-pv", DomainType.pv, 256ul * 1024), (domain.Name, domain.Type, domain.MemoryKiB));
        Assert.Equal("/guests/vmlinuz", domain.Kernel?.Name);
        Assert.Equal("/guests/initrd.gz", domain.Ramdisk?.Name);
        Assert.Equal("console=hvc0 earlyprintk=xen panic=1", domain.CommandLine);
        Assert.Equal(EndAction.preserve, domain.OnPoweroff);
    }

    // stable-4.17 tools/xl/xl_parse.c: firmware_override is u.hvm.firmware; tools/libs/light/libxl_create.c: video memory by kind of display.
    [Theory]
    [InlineData("type='hvm'", 8)]
    [InlineData("builder='hvm'", 8)]
    [InlineData("type='hvm'\nvga='none'", 0)]
    [InlineData("type='hvm'\nstdvga=1", 16)]
    [InlineData("type='hvm'\nvideoram=32", 32)]
    public void An_HVM_domain_starts_with_what_firmware_override_names(string settings, ulong videoMiB)
    {
        XlDomain result = Read($"name='h'\n{settings}\nmemory=128\nfirmware_override='/guests/vmlinuz'\nkernel='/guests/initrd.gz'\n");
        Assert.Empty(result.Messages);
        Assert.Equal((DomainType.hvm, "/guests/vmlinuz", null, videoMiB * 1024), (result.Domain!.Type, result.Domain.Firmware?.Name, result.Domain.Kernel?.Name, result.Domain.VideoKiB));
        Assert.Contains(result.Notes, n => n.Text.Contains("goes into firmware_override", StringComparison.Ordinal));
    }

    [Fact]
    public void Strings_numbers_lists_and_comments_are_read_as_libxlu_reads_them()
    {
        XlConfigFile file = Parse("""
            a = 'it\'s' # comment
            b="tab\there"; c = 0x20
            d = 010
            e = [ 'x', [ "y",
                  12 ], # inside
                  'z', ]

            a = "last wins"
            """);
        Assert.Empty(file.Messages);
        Assert.Equal("last wins", file.GetString("a"));
        Assert.Equal("tab\there", file.GetString("b"));
        Assert.Equal((32L, 8L), (file.GetLong("c"), file.GetLong("d")));
        XlList list = file.GetList("e")!;
        Assert.Equal(["x", "z"], list.Items.OfType<XlString>().Select(s => s.Text));
        Assert.Equal(["y", "12"], ((XlList)list.Items[1]).Items.Cast<XlString>().Select(s => s.Text));
    }

    [Theory]
    [InlineData("memory = 64\ntype = pv\n", "x.cfg:2: config parsing error near `pv': syntax error", 2, 8)]
    [InlineData("memory 64\n", "x.cfg:1: config parsing error near `64': syntax error", 1, 8)]
    [InlineData("a = [ 'x' 'y' ]\n", "x.cfg:1: config parsing error near `'y'': syntax error", 1, 11)]
    [InlineData("a = 'open\n", "x.cfg:1: config parsing error near `'open': lexical error", 1, 5)]
    [InlineData("a = (1)\n", "x.cfg:1: config parsing error near `(1)': lexical error", 1, 5)]
    [InlineData("a = \"\\q\"\n", "x.cfg:1: config parsing error near `\"\\q\"': invalid character after backlash in quoted string", 1, 5)]
    public void A_wrong_file_is_refused_with_xls_words_and_its_place(string text, string message, int line, int column)
    {
        XlConfigFile file = Parse(text);
        Assert.True(file.IsRefused);
        Assert.Equal(new XlMessage(line, column, message), file.Messages[0]);
        Assert.Equal("Failed to parse config: Invalid argument", file.Messages[^1].Text);
    }

    [Fact]
    public void Parsing_goes_on_after_an_error_at_the_next_line()
    {
        XlConfigFile file = Parse("a = b\nc = \"ok\"\nd = e\n");
        Assert.Equal([1, 3, 0], file.Messages.Select(m => m.Line));
        Assert.Equal("ok", file.GetString("c"));
    }

    [Fact]
    public void Only_4_17_knows_the_operator_that_appends()
    {
        Assert.Equal("ab", Parse("x = 'a'\nx += 'b'\n").GetString("x"));
        Assert.True(Parse("x = 'a'\nx += 'b'\n", XenRelease.V4_0).IsRefused);
    }

    [Fact]
    public void A_list_where_a_value_belongs_and_text_where_a_number_belongs_are_warned_about()
    {
        XlConfigFile file = Parse("name = [ 'a' ]\nmemory = 'much'\n");
        Assert.Null(file.GetString("name"));
        Assert.Null(file.GetLong("memory"));
        Assert.Equal(
            ["x.cfg:1: warning: parameter `name' is a list but should be a single value", "x.cfg:2: warning: parameter `memory' is not a valid number"],
            file.Messages.Select(m => m.Text));
    }

    [Theory]
    [InlineData("memory=64\n", "Domain name must be specified.")]
    [InlineData("name='a'\ntype='vm'\n", "Invalid domain type vm.")]
    [InlineData("name='a'\ntype='pv'\nbuilder='hvm'\n", "Contradicting \"builder\" and \"type\" options specified.")]
    [InlineData("name='a'\nvcpus=4\nmaxvcpus=2\n", "xl: maxvcpus < vcpus")]
    [InlineData("name='a'\non_crash='dance'\n", "Unknown on_crash action \"dance\" specified")]
    [InlineData("name='a'\nuuid='1234'\n", "Failed to parse UUID: 1234")]
    public void A_configuration_that_makes_no_sense_is_refused_in_xls_words(string text, string message)
    {
        XlDomain result = Read(text);
        Assert.Null(result.Domain);
        Assert.Contains(result.Messages, m => m.Text == message);
    }

    [Fact]
    public void Root_and_extra_make_a_command_line_in_each_releases_way()
    {
        const string text = "name='a'\nroot='/dev/xvda1'\nextra='quiet'\n";
        Assert.Equal("root=/dev/xvda1 quiet", Read(text).Domain!.CommandLine);
        Assert.Equal("root=/dev/xvda1 quiet", Read(text, XenRelease.V4_0).Domain!.CommandLine);
        Assert.Equal("root=/dev/xvda1 ", Read("root='/dev/xvda1'\n", XenRelease.V4_0).Domain!.CommandLine);
        Assert.Equal("root=/dev/xvda1", Read("name='a'\nroot='/dev/xvda1'\n").Domain!.CommandLine);
    }

    [Fact]
    public void A_nameless_domain_is_called_test_in_4_0()
        => Assert.Equal("test", Read("memory=64\n", XenRelease.V4_0).Domain!.Name);

    [Fact]
    public void The_same_name_always_gives_the_same_uuid_and_other_names_others()
    {
        Assert.Equal(Read("name='a'\n").Domain!.Uuid, Read("name='a'\nmemory=5\n").Domain!.Uuid);
        Assert.NotEqual(Read("name='a'\n").Domain!.Uuid, Read("name='b'\n").Domain!.Uuid);
    }

    [Fact]
    public void What_xl_ignores_or_we_do_not_simulate_is_noted_with_its_line()
    {
        XlDomain result = Read("name='a'\nmemroy=64\ndisk=['file:x,xvda,w']\n");
        Assert.Equal(
            [
                (2, "x.cfg:2: note: `memroy' is unknown to xl of this release, which ignores it silently"),
                (3, "x.cfg:3: note: `disk' is accepted by xl but not simulated"),
            ],
            result.Notes.Select(n => (n.Line, n.Text)));
    }

    [Fact]
    public void Deep_nesting_is_an_error_and_no_stack_overflow()
        => Assert.True(Parse("a = " + new string('[', 100_000)).IsRefused);

    [Fact]
    public void Any_text_is_parsed_or_refused_without_an_exception()
        => Check.Sample(
            Gen.Int[0, Pieces.Length - 1].Array[0, 40],
            parts =>
            {
                XlDomain result = Read(string.Concat(parts.Select(p => Pieces[p])));
                Assert.True(result.Domain is not null || result.Messages.Count > 0);
            },
            iter: 2000);

    private static XlConfigFile Parse(string text, XenRelease release = XenRelease.V4_17) => XlConfigParser.Parse("x.cfg", text, release);

    private static XlDomain Read(string text, XenRelease release = XenRelease.V4_17)
        => XlDomainReader.Read("x.cfg", text, release, name => Encoding.UTF8.GetBytes(name));
}
