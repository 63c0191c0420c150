using System.Text;
using System.Text.Json;
using XenSim.Simulator.Input;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Reports;

/// <summary>Results as JSON Lines, one <see cref="ScenarioReport"/> a line.</summary>
internal static class ResultLines
{
    /// <summary>Unit: bytes.</summary>
    private const long LargestFile = 1L << 30;
    private const int MostScenarios = 1_000_000;

    public static void Write(Stream output, IEnumerable<ScenarioReport> reports)
    {
        foreach (ScenarioReport report in reports)
        {
            JsonSerializer.Serialize(output, report, ReportJson.Default.ScenarioReport);
            output.WriteByte((byte)'\n');
        }
    }

    /// <exception cref="InputException">It cannot be read, or a line is no result.</exception>
    public static IReadOnlyList<ScenarioReport> Read(string file)
    {
        List<ScenarioReport> reports = [];
        string[] lines = Encoding.UTF8.GetString(InputFile.Read(file, LargestFile)).Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length > 0)
                reports.Add(Parse(lines[i], file, i + 1));
        }

        return reports.Count > 0 ? reports : throw new InputException(file, "holds no result", "xensim test --json writes them");
    }

    private static ScenarioReport Parse(string line, string file, int number)
    {
        try
        {
            return JsonSerializer.Deserialize(line, ReportJson.Default.ScenarioReport) is { } report && IsSound(report) ? report : throw Refuse(file, number, 1);
        }
        catch (JsonException e)
        {
            throw Refuse(file, number, (int)(e.BytePositionInLine ?? 0) + 1);
        }
        catch (Exception e) when (e is FormatException or InvalidDataException or EndOfStreamException)
        {
            throw Refuse(file, number, 1);
        }
    }

    /// <summary>What is drawn of it later is there and can be drawn. What a line leaves out is null here, whatever its default.</summary>
    private static bool IsSound(ScenarioReport report)
        => report is { Description: not null, Tags: not null, Xen: not null, Path: not null, Detail: not null, Mismatches: not null }
            && report.Run is null or { Console: not null, Stages: not null, Memory: not null, Hypercalls: not null }
            && Verdicts.IsKnown(report.Verdict) && report.Index >= 0 && report.Index < report.Of && report.Of <= MostScenarios
            && (report.Run is null || (BootPaths.IsKnown(report.Path) && (report.Xen is "4.0" or "4.17")))
            && (report.Run?.Page is not { } page || (page.Bits is 32 or 64 && page.Unpack().Length > 0));

    private static InputException Refuse(string file, int line, int column) => new([new Diagnostic(file, new Mark(line, column), "is no result of a scenario", "xensim test --json writes them")]);
}
