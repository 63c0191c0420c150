using System.CommandLine;
using System.CommandLine.Parsing;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Session;
using XenSim.Toolstack.Libxl;

namespace XenSim.Simulator.Commands;

/// <summary>An option whose default is said in its description, in the user's words.</summary>
internal sealed class DefaultedOption<T>(string name, T initial) : Option<T>(name)
{
    public T ValueIn(ParseResult parsed) => WasGiven(parsed) ? parsed.GetValue(this)! : initial;

    public bool WasGiven(ParseResult parsed) => parsed.GetResult(this) is { Implicit: false };
}

/// <summary>Options that several commands share, with values checked while parsing.</summary>
internal static class Options
{
    public static DefaultedOption<XenRelease> Release() => Choice("--xen", "The Xen release.", XenRelease.V4_17, ("4.0", XenRelease.V4_0), ("4.17", XenRelease.V4_17));

    /// <summary>One of a few words, with the nearest one in the error.</summary>
    public static DefaultedOption<T> Choice<T>(string name, string description, T initial, params (string Word, T Meaning)[] choices)
    {
        string[] words = Array.ConvertAll(choices, c => c.Word);
        int initialIndex = Array.FindIndex(choices, c => Equals(c.Meaning, initial));
        return new DefaultedOption<T>(name, initial)
        {
            Description = $"{description} One of: {string.Join(", ", words)}{(initialIndex >= 0 ? $" (default {words[initialIndex]})" : "")}.",
            HelpName = string.Join("|", words),
            CustomParser = result =>
            {
                int chosen = Array.IndexOf(words, result.Tokens[0].Value);
                if (chosen < 0)
                    result.AddError($"{name} cannot be \"{result.Tokens[0].Value}\": {NearestName.Hint(result.Tokens[0].Value, words)}");
                return chosen < 0 ? initial : choices[chosen].Meaning;
            },
        };
    }

    /// <summary>A number, decimal or 0x…, within bounds.</summary>
    public static DefaultedOption<ulong> Number(string name, string description, string unit, ulong initial, ulong least, ulong most) => new(name, initial)
    {
        Description = description,
        HelpName = unit,
        CustomParser = result => Parsed(result, name, least, most),
    };

    public static Option<int> Verbosity() => new("-v", "-vv", "-vvv", "-vvvv")
    {
        Description = "Show more of the log lines, as xl -v does: -v, -vv or -vvv.",
        Arity = ArgumentArity.Zero,
        CustomParser = _ => 0,
    };

    /// <summary>How many v were given, in whatever form: -v -v, -vv.</summary>
    public static int CountVerbosity(ParseResult parsed)
        => parsed.Tokens.Where(t => t.Type == TokenType.Option && t.Value.StartsWith("-v", StringComparison.Ordinal)).Sum(t => t.Value.Count(c => c == 'v'));

    public static DefaultedOption<Until> Until() => new("--until", Session.Until.Shutdown)
    {
        Description = $"Stop when this is reached: {Session.Until.Forms}.",
        HelpName = "CONDITION",
        CustomParser = result =>
        {
            if (!Session.Until.TryParse(result.Tokens[0].Value, out Until until))
                result.AddError($"--until takes {Session.Until.Forms}, not \"{result.Tokens[0].Value}\".");
            return until;
        },
    };

    public static Option<string[]> Repeated(string name, string description, string what) => new(name)
    {
        Description = description,
        HelpName = what,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    public static Option<GuestTrial[]> Tries() => new("--try")
    {
        Description = $"What a built-in guest tries besides its usual programme. One of: {string.Join(", ", Array.ConvertAll(Enum.GetValues<GuestTrial>(), GuestWords.NameOf))}. May be repeated.",
        HelpName = "TRIAL",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        CustomParser = result => [.. result.Tokens.Select(t => Trial(result, t.Value))],
    };

    /// <summary>What xl does at a domain's end.</summary>
    public static Option<EndAction?> Action(string name, string description)
    {
        (string Word, EndAction? Meaning)[] choices = new (string, EndAction?)[EndActions.All.Count];
        for (int i = 0; i < choices.Length; i++)
            choices[i] = (EndActions.NameOf(EndActions.All[i]), EndActions.All[i]);
        return Choice(name, description, null, choices);
    }

    private static GuestTrial Trial(ArgumentResult result, string given)
    {
        Dictionary<string, GuestTrial> trials = Enum.GetValues<GuestTrial>().ToDictionary(GuestWords.NameOf);
        if (trials.TryGetValue(given, out GuestTrial trial))
            return trial;
        result.AddError($"--try cannot be \"{given}\": {NearestName.Hint(given, [.. trials.Keys])}");
        return default;
    }

    private static ulong Parsed(ArgumentResult result, string option, ulong least, ulong most)
    {
        string given = result.Tokens[0].Value;
        if (!NumberShape.TryParse(given, out ulong value) || value < least || value > most)
            result.AddError($"{option} takes a number from {least} to {most}, not \"{given}\".");
        return value;
    }
}
