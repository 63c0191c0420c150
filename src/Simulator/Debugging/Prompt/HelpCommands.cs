namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>The prompt itself.</summary>
internal static class HelpCommands
{
    public static readonly PromptCommand[] All =
    [
        new(["help", "h", "?"], "[COMMAND]", "Lists the commands, or explains one with examples.", "", ["help", "help break"], Help),
        new(["quit", "q", "exit"], "", "Leaves the debugger.", "", ["quit"], (s, _) => s.IsDone = true),
    ];

    private static void Help(PromptState s, PromptArguments a)
    {
        if (a.Word(0) is { } word)
        {
            PromptCommand c = PromptCatalogue.Find(word);
            s.Line($"{string.Join(", ", c.Names)} {c.Usage}".TrimEnd());
            s.Line($"  {c.Summary}");
            foreach (string line in c.Details.Split('\n').Where(l => l.Length > 0))
                s.Line($"  {line}");
            s.Line("Examples:");
            foreach (string example in c.Examples)
                s.Line($"  {example}");
            return;
        }

        foreach ((string family, PromptCommand[] commands) in PromptCatalogue.Families)
        {
            s.Line($"{family}:");
            foreach (PromptCommand c in commands)
                s.Line($"  {string.Join(", ", c.Names),-28} {c.Summary}");
        }

        s.Line("A name may be cut short where it stays unique. help COMMAND has the arguments and examples.");
    }
}
