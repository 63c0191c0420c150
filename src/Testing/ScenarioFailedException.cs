using System.Text;
using XenSim.Simulator;
using XenSim.Simulator.Scenarios;

namespace XenSim.Testing;

/// <summary>xunit tells a failed assertion from an error by an interface of this name, in any namespace.</summary>
internal interface IAssertionException;

/// <summary>A boot did not do what was expected of it; the message has each expectation, what came instead, and how the boot ended.</summary>
public sealed class ScenarioFailedException : Exception, IAssertionException
{
    /// <summary>How much of the guest's last words the message repeats. Unit: characters.</summary>
    private const int ConsoleTail = 600;

    internal ScenarioFailedException(ScenarioResult result, Boot boot)
        : base(Describe(result, boot)) => Boot = boot;

    /// <summary>What happened.</summary>
    public Boot Boot { get; }

    private static string Describe(ScenarioResult result, Boot boot)
    {
        StringBuilder text = new();
        text.Append(result.Scenario.Name).Append(": ").Append(Verdict(result.Verdict)).Append(": ").AppendLine(result.Outcome.Detail);
        foreach (Mismatch mismatch in result.Mismatches)
        {
            string place = mismatch.Mark is { } mark && result.Scenario.File.Length > 0 ? $"{result.Scenario.File}:{mark.Line}:{mark.Column}: " : "";
            text.Append("  ").Append(place).Append(mismatch.Keyword).Append(": ").AppendLine(mismatch.Text);
        }

        string console = boot.Console.TrimEnd();
        if (console.Length > 0)
            text.AppendLine("the guest's console ends:").AppendLine(console.Length <= ConsoleTail ? console : "…" + console[^ConsoleTail..]);
        return text.ToString().TrimEnd();
    }

    private static string Verdict(ExitCode verdict) => verdict switch
    {
        ExitCode.Failure => "an expectation does not hold",
        ExitCode.Unimplemented => "stopped at something that is not implemented",
        ExitCode.LimitReached => "a limit was reached",
        ExitCode.Interrupted => "interrupted",
        _ => "error",
    };
}
