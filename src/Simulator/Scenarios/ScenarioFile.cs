using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios;

/// <summary>Finds and reads scenario files.</summary>
public static class ScenarioFile
{
    private const int DeepestDefaults = 8;

    /// <summary>The scenarios of a file: one, or each combination of its matrix.</summary>
    /// <param name="settings">Values that replace the file's, as <c>guest.memory=64</c>.</param>
    /// <exception cref="InputException">Everything that is wrong with the file, with line and column.</exception>
    public static IReadOnlyList<Scenario> Load(string path, params IReadOnlyList<string> settings)
        => Parse(path, InputFile.Read(path, YamlReader.LargestFile), file => InputFile.Read(Path.Combine(Path.GetDirectoryName(path) ?? "", file)), DefaultsFor(path), settings);

    /// <param name="readBeside">Reads a file that the scenario names.</param>
    /// <exception cref="InputException">Everything that is wrong with it.</exception>
    public static IReadOnlyList<Scenario> Parse(string name, byte[] yaml, Func<string, byte[]> readBeside, params IReadOnlyList<string> settings) => Parse(name, yaml, readBeside, [], settings);

    private static IReadOnlyList<Scenario> Parse(string name, byte[] yaml, Func<string, byte[]> readBeside, IReadOnlyList<string> defaults, IReadOnlyList<string> settings)
    {
        Change[] set = [.. settings.Select(ReadSetting)];
        YamlNode root = Composition.Compose(name, YamlReader.Read(name, yaml), readBeside, defaults, set);
        Scenario body = Read(name, root, readBeside);
        return body.Matrix.Count == 0
            ? [body]
            : [.. body.Matrix.Select(c => Read(name, MatrixShape.Apply(root, [.. c.Changes, .. set]), readBeside) with { Name = $"{body.Name} ({c.Label})", Variation = c.Label })];
    }

    private static Scenario Read(string name, YamlNode root, Func<string, byte[]> readBeside)
    {
        Reading reading = new(name, readBeside);
        YamlNode document = Composition.Substitute(name, root);
        return ScenarioLanguage.File.TryRead(document, reading, out Scenario scenario)
            ? scenario with { File = name, MissingGuest = reading.MissingGuest, Document = (YamlMapping)document }
            : throw new InputException(reading.Problems);
    }

    /// <summary>Those of the file's folder and of the folders above it, as far up as each has one; named relative to the file, the outermost first.</summary>
    private static List<string> DefaultsFor(string path)
    {
        List<string> found = [];
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        for (string? up = ""; up is not null && found.Count < DeepestDefaults && File.Exists(Path.Combine(folder, up, Composition.Defaults)); up = Path.Combine(up, ".."))
            found.Insert(0, Path.Combine(up, Composition.Defaults));
        return found;
    }

    private static Change ReadSetting(string setting)
    {
        int equals = setting.IndexOf('=', StringComparison.Ordinal);
        return equals > 0
            ? new Change(setting[..equals], YamlReader.Read("--set", System.Text.Encoding.UTF8.GetBytes(setting[(equals + 1)..])))
            : throw new InputException("--set", $"takes PATH=VALUE, as in guest.memory=64, not \"{setting}\"");
    }

    /// <summary>Scenario files under files and folders, in a fixed order. Folders are searched to any depth for <c>*.yaml</c> and <c>*.yml</c>;
    /// <c>defaults.yaml</c> and what begins with an underscore is there for others to take in.</summary>
    /// <exception cref="InputException">A path does not exist, or there is not one scenario.</exception>
    public static IReadOnlyList<string> Find(IReadOnlyList<string> paths)
    {
        List<string> files = [];
        foreach (string path in paths)
        {
            if (Directory.Exists(path))
                files.AddRange(InFolder(path));
            else if (File.Exists(path))
                files.Add(path);
            else
                throw new InputException(path, "no such file or folder", "give scenario files or folders that contain some");
        }

        return files.Count > 0 ? files : throw new InputException(string.Join(" ", paths), "no scenario there", "a scenario file ends in .yaml");
    }

    private static IEnumerable<string> InFolder(string folder)
        => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(f => f.EndsWith(".yaml", StringComparison.Ordinal) || f.EndsWith(".yml", StringComparison.Ordinal))
            .Where(f => Path.GetFileName(f) is { } name && name != Composition.Defaults && !name.StartsWith('_'))
            .Order(StringComparer.Ordinal);
}
