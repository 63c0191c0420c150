using System.Text;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>What the guest prints, line by line between what the prompt says, with a bar before it.</summary>
internal sealed class PromptConsole(Action<string> line)
{
    /// <summary>A line that does not end is shown in pieces of this length. Unit: characters.</summary>
    private const int LongestLine = 4096;

    private readonly StringBuilder _begun = new();

    public void Print(byte[] bytes)
    {
        foreach (char c in Encoding.Latin1.GetString(bytes))
        {
            if (c == '\n' || _begun.Length == LongestLine)
                Flush();
            if (c != '\n')
                _begun.Append(c);
        }
    }

    /// <summary>Shows a line that has only begun, because something else is to be said.</summary>
    public void Flush()
    {
        string text = _begun.ToString().TrimEnd('\r');
        _begun.Clear();
        if (text.Length > 0)
            line($"| {new string([.. text.Select(c => char.IsControl(c) ? '·' : c)])}");
    }
}
