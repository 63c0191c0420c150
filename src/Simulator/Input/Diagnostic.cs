namespace XenSim.Simulator.Input;

/// <summary>Place in a text file. Unit: lines and columns, both from 1.</summary>
/// <param name="File">Another file than the one that is read, named relative to it.</param>
public readonly record struct Mark(int Line, int Column, string? File = null);

/// <summary>One thing wrong with the user's input: where, what was expected, and what would fix it.</summary>
/// <param name="Mark">Null when the file as a whole (or a command line option) is meant.</param>
/// <param name="Hint">What would fix it, e.g. <c>did you mean "cmdline"?</c></param>
public sealed record Diagnostic(string File, Mark? Mark, string Message, string? Hint = null)
{
    public override string ToString()
    {
        string place = Mark is { } m ? $"{File}:{m.Line}:{m.Column}" : File;
        return Hint is null ? $"{place}: error: {Message}" : $"{place}: error: {Message}; {Hint}";
    }
}

/// <summary>Bad input, on its way to the edge, where it becomes messages and exit code 2.</summary>
public sealed class InputException(IReadOnlyList<Diagnostic> diagnostics)
    : Exception(string.Join(Environment.NewLine, diagnostics))
{
    public InputException(string file, string message, string? hint = null)
        : this([new Diagnostic(file, null, message, hint)])
    {
    }

    public IReadOnlyList<Diagnostic> Diagnostics { get; } = diagnostics;
}
