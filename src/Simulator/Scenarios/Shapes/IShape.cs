using System.Text.Json.Nodes;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios.Shapes;

/// <summary>
/// What a YAML value must look like: reads it, and describes itself as JSON schema. Both the reader and the published
/// schema come from the same shapes, so they cannot disagree.
/// </summary>
internal interface IShape<T>
{
    /// <summary>Reads a value; on false the problem has been reported to <paramref name="reading"/>.</summary>
    bool TryRead(YamlNode node, Reading reading, out T value);

    /// <summary>The JSON schema of the value, a fresh object.</summary>
    JsonObject Schema();

    /// <summary>One number or word, for which a variable can stand.</summary>
    bool IsWord => false;
}

/// <summary>Schemas of values, where <c>${name}</c> may stand for what they hold.</summary>
internal static class Variables
{
    private const string Pattern = "\\$\\{[^{}]+\\}";

    public static JsonObject ValueSchema<T>(this IShape<T> shape) => !shape.IsWord ? shape.Schema() : new JsonObject
    {
        ["anyOf"] = new JsonArray(shape.Schema(), new JsonObject { ["type"] = "string", ["pattern"] = Pattern }),
    };
}

/// <summary>The file that is being read and what was wrong with it so far.</summary>
internal sealed class Reading(string file, Func<string, byte[]> readBeside)
{
    /// <summary>Beyond this many problems the rest is noise.</summary>
    private const int MostProblems = 20;
    private readonly List<Diagnostic> _problems = [];

    public string File { get; } = file;

    public IReadOnlyList<Diagnostic> Problems => _problems;

    /// <summary>Bytes of a file named at <paramref name="mark"/>, relative to the file that names it.</summary>
    public byte[] ReadBeside(string path, Mark mark) => readBeside(Path.Combine(Path.GetDirectoryName(mark.File) ?? "", path));

    /// <summary>The first real guest that the file names and that has not been fetched.</summary>
    public string? MissingGuest { get; set; }

    public void Report(Mark mark, string message, string? hint = null)
    {
        if (_problems.Count < MostProblems)
            _problems.Add(new Diagnostic(FileOf(mark), mark, message, hint));
    }

    /// <summary>The file that a mark is in, as a user would open it.</summary>
    public string FileOf(Mark mark) => mark.File is null ? File : Path.Combine(Path.GetDirectoryName(File) ?? "", mark.File);

    /// <summary>Reports that a value is of the wrong kind.</summary>
    /// <returns>False, for use in a <c>return</c>.</returns>
    public bool Expected(YamlNode node, string expected, string? hint = null)
    {
        Report(node.Mark, $"expected {expected}, found {node.Kind}", hint);
        return false;
    }
}
