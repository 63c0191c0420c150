using System.Xml.Linq;
using XenSim.Architecture.Tests.Rules;

namespace XenSim.Architecture.Tests;

public sealed class ImportRuleTests
{
    public static TheoryData<string> CoreAssemblies => [.. ImportRule.All.Select(rule => rule.Assembly)];

    [Theory]
    [MemberData(nameof(CoreAssemblies))]
    public void A_core_assembly_refers_to_nothing_but_what_its_rule_allows(string name)
    {
        using var assembly = Repository.Assembly(name);
        Assert.Equal(name, assembly.Name.Name);
        Assert.Empty(RuleOf(name).Violations(assembly));
    }

    [Theory]
    [MemberData(nameof(CoreAssemblies))]
    public void A_core_project_declares_no_reference_that_its_rule_forbids(string name)
    {
        XDocument project = XDocument.Load(Repository.ProjectFile(name));
        Assert.Empty(RuleOf(name).Violations(project));
    }

    /// <summary>The negative control is this very assembly, which knows everything (Samples/KnowsEverything.cs).</summary>
    [Theory]
    [InlineData("XenSim.Guest", "XenSim.Hypervisor.Public")]
    [InlineData("XenSim.Guest", "xensim")]
    [InlineData("XenSim.Hypervisor.Public", "XenSim.Guest")]
    [InlineData("XenSim.Hypervisor.Public", "XenSim.Hypervisor")]
    [InlineData("XenSim.Hypervisor", "XenSim.Toolstack")]
    [InlineData("XenSim.Hypervisor", "Iced")]
    [InlineData("XenSim.Toolstack", "XenSim.Hypervisor")]
    [InlineData("XenSim.Toolstack", "XenSim.Guest")]
    public void An_assembly_that_refers_to_a_forbidden_one_is_rejected(string rule, string forbidden)
    {
        using var own = Repository.Assembly("XenSim.Architecture.Tests");
        Assert.NotEmpty(Samples.KnowsEverything.Types);
        Assert.Contains(forbidden, RuleOf(rule).Violations(own));
    }

    [Fact]
    public void An_assembly_that_refers_to_what_its_rule_allows_passes()
    {
        using var own = Repository.Assembly("XenSim.Architecture.Tests");
        ImportRule tolerant = new("sample", own.MainModule.AssemblyReferences.Select(reference => reference.Name).ToHashSet());
        Assert.Empty(tolerant.Violations(own));
    }

    [Theory]
    [InlineData("<Project><ItemGroup><ProjectReference Include='../Hypervisor/XenSim.Hypervisor.csproj' /></ItemGroup></Project>", "XenSim.Hypervisor")]
    [InlineData("<Project><ItemGroup><PackageReference Include='Serilog' /></ItemGroup></Project>", "Serilog")]
    public void A_project_that_declares_a_forbidden_reference_is_rejected(string project, string forbidden)
        => Assert.Equal([forbidden], RuleOf("XenSim.Toolstack").Violations(XDocument.Parse(project)));

    private static ImportRule RuleOf(string assembly) => ImportRule.All.Single(rule => rule.Assembly == assembly);
}
