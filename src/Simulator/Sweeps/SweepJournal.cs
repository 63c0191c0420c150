using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Sweeps;

/// <summary>First line of a journal: which sweep it is of.</summary>
internal sealed record SweepHeader(string Scenario, string Kinds, string Errnos, ulong Seed, ulong Seeds, int Cases);

/// <summary>
/// What a sweep has found so far, as JSON Lines: a header, then a line for each case. A sweep that was interrupted goes on from
/// there; half a last line, of a machine that lost power, is done again.
/// </summary>
internal sealed class SweepJournal : IDisposable
{
    /// <summary>Unit: bytes.</summary>
    private const long LargestFile = 1L << 30;

    private readonly FileStream? _file;
    private readonly Dictionary<string, SweepResult> _known = [];

    private SweepJournal(FileStream? file) => _file = file;

    public IReadOnlyDictionary<string, SweepResult> Known => _known;

    /// <param name="path">Null: nothing is kept.</param>
    /// <exception cref="InputException">It cannot be written, or is of another sweep.</exception>
    public static SweepJournal Open(string? path, SweepHeader header)
    {
        if (path is null)
            return new SweepJournal(null);
        long sound = 0;
        Dictionary<string, SweepResult> known = [];
        if (File.Exists(path))
            sound = Read(path, header, known);
        try
        {
            FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.Write);
            file.SetLength(sound);
            file.Seek(0, SeekOrigin.End);
            SweepJournal journal = new(file);
            if (sound == 0)
                journal.WriteLine(JsonSerializer.SerializeToUtf8Bytes(header, SweepJson.Default.SweepHeader));
            foreach ((string label, SweepResult result) in known)
                journal._known[label] = result;
            return journal;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException(path, $"cannot be written: {e.Message}");
        }
    }

    public void Add(SweepResult result)
    {
        _known[result.Label] = result;
        if (_file is not null)
            WriteLine(JsonSerializer.SerializeToUtf8Bytes(result, SweepJson.Default.SweepResult));
    }

    public void Dispose() => _file?.Dispose();

    /// <returns>How much of the file is whole lines. Unit: bytes.</returns>
    private static long Read(string path, SweepHeader header, Dictionary<string, SweepResult> known)
    {
        byte[] bytes = InputFile.Read(path, LargestFile);
        long sound = Array.LastIndexOf(bytes, (byte)'\n') + 1;
        string[] lines = Encoding.UTF8.GetString(bytes, 0, (int)sound).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < lines.Length; i++)
        {
            try
            {
                if (i == 0 && JsonSerializer.Deserialize(lines[0], SweepJson.Default.SweepHeader) != header)
                    throw new InputException([new Diagnostic(path, new Mark(1, 1), "the journal is of another sweep (scenario, kinds, errnos or seed)", "give another file, or the options of then")]);
                if (i > 0 && JsonSerializer.Deserialize(lines[i], SweepJson.Default.SweepResult) is { Label: not null, Stage: not null, Cause: not null } result)
                    known[result.Label] = result;
            }
            catch (JsonException e)
            {
                throw new InputException([new Diagnostic(path, new Mark(i + 1, (int)(e.BytePositionInLine ?? 0) + 1), "not a line of a sweep's journal", "xensim sweep --journal writes them")]);
            }
        }

        return sound;
    }

    private void WriteLine(byte[] line)
    {
        _file!.Write(line);
        _file.WriteByte((byte)'\n');
        _file.Flush();
    }
}

[JsonSourceGenerationOptions(UseStringEnumConverter = true)]
[JsonSerializable(typeof(SweepHeader))]
[JsonSerializable(typeof(SweepResult))]
internal sealed partial class SweepJson : JsonSerializerContext;
