using System.Diagnostics;
using System.Globalization;
using System.Text;
using XenSim.Simulator;
using XenSim.Simulator.Commands;
using XenSim.Simulator.Scenarios;

namespace XenSim.Scenarios.Tests;

/// <summary>
/// Broken and hostile files read by a program of its own under the system's limits: with 200 MB of memory and a second of processor time, its own start aside. The limits kill it or make it
/// fail; nothing is measured here.
/// </summary>
public sealed class BrokenFilesLimitTests : IDisposable
{
    private const int Wanted = 1000;

    /// <summary>For the program's own start, and the compilation of what it runs: it is not published here. Unit: seconds of processor time.</summary>
    private const int StartSeconds = 3;

    /// <summary>Unit: bytes.</summary>
    private const long MostMemory = 200L << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("xensim-limits-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_thousand_broken_files_are_refused_together_within_the_limits_for_one()
    {
        string[] good = [.. ScenarioFile.Find([ScenarioTests.Folder]).Where(f => !f.Contains("/real/", StringComparison.Ordinal)).Select(File.ReadAllText)];
        Random random = new(2);
        string[] files = [.. Enumerable.Range(0, Wanted).Select(i => Write(string.Create(CultureInfo.InvariantCulture, $"{i:d4}.yaml"), BrokenFilesTests.Break(good[random.Next(good.Length)], random)))];

        // All of them have the memory that each may take, and a second for every twenty.
        (int exit, string error) = List(Wanted / 20, _folder);
        Assert.True(exit == (int)ExitCode.BadInput, $"{exit}: {error[..Math.Min(error.Length, 2000)]}");
        Assert.True(files.Count(f => error.Contains(f, StringComparison.Ordinal)) > Wanted / 2, "most of them are broken");
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.DoesNotContain("internal error", error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Hostile))]
    public void A_hostile_file_is_refused_within_the_limits(string what, string words)
    {
        (int exit, string error) = List(1, Write("hostile.yaml", Content(what)));
        Assert.True(exit == (int)ExitCode.BadInput, $"{exit}: {error}");
        Assert.Contains(words, error, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Hostile => new()
    {
        { "aliases of aliases", "counting what aliases stand for" },
        { "nested without end", "nested deeper than 24 levels" },
        { "a long file", "at most 262144 are accepted" },
        { "variables of variables", "variables make the file longer" },
        { "a matrix of everything", "at most 1000 combinations" },
        { "a file that extends itself", "extends itself" },
        { "a long list", "more than 20000" },
        { "a snapshot of everything", "a range of memory" },
        { "domains in a ring", "domains wait for each other" },
    };

    /// <summary>The limits themselves: what a program above them comes to.</summary>
    [Fact]
    public void A_program_above_a_limit_is_stopped()
    {
        (int exit, _) = Limited(1, 1 << 20, "test", "--list", Write("good.yaml", Good));
        Assert.NotEqual((int)ExitCode.Success, exit);
        (exit, string error) = Limited(StartSeconds + 1, MostMemory, "test", "--list", Write("good.yaml", Good));
        Assert.True(exit == (int)ExitCode.Success, error);
    }

    private const string Good = "name: n\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64}\nexpect: {outcome: powered-off}\n";

    private static string Content(string what) => what switch
    {
        "aliases of aliases" => "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + string.Concat(Enumerable.Range(1, 12).Select(i => $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n")),
        "nested without end" => new string('[', 100_000),
        "a long file" => Good + string.Concat(Enumerable.Repeat("# nothing\n", 30_000)),
        "variables of variables" => $"vars: {{v: {new string('x', 4000)}}}\n{Good}tags: [{string.Join(", ", Enumerable.Repeat("\"a${v}\"", 10_000))}]\n",
        "a matrix of everything" => $"{Good}matrix:\n{string.Concat(Enumerable.Range(0, 30).Select(i => $"  a{i}: [{{guest.memory: 8}}, {{guest.memory: 9}}, {{guest.memory: 10}}]\n"))}",
        "a file that extends itself" => "extends: hostile.yaml\n" + Good,
        "a long list" => $"{Good}tags: [{string.Join(',', Enumerable.Repeat("a", 30_000))}]\n",
        "a snapshot of everything" => Good + "script: [{snapshot: a, range: {bytes: 1}}]\n",
        "domains in a ring" => $"{Good}domains:\n{string.Concat(Enumerable.Range(0, 300).Select(i => $"  d{i}: {{kernel: pv64, after: d{(i + 1) % 300}}}\n"))}",
        _ => throw new ArgumentOutOfRangeException(nameof(what), what, null),
    };

    private string Write(string name, string text)
    {
        string file = Path.Combine(_folder, name);
        File.WriteAllText(file, text);
        return file;
    }

    private static (int Exit, string Error) List(int seconds, string path) => Limited(StartSeconds + seconds, MostMemory, "test", "--list", path);

    /// <summary>The program with limits of processor time (RLIMIT_CPU) and of its managed heap, beyond which it dies.</summary>
    private static (int Exit, string Error) Limited(int seconds, long memory, params string[] arguments)
    {
        ProcessStartInfo start = new("/bin/sh") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("ulimit -t \"$1\" && shift && exec dotnet \"$@\"");
        foreach (string word in (string[])["sh", seconds.ToString(CultureInfo.InvariantCulture), typeof(Application).Assembly.Location, .. arguments])
            start.ArgumentList.Add(word);
        start.Environment["DOTNET_GCHeapHardLimit"] = memory.ToString("x", CultureInfo.InvariantCulture);
        start.Environment["DOTNET_TieredPGO"] = "0";
        using Process process = Process.Start(start)!;
        StringBuilder error = new();
        process.ErrorDataReceived += (_, line) => error.AppendLine(line.Data);
        process.BeginErrorReadLine();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error.ToString());
    }
}
