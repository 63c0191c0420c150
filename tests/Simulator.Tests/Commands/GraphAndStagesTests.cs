using System.Text.RegularExpressions;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Tests.Commands;

public sealed partial class GraphAndStagesTests
{
    /// <summary>The chain as RELEASE-4.0.4 calls it, from create_domain to the domctl that asks for the page.</summary>
    private static readonly string[] s_chain40 =
    [
        "create_domain", "libxl_domain_make", "libxl_domain_build", "build_pre", "build_pv", "xc_dom_linux_build", "xc_linux_build_internal",
        "xc_dom_boot_xen_init", "xc_dom_parse_image", "xc_dom_mem_init", "xc_dom_boot_mem_init", "xc_dom_build_image", "xc_dom_boot_image",
        "setup_hypercall_page", "do_domctl",
    ];

    [Fact]
    public void The_domU_path_lists_the_real_chain_in_order()
    {
        string[] stages = [.. ProgramRun.With("stages", "domu", "--xen", "4.0").Output.Split('\n').Select(l => l.Trim().Split(' ')[0])];
        int at = -1;
        foreach (string stage in s_chain40)
        {
            int next = Array.IndexOf(stages, stage, at + 1);
            Assert.True(next > at, $"{stage} comes after line {at}");
            at = next;
        }
    }

    [Fact]
    public void The_domU_path_leaves_out_what_only_an_HVM_guest_takes()
        => Assert.DoesNotContain("build_hvm", ProgramRun.With("stages", "domu", "--xen", "4.0").Output, StringComparison.Ordinal);

    [Fact]
    public void The_stub_domain_path_goes_through_libxl_create_stubdom()
        => Assert.Contains("libxl_create_stubdom", ProgramRun.With("stages", "stubdom", "--xen", "4.0").Output, StringComparison.Ordinal);

    [Theory]
    [InlineData("domu", "4.0")]
    [InlineData("domu", "4.17")]
    [InlineData("hvm", "4.17")]
    [InlineData("vcpu", "4.17")]
    [InlineData("domain", "4.17")]
    public void Every_arrow_of_a_drawing_joins_states_that_it_declares(string machine, string release)
    {
        string dot = ProgramRun.With("graph", machine, "--xen", release, "--format", "dot").Output;
        HashSet<string> declared = [.. DotState().Matches(dot).Select(m => m.Groups[1].Value)];
        MatchCollection arrows = DotArrow().Matches(dot);
        Assert.NotEmpty(arrows);
        Assert.All(arrows, a => Assert.Contains(a.Groups[2].Value, declared));
        string mermaid = ProgramRun.With("graph", machine, "--xen", release).Output;
        HashSet<string> mermaidStates = [.. MermaidState().Matches(mermaid).Select(m => m.Groups[1].Value)];
        Assert.Equal(declared.Order(), mermaidStates.Order());
        Assert.Equal(arrows.Count, MermaidArrow().Count(mermaid));
    }

    [Fact]
    public void The_drawing_of_a_path_holds_every_stage_of_its_list()
    {
        string mermaid = ProgramRun.With("graph", "domu", "--xen", "4.17").Output;
        foreach (StageInfo stage in BootPaths.Stages(BootPath.DomU, XenRelease.V4_17))
            Assert.Contains(stage.Name.Replace(":", "#58;", StringComparison.Ordinal), mermaid, StringComparison.Ordinal);
    }

    [Fact]
    public void The_vCPU_drawing_has_the_states_of_the_declaration()
    {
        string mermaid = ProgramRun.With("graph", "vcpu").Output;
        Assert.All(Enum.GetNames<VcpuState>(), s => Assert.Contains($"\"{s}\"", mermaid, StringComparison.Ordinal));
    }

    [GeneratedRegex(@"^\s*(s\d+) \[label=", RegexOptions.Multiline)]
    private static partial Regex DotState();

    [GeneratedRegex(@"^\s*(\w+) -> (s\d+)", RegexOptions.Multiline)]
    private static partial Regex DotArrow();

    [GeneratedRegex(@"^\s*state "".*"" as (s\d+)", RegexOptions.Multiline)]
    private static partial Regex MermaidState();

    [GeneratedRegex(@"^\s*(\S+) --> s\d+", RegexOptions.Multiline)]
    private static partial Regex MermaidArrow();
}
