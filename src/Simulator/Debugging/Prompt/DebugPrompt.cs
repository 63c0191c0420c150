namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>The debugger's prompt: executes lines. Where they come from, a person, a file, a pipe or gdb's <c>monitor</c>, is the caller's business.</summary>
public sealed class DebugPrompt
{
    private readonly PromptState _state;
    private readonly bool _showsConsole;

    /// <param name="showsConsole">Shows what the guest prints while a command runs it; false: whoever the prompt is part of does.</param>
    public DebugPrompt(DebugSession debug, TextWriter output, CancellationToken stop, bool showsConsole = true)
        => (_state, _showsConsole) = (new PromptState(debug, output, stop), showsConsole);

    /// <summary>quit was given.</summary>
    public bool IsDone => _state.IsDone;

    /// <summary>Every word that a line may begin with.</summary>
    public static IEnumerable<string> CommandNames => PromptCatalogue.All.SelectMany(c => c.Names);

    /// <summary>Executes one line. An empty one and one that begins with # do nothing.</summary>
    /// <returns>False: it was wrong, and why has been said.</returns>
    public bool Execute(string line)
    {
        string text = line.Trim();
        if (text.Length == 0 || text[0] == '#')
            return true;
        if (_showsConsole)
            _state.Debug.GuestPrints = _state.Console.Print;
        try
        {
            (string word, string format, string rest) = Split(text);
            PromptCommand command = PromptCatalogue.Find(word);
            // gdb's: p /x 5.
            if (command.TakesFormat && format.Length == 0 && rest.StartsWith('/'))
                (format, rest) = rest.IndexOf(' ', StringComparison.Ordinal) is > 0 and int end ? (rest[1..end], rest[end..].Trim()) : (rest[1..], "");
            PromptArguments arguments = new(command.Name, format, rest);
            if (format.Length > 0 && !command.TakesFormat)
                throw new PromptException($"{command.Name}: nothing can stand after a slash");
            if (arguments.Words.Count > command.MostWords)
                throw new PromptException($"{command.Name}: \"{arguments.Rest(command.MostWords)}\" is too much; help {command.Name} says what can stand there");
            command.Run(_state, arguments);
            return true;
        }
        catch (PromptException e)
        {
            _state.Line($"error: {e.Message}");
            return false;
        }
        catch (ExpressionException e)
        {
            _state.Line($"error: {e.Message}");
            return false;
        }
        finally
        {
            if (_showsConsole)
                _state.Debug.GuestPrints = null;
        }
    }

    /// <summary>Words that may stand where the last word of a line stands.</summary>
    public IReadOnlyList<string> Complete(string line)
    {
        int at = line.LastIndexOf(' ') + 1;
        string begun = line[at..];
        IEnumerable<string> words = at == 0
            ? PromptCatalogue.All.SelectMany(c => c.Names)
            : line.StartsWith("help ", StringComparison.Ordinal) ? PromptCatalogue.All.Select(c => c.Name)
            : [.. BreakCommands.StageNames(_state.Debug), .. BreakCommands.HypercallNames(_state.Debug), .. _state.Debug.Inspect.Symbols.Names, .. RegisterFile.Names.Select(r => "$" + r)];
        return [.. words.Where(w => w.StartsWith(begun, StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>Says where the session is held.</summary>
    public void ShowPlace() => StopView.Show(_state, _state.Debug.Report);

    /// <summary><c>x/8xg address</c> is x, 8xg, address.</summary>
    private static (string Word, string Format, string Text) Split(string text)
    {
        int space = text.IndexOf(' ', StringComparison.Ordinal);
        string head = space < 0 ? text : text[..space];
        string rest = space < 0 ? "" : text[(space + 1)..].Trim();
        int slash = head.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (head, "", rest) : (head[..slash], head[(slash + 1)..], rest);
    }
}
