using XenSim.Simulator.Scenarios;

namespace XenSim.Simulator.Reports;

/// <summary>The words for what came of a scenario, and which of several counts: success &lt; skip &lt; error &lt; failure; no verdict is an error.</summary>
internal static class Verdicts
{
    public const string Passed = "passed", Skipped = "skipped", Failed = "failed", NotRun = "not-run";

    private static readonly (string Word, ExitCode Code)[] s_others =
    [
        ("interrupted", ExitCode.Interrupted),
        (Failed, ExitCode.Failure),
        ("error", ExitCode.InternalError),
        ("unimplemented", ExitCode.Unimplemented),
        ("limit-reached", ExitCode.LimitReached),
    ];

    public static string Of(ScenarioResult? result) => result switch
    {
        null => NotRun,
        { Skipped: true } => Skipped,
        { Verdict: ExitCode.Success } => Passed,
        _ => s_others.FirstOrDefault(o => o.Code == result.Verdict).Word ?? "error",
    };

    public static bool IsKnown(string word) => word is Passed or Skipped or NotRun || s_others.Any(o => o.Word == word);

    /// <summary>5 of 7 scenarios passed, 1 failed, 1 skipped</summary>
    public static string Summary(IReadOnlyList<string> words)
    {
        string others = string.Concat(words.Where(w => w != Passed).GroupBy(w => w).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => $", {g.Count()} {g.Key}"));
        return $"{words.Count(w => w == Passed)} of {words.Count} scenario{(words.Count == 1 ? "" : "s")} passed{others}";
    }

    /// <summary>Neither passed, nor skipped, nor failed.</summary>
    public static bool IsError(string word) => word is not (Passed or Skipped or Failed);

    /// <summary>The exit code of a run: that of its worst verdict. A scenario without one alone makes it an error.</summary>
    public static ExitCode Worst(IReadOnlyCollection<string> words)
        => s_others.Where(o => words.Contains(o.Word)).Select(o => o.Code).FirstOrDefault(words.Contains(NotRun) ? ExitCode.InternalError : ExitCode.Success);
}
