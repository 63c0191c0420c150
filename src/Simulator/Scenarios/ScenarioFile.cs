using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios;

/// <summary>Finds and reads scenario files.</summary>
public static class ScenarioFile
{
    /// <exception cref="InputException">Everything that is wrong with the file, with line and column.</exception>
    public static Scenario Load(string path)
        => Parse(path, InputFile.Read(path, YamlReader.LargestFile), file => InputFile.Read(Path.Combine(Path.GetDirectoryName(path) ?? "", file)));

    /// <param name="readBeside">Reads a file that the scenario names.</param>
    /// <exception cref="InputException">Everything that is wrong with it.</exception>
    public static Scenario Parse(string name, byte[] yaml, Func<string, byte[]> readBeside)
    {
        Reading reading = new(name, readBeside);
        YamlNode root = YamlReader.Read(name, yaml);
        return ScenarioLanguage.File.TryRead(root, reading, out Scenario scenario)
            ? scenario with { File = name, MissingGuest = reading.MissingGuest }
            : throw new InputException(reading.Problems);
    }

    /// <summary>Scenario files under files and folders, in a fixed order. Folders are searched to any depth for <c>*.yaml</c> and <c>*.yml</c>.</summary>
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
            .Order(StringComparer.Ordinal);
}
