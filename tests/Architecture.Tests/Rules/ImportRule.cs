using Mono.Cecil;

namespace XenSim.Architecture.Tests.Rules;

/// <summary>What a project may refer to, besides the framework. The list is docs' and architecture's: adding to it is a decision.</summary>
public sealed record ImportRule(string Assembly, IReadOnlySet<string> Allowed)
{
    /// <summary>The fixed rules: each core project and everything it may know.</summary>
    public static readonly IReadOnlyList<ImportRule> All =
    [
        new("XenSim.Guest", new HashSet<string> { "Iced", "Stateless" }),
        new("XenSim.Hypervisor.Public", new HashSet<string> { "Stateless" }),
        new("XenSim.Hypervisor", new HashSet<string> { "XenSim.Guest", "XenSim.Hypervisor.Public", "Stateless" }),
        new("XenSim.Toolstack", new HashSet<string>
        {
            "XenSim.Hypervisor.Public", "Stateless", "SharpCompress", "K4os.Compression.LZ4",
        }),
    ];

    /// <summary>Names of the assemblies that <paramref name="assembly"/> refers to and may not.</summary>
    public IReadOnlyList<string> Violations(AssemblyDefinition assembly)
        => [.. assembly.MainModule.AssemblyReferences
            .Select(reference => reference.Name)
            .Where(name => !IsFramework(name) && !Allowed.Contains(name))];

    /// <summary>The same for the references a project file declares, used or not.</summary>
    public IReadOnlyList<string> Violations(System.Xml.Linq.XDocument project)
        => [.. project.Descendants("ProjectReference").Select(e => Path.GetFileNameWithoutExtension(Included(e)))
            .Concat(project.Descendants("PackageReference").Select(Included))
            .Where(name => !Allowed.Contains(name))];

    private static string Included(System.Xml.Linq.XElement element) => (string?)element.Attribute("Include") ?? "";

    private static bool IsFramework(string name)
        => name is "mscorlib" or "netstandard" || name.StartsWith("System.", StringComparison.Ordinal);
}
