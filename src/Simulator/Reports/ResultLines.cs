using System.Text.Json;
using XenSim.Simulator.Scenarios;

namespace XenSim.Simulator.Reports;

/// <summary>Results as JSON Lines, one object a scenario: name, file, verdict, detail, instructions, events, mismatches.</summary>
internal static class ResultLines
{
    public static void Write(Stream output, IReadOnlyList<ScenarioResult?> results, IReadOnlyList<Scenario> scenarios)
    {
        for (int i = 0; i < scenarios.Count; i++)
        {
            using (Utf8JsonWriter json = new(output))
                Line(json, scenarios[i], results[i]);
            output.WriteByte((byte)'\n');
        }
    }

    public static string VerdictOf(ScenarioResult? result) => result switch
    {
        null => "not-run",
        { Skipped: true } => "skipped",
        { Verdict: ExitCode.Success } => "passed",
        { Verdict: ExitCode.Failure } => "failed",
        { Verdict: ExitCode.Unimplemented } => "unimplemented",
        { Verdict: ExitCode.LimitReached } => "limit-reached",
        { Verdict: ExitCode.Interrupted } => "interrupted",
        _ => "error",
    };

    private static void Line(Utf8JsonWriter json, Scenario scenario, ScenarioResult? result)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, scenario.Name);
        json.WriteString("file"u8, scenario.File);
        json.WriteString("verdict"u8, VerdictOf(result));
        json.WriteString("detail"u8, result?.Outcome.Detail ?? "");
        json.WriteNumber("instructions"u8, result?.Instructions ?? 0);
        json.WriteNumber("events"u8, result?.Events ?? 0);
        json.WriteStartArray("mismatches"u8);
        foreach (Mismatch mismatch in result?.Mismatches ?? [])
        {
            json.WriteStartObject();
            json.WriteString("keyword"u8, mismatch.Keyword);
            if (mismatch.Mark is { } mark)
            {
                json.WriteNumber("line"u8, mark.Line);
                json.WriteNumber("column"u8, mark.Column);
            }

            json.WriteString("text"u8, mismatch.Text);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
