using XenSim.Simulator.Input;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>A command of the prompt.</summary>
/// <param name="Names">The first is shown in the list.</param>
/// <param name="Usage">Its arguments, as in <c>[N]</c>.</param>
/// <param name="Summary">What it does, in one line.</param>
/// <param name="Details">What one line does not say; empty: nothing.</param>
internal sealed record PromptCommand(string[] Names, string Usage, string Summary, string Details, string[] Examples, Action<PromptState, PromptArguments> Run)
{
    public string Name => Names[0];

    /// <summary>Whether something may stand after a slash, as in <c>x/8xg</c>.</summary>
    public bool TakesFormat => Usage.StartsWith("[/", StringComparison.Ordinal);

    /// <summary>How many words it takes at most: those of the longest choice in its usage. What is an expression, a text or a list may have any number.</summary>
    public int MostWords { get; } = s_free.Any(w => Usage.Contains(w, StringComparison.Ordinal)) ? int.MaxValue
        : Usage.Split(" | ").Max(choice => choice.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length);

    private static readonly string[] s_free = ["EXPRESSION", "ADDRESS", "TEXT", "WHERE", "VALUE", "PFN", "MFN", "…"];
}

/// <summary>A command was used wrongly, or cannot do what it is to do here. The message is one line.</summary>
internal sealed class PromptException(string message) : Exception(message)
{
    /// <summary>A name that nothing has, with what may have been meant.</summary>
    public static PromptException Unknown(string message, string given, IReadOnlyCollection<string> known)
        => new(NearestName.Hint(given, known) is { } hint ? $"{message}: {hint}" : message);
}

/// <summary>What follows a command's name.</summary>
/// <param name="Format">What stood after a slash, as in <c>x/8xg</c>; empty: nothing.</param>
internal sealed record PromptArguments(string Command, string Format, string Text)
{
    public IReadOnlyList<string> Words { get; } = Text.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    public string? Word(int index) => index < Words.Count ? Words[index] : null;

    public string Require(int index, string what) => Word(index) ?? throw new PromptException($"{Command}: {what} is missing; help {Command} has examples");

    /// <summary>A number from 1, 1 if there is none.</summary>
    public int Count(int index = 0, string what = "a count")
    {
        if (Word(index) is not { } word)
            return 1;
        return int.TryParse(word, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int n) && n > 0 ? n : throw new PromptException($"{Command}: \"{word}\" is not {what}");
    }

    /// <summary>The words from one on, as they were written.</summary>
    public string Rest(int index) => string.Join(' ', Words.Skip(index));
}

/// <summary>What the commands share.</summary>
internal sealed class PromptState(DebugSession debug, TextWriter output, CancellationToken stop)
{
    public DebugSession Debug => debug;

    public TextWriter Out { get; set; } = output;

    public CancellationToken Stop => stop;

    /// <summary>Set by quit.</summary>
    public bool IsDone { get; set; }

    /// <summary>Where the last listing ended, for the next without an address.</summary>
    public (AddressSpace Space, ulong Address)? Next { get; set; }

    /// <summary>How memory was last shown: the next time as well, as in gdb.</summary>
    public (char Format, int Size) Units { get; set; } = ('x', 8);

    public PromptConsole Console => field ??= new PromptConsole(Line);

    public void Line(string text = "") => Out.WriteLine(text);

    /// <exception cref="PromptException">It is no expression, or has no value here.</exception>
    public ulong Evaluate(string text)
    {
        try
        {
            return Expression.Parse(text).Evaluate(debug.Inspect.Scope(debug.Report.Event));
        }
        catch (ExpressionException e)
        {
            throw new PromptException(e.Message);
        }
    }

    public Hypervisor.Domains.Vcpu RequireVcpu() => debug.Inspect.Selected ?? throw new PromptException("there is no vCPU yet");

    /// <summary><c>0x… &lt;name+0x10&gt;</c></summary>
    public string Address(ulong address) => CodeView.NameOf(debug, address) is { } name ? $"0x{address:x} <{name}>" : $"0x{address:x}";
}
