namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>Every command, by families.</summary>
internal static class PromptCatalogue
{
    private static readonly (string Family, PromptCommand[] Commands)[] s_families =
    [
        ("running", RunCommands.All),
        ("breakpoints", BreakCommands.All),
        ("where it is", PlaceCommands.All),
        ("registers and memory", DataCommands.All),
        ("code", CodeCommands.All),
        ("paging", PagingCommands.All),
        ("Xen and its tools", XenCommands.All),
        ("history", HistoryCommands.All),
        ("prompt", HelpCommands.All),
    ];

    public static IEnumerable<(string Family, PromptCommand[] Commands)> Families => s_families;

    public static IEnumerable<PromptCommand> All => s_families.SelectMany(f => f.Commands);

    /// <summary>By name, alias, or a beginning that is unique.</summary>
    /// <exception cref="PromptException">There is none, or several.</exception>
    public static PromptCommand Find(string word)
    {
        if (All.FirstOrDefault(c => c.Names.Contains(word)) is { } exact)
            return exact;
        PromptCommand[] begun = [.. All.Where(c => c.Names.Any(n => n.StartsWith(word, StringComparison.Ordinal)))];
        return begun.Length switch
        {
            1 => begun[0],
            0 => throw PromptException.Unknown($"no command \"{word}\"", word, [.. All.SelectMany(c => c.Names)]),
            _ => throw new PromptException($"\"{word}\" may be {string.Join(", ", begun.Select(c => c.Name))}"),
        };
    }
}
