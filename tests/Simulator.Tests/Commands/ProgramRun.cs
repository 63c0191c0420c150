using System.Text;
using XenSim.Simulator.Commands;

namespace XenSim.Simulator.Tests.Commands;

/// <summary>Runs the program in this process, as it would run with its output in pipes.</summary>
internal sealed record ProgramRun(ExitCode Exit, byte[] OutputBytes, string Error)
{
    public string Output => Encoding.UTF8.GetString(OutputBytes);

    public static ProgramRun With(params string[] args) => With(CancellationToken.None, args);

    public static ProgramRun With(CancellationToken stop, params string[] args)
    {
        using MemoryStream output = new();
        using StringWriter error = new();
        ExitCode exit = Application.Run(args, new Terminal(output, error, interactive: false, stop));
        return new ProgramRun(exit, output.ToArray(), error.ToString());
    }

    /// <summary>One clear error: exit 2, something on stderr that names <paramref name="words"/>, no trace of a stack or a class.</summary>
    public void MustRefuse(string words)
    {
        Assert.Equal(ExitCode.BadInput, Exit);
        Assert.Contains(words, Error, StringComparison.Ordinal);
        MustNotShowStack();
    }

    public void MustNotShowStack()
    {
        Assert.DoesNotContain("   at ", Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", Error, StringComparison.Ordinal);
        Assert.DoesNotContain("internal error", Error, StringComparison.Ordinal);
    }
}

/// <summary>A folder of this test's own, removed afterwards.</summary>
internal sealed class ScratchFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("xensim-test-").FullName;

    public string Write(string name, byte[] bytes)
    {
        string file = System.IO.Path.Combine(Path, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, bytes);
        return file;
    }

    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
