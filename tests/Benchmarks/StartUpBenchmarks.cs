using System.Diagnostics;
using BenchmarkDotNet.Attributes;

namespace XenSim.Benchmarks;

/// <summary>
/// From process start to process end. The peer is the same runtime starting a program that does nothing. The environment variable
/// XENSIM names the program to measure, as the launcher builds it: <c>artifacts/xensim/xensim</c>.
/// </summary>
[Config(typeof(WholeProcesses))]
public class StartUpBenchmarks
{
    private static readonly string[] s_simulator = Environment.GetEnvironmentVariable("XENSIM") is { Length: > 0 } program
        ? [Path.GetFullPath(program)]
        : ["dotnet", Beside("xensim.dll")];

    [Benchmark(Baseline = true, Description = "an empty program")]
    public void EmptyProgram() => Start("dotnet", Beside("XenSim.Benchmarks.dll"), Program.Empty);

    [Benchmark(Description = "xensim page pv64: one hypercall page")]
    public void OnePage() => Start([.. s_simulator, "page", "pv64", "--raw"]);

    [Benchmark(Description = "xensim boot pv64: to the guest's shutdown")]
    public void BootPv64() => Start([.. s_simulator, "boot", "pv64"]);

    private static string Beside(string file) => Path.Combine(Path.GetDirectoryName(typeof(StartUpBenchmarks).Assembly.Location)!, file);

    /// <summary>A run that fails is no measurement: it stops the benchmark.</summary>
    private static void Start(params string[] command)
    {
        ProcessStartInfo start = new(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{string.Join(' ', command)} ended with {process.ExitCode}: {error.GetAwaiter().GetResult()}");
    }
}
