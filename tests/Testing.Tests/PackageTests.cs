using System.Reflection;
using PublicApiGenerator;

namespace XenSim.Testing.Tests;

/// <summary>What users of the package see.</summary>
public sealed class PackageTests
{
    /// <summary>A change of the public API is a decision: copy PublicApi.received.txt, beside the test assembly, over the approved file.</summary>
    [Fact]
    public void The_public_api_is_the_approved_one()
    {
        string approved = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "PublicApi.approved.txt"));
        string now = typeof(Machine).Assembly.GeneratePublicApi(new ApiGeneratorOptions { IncludeAssemblyAttributes = false });
        File.WriteAllText(Path.Combine(AppContext.BaseDirectory, "PublicApi.received.txt"), now + Environment.NewLine);
        Assert.Equal(approved.Trim(), now.Trim(), ignoreLineEndingDifferences: true);
    }

    /// <summary>The package lists what our assemblies need by hand, because they travel inside it.</summary>
    [Fact]
    public void The_package_depends_on_everything_that_our_assemblies_refer_to()
    {
        string folder = Path.GetDirectoryName(typeof(Machine).Assembly.Location)!;
        string[] ours = [.. Directory.GetFiles(folder, "XenSim.*.dll").Where(f => !f.EndsWith(".Tests.dll", StringComparison.Ordinal)), Path.Combine(folder, "xensim.dll")];
        string[] needed = [.. ours.SelectMany(f => Assembly.LoadFrom(f).GetReferencedAssemblies()).Select(a => a.Name!)
            .Where(n => !n.StartsWith("System.", StringComparison.Ordinal) || n == "System.CommandLine")
            .Where(n => !n.StartsWith("XenSim.", StringComparison.Ordinal) && !n.StartsWith("xunit.", StringComparison.Ordinal) && n is not ("xensim" or "System" or "netstandard"))
            .Distinct().Order(StringComparer.Ordinal)];
        string[] listed = [.. File.ReadAllLines(FindProject())
            .Select(l => l.Split('"')).Where(p => p[0].Trim() == "<PackageReference Include=").Select(p => p[1])
            .Where(n => !n.StartsWith("xunit.", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        Assert.NotEmpty(needed);
        Assert.Equal(listed, needed.Select(n => n == "Spectre.Console.Ansi" ? "Spectre.Console" : n).Distinct());
    }

    private static string FindProject()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            string candidate = Path.Combine(folder, "src", "Testing", "XenSim.Testing.csproj");
            if (File.Exists(candidate))
                return candidate;
        }

        throw new FileNotFoundException("src/Testing/XenSim.Testing.csproj is not above the tests");
    }
}
