using Mono.Cecil;

namespace XenSim.Architecture.Tests;

/// <summary>Where the sources and the assemblies under test are.</summary>
internal static class Repository
{
    /// <summary>The folder of XenSim.sln, found upwards from the test's own.</summary>
    public static string Root { get; } = FindRoot();

    public static AssemblyDefinition Assembly(string name)
        => AssemblyDefinition.ReadAssembly(Path.Combine(AppContext.BaseDirectory, name + ".dll"));

    public static string ProjectFile(string assembly) => Path.Combine(Root, "src", assembly switch
    {
        "XenSim.Hypervisor.Public" => Path.Combine("Hypervisor", "Public"),
        _ => assembly["XenSim.".Length..],
    }, assembly + ".csproj");

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "XenSim.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException("XenSim.sln is in no folder above the tests");
    }
}
