using System.Diagnostics.CodeAnalysis;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>The prompt's commands inside another front, which shows what they print: gdb's <c>monitor</c>, an editor's console.</summary>
/// <param name="mayUseFiles">False: commands that take a file's name are refused, because somebody else than the user of this machine may give them.</param>
[SuppressMessage("Design", "CA1001", Justification = "A StringWriter holds nothing of the host.")]
internal sealed class EmbeddedPrompt(DebugSession debug, bool mayUseFiles)
{
    private readonly StringWriter _output = new();
    private DebugPrompt? _prompt;

    private DebugPrompt Prompt => _prompt ??= new DebugPrompt(debug, _output, CancellationToken.None, showsConsole: false);

    /// <param name="stop">Interrupts a command that runs the session.</param>
    /// <returns>What it prints.</returns>
    public string Execute(string line, CancellationToken stop)
    {
        string word = line.Trim().Split(' ', '/')[0];
        if (!mayUseFiles && PromptCatalogue.All.Any(c => c.Usage.Contains("FILE", StringComparison.Ordinal) && c.Names.Any(n => word.Length > 0 && n.StartsWith(word, StringComparison.Ordinal))))
            return $"error: {word} uses files of the host, which only the prompt itself may\n";
        using CancellationTokenRegistration interrupt = stop.Register(debug.Interrupt);
        Prompt.Execute(line);
        string said = _output.ToString();
        _output.GetStringBuilder().Clear();
        return said;
    }
}
