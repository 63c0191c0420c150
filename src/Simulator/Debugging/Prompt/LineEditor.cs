using System.Text;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>A line of a terminal with history and completion: arrows, Home, End, Backspace, Delete, Tab, Ctrl-A, -E, -K, -U, -D.</summary>
internal sealed class LineEditor(string prompt, Func<string, IReadOnlyList<string>> complete)
{
    private const int MostShown = 40;
    private readonly List<string> _history = [];
    private readonly StringBuilder _line = new();
    private int _at;
    private int _entry;

    /// <summary>Null: the end (Ctrl-D on an empty line).</summary>
    public string? Read()
    {
        _line.Clear();
        _at = 0;
        _entry = _history.Count;
        Draw();
        while (true)
        {
            ConsoleKeyInfo key = Console.ReadKey(intercept: true);
            if (key.Key == ConsoleKey.Enter)
            {
                Console.WriteLine();
                string line = _line.ToString();
                if (line.Length > 0 && (_history.Count == 0 || _history[^1] != line))
                    _history.Add(line);
                return line;
            }

            if (key is { Key: ConsoleKey.D, Modifiers: ConsoleModifiers.Control } && _line.Length == 0)
            {
                Console.WriteLine();
                return null;
            }

            Handle(key);
            Draw();
        }
    }

    private void Handle(ConsoleKeyInfo key)
    {
        switch (key.Key)
        {
            case ConsoleKey.LeftArrow:
                _at = Math.Max(0, _at - 1);
                break;
            case ConsoleKey.RightArrow:
                _at = Math.Min(_line.Length, _at + 1);
                break;
            case ConsoleKey.UpArrow:
                Recall(-1);
                break;
            case ConsoleKey.DownArrow:
                Recall(1);
                break;
            case ConsoleKey.Home:
            case ConsoleKey.A when key.Modifiers == ConsoleModifiers.Control:
                _at = 0;
                break;
            case ConsoleKey.End:
            case ConsoleKey.E when key.Modifiers == ConsoleModifiers.Control:
                _at = _line.Length;
                break;
            case ConsoleKey.K when key.Modifiers == ConsoleModifiers.Control:
                _line.Remove(_at, _line.Length - _at);
                break;
            case ConsoleKey.U when key.Modifiers == ConsoleModifiers.Control:
                _line.Remove(0, _at);
                _at = 0;
                break;
            case ConsoleKey.Backspace when _at > 0:
                _line.Remove(--_at, 1);
                break;
            case ConsoleKey.Delete when _at < _line.Length:
                _line.Remove(_at, 1);
                break;
            case ConsoleKey.Tab:
                Complete();
                break;
            default:
                if (!char.IsControl(key.KeyChar))
                    _line.Insert(_at++, key.KeyChar);
                break;
        }
    }

    private void Recall(int direction)
    {
        int entry = _entry + direction;
        if (entry < 0 || entry > _history.Count)
            return;
        _entry = entry;
        _line.Clear();
        _line.Append(entry < _history.Count ? _history[entry] : "");
        _at = _line.Length;
    }

    private void Complete()
    {
        string before = _line.ToString(0, _at);
        IReadOnlyList<string> words = complete(before);
        if (words.Count == 0)
            return;
        int begun = _at - (before.LastIndexOf(' ') + 1);
        string common = words.Aggregate((a, b) => a[..a.Zip(b).TakeWhile(p => p.First == p.Second).Count()]);
        string more = common[begun..] + (words.Count == 1 ? " " : "");
        if (more.Length == 0)
        {
            Console.WriteLine();
            Console.WriteLine(string.Join("  ", words.Take(MostShown)) + (words.Count > MostShown ? " …" : ""));
        }

        _line.Insert(_at, more);
        _at += more.Length;
    }

    /// <summary>Carriage return, the line, erase to its end, and the cursor back to its place (ECMA-48 EL and CUF).</summary>
    private void Draw() => Console.Write($"\r{prompt}{_line}\u001b[K\r\u001b[{prompt.Length + _at}C");
}
