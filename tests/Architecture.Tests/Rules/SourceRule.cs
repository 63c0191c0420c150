namespace XenSim.Architecture.Tests.Rules;

/// <summary>A source file stays under 600 lines, so that it can be read.</summary>
public static class SourceRule
{
    public const int MaxLines = 600;

    /// <summary>Files that are too long, as <c>path: n lines</c>.</summary>
    public static IReadOnlyList<string> Violations(IEnumerable<(string Path, int Lines)> files)
        => [.. files.Where(file => file.Lines >= MaxLines).Select(file => $"{file.Path}: {file.Lines} lines")];

    /// <summary>Every C# file that people wrote below <paramref name="root"/>'s src and tests.</summary>
    public static IEnumerable<(string Path, int Lines)> Files(string root)
        => new[] { "src", "tests" }.SelectMany(part => Directory.EnumerateFiles(Path.Combine(root, part), "*.cs", SearchOption.AllDirectories))
            .Where(path => !path.Split(Path.DirectorySeparatorChar).Any(folder => folder is "obj" or "bin"))
            .Select(path => (Path.GetRelativePath(root, path), File.ReadLines(path).Count()));
}
