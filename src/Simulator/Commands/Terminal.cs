namespace XenSim.Simulator.Commands;

/// <summary>Where a command's output goes and whether a person looks at it.</summary>
public sealed class Terminal(Stream output, TextWriter error, bool interactive, CancellationToken stop, bool coloured = false, TextReader? input = null)
{
    /// <summary>Standard input, where it is not a terminal; null: it is one, or is not to be read.</summary>
    public TextReader? In { get; } = input;

    /// <summary>Standard output as bytes: results, and the guest's console.</summary>
    public Stream Output { get; } = output;

    /// <summary>Standard output as text.</summary>
    public TextWriter Out { get; } = new StreamWriter(output, new System.Text.UTF8Encoding(false), 4096, leaveOpen: true) { AutoFlush = true };

    /// <summary>Standard error: messages and progress.</summary>
    public TextWriter Error { get; } = error;

    /// <summary>Standard error is a terminal that may be drawn on, and NO_COLOR is not set.</summary>
    public bool Interactive { get; } = interactive;

    /// <summary>Standard output is a terminal that takes colours.</summary>
    public bool Coloured { get; } = coloured;

    /// <summary>Ctrl-C was pressed.</summary>
    public CancellationToken Stop { get; } = stop;
}
