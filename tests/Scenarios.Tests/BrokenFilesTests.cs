using System.Text.RegularExpressions;
using XenSim.Simulator;
using XenSim.Simulator.Commands;
using XenSim.Simulator.Scenarios;

namespace XenSim.Scenarios.Tests;

/// <summary>A thousand files that are wrong in a thousand ways, made from the shipped ones: each gets a clean error with its place, in little memory.</summary>
public sealed partial class BrokenFilesTests : IDisposable
{
    private const int Wanted = 1000;

    /// <summary>Unit: bytes allocated while one file is read.</summary>
    private const long MostMemory = 200L << 20;

    private static readonly string[] s_tokens =
    [
        ":", "- ", "{", "}", "[", "]", "&a ", "*a", "!x ", "|", ">", "\"", "'", "#", "%", "@", "`", "\t", "\0", "\ufeff", "---\n", "...\n", "? ", "<<: ", "null", "~", "-1", "99999999999999999999999", "0x", "1e9",
        "${", "${x}", "yes", "\\", "😀", "\r", "key: value\n", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "{a: {a: {a: {a: {a: ", "&a [*a, *a]",
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("xensim-broken-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Each_of_a_thousand_broken_files_gets_a_clean_error()
    {
        string[] good = [.. ScenarioFile.Find([ScenarioTests.Folder]).Where(f => !f.Contains("/real/", StringComparison.Ordinal)).Select(File.ReadAllText)];
        string file = Path.Combine(_folder, "broken.yaml");
        Random random = new(1);
        int refused = 0, taken = 0;
        while (refused < Wanted)
        {
            string broken = Break(good[random.Next(good.Length)], random);
            File.WriteAllText(file, broken);
            long before = GC.GetAllocatedBytesForCurrentThread();
            (ExitCode exit, string error) = List(file);
            long used = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(used < MostMemory, $"{used} bytes for{Environment.NewLine}{broken}");
            Assert.True(exit is ExitCode.Success or ExitCode.BadInput, $"{exit}: {error}{Environment.NewLine}{broken}");
            if (exit == ExitCode.Success)
            {
                taken++;
                continue;
            }

            refused++;
            foreach (string line in error.TrimEnd('\n').Split('\n'))
                Assert.True(IsClean(line, file), $"{line}{Environment.NewLine}{broken}");
        }

        Assert.True(taken < refused, $"{taken} mutations were harmless");
    }

    [Fact]
    public void What_is_no_clean_error_is_noticed()
    {
        Assert.True(IsClean("a/broken.yaml:3:4: error: expected a number", "a/broken.yaml"));
        Assert.False(IsClean("a/broken.yaml: error: System.InvalidOperationException", "a/broken.yaml"));
        Assert.False(IsClean("   at XenSim.Simulator.X()", "a/broken.yaml"));
        Assert.False(IsClean("xensim: internal error: NullReferenceException: x (this is a bug)", "a/broken.yaml"));
    }

    /// <summary>File, place and words; the file alone when it is no text or empty.</summary>
    private static bool IsClean(string line, string file)
        => line.StartsWith(file, StringComparison.Ordinal) && Place().IsMatch(line[file.Length..]) && !line.Contains("Exception", StringComparison.Ordinal) && !line.Contains("   at ", StringComparison.Ordinal);

    [GeneratedRegex("^(:[0-9]+:[0-9]+)?: error: .+")]
    private static partial Regex Place();

    private static (ExitCode Exit, string Error) List(string file)
    {
        using MemoryStream output = new();
        using StringWriter error = new();
        ExitCode exit = Application.Run(["test", "--list", file], new Terminal(output, error, interactive: false, CancellationToken.None));
        return (exit, error.ToString());
    }

    internal static string Break(string text, Random random)
    {
        for (int n = random.Next(1, 4); n > 0; n--)
            text = BreakOnce(text, random);
        return text;
    }

    private static string BreakOnce(string text, Random random)
    {
        string[] lines = text.Split('\n');
        int at = random.Next(text.Length), line = random.Next(lines.Length);
        switch (random.Next(10))
        {
            case 0:
                return text.Remove(at, Math.Min(random.Next(1, 12), text.Length - at));
            case 1 or 2:
                return text.Insert(at, s_tokens[random.Next(s_tokens.Length)]);
            case 3:
                return text[..at];
            case 4:
                return string.Join('\n', [.. lines[..line], lines[line], .. lines[line..]]);
            case 5:
                return string.Join('\n', lines.Where((_, i) => i != line));
            case 6:
                lines[line] = new string(' ', random.Next(1, 5)) + lines[line];
                return string.Join('\n', lines);
            case 7: // a letter of a word, as a typing mistake
                return string.Concat(text.AsSpan(0, at), ((char)random.Next('a', 'z' + 1)).ToString(), text.AsSpan(at + 1));
            case 8: // a value becomes something else
                int colon = lines[line].IndexOf(": ", StringComparison.Ordinal);
                if (colon > 0)
                    lines[line] = lines[line][..(colon + 2)] + s_tokens[random.Next(s_tokens.Length)];
                return string.Join('\n', lines);
            default: // a key is taken from somewhere else
                string other = lines[random.Next(lines.Length)];
                lines[line] = other.Split(':')[0] + lines[line][Math.Max(0, lines[line].IndexOf(':', StringComparison.Ordinal))..];
                return string.Join('\n', lines);
        }
    }
}
