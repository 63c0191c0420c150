using BenchmarkDotNet.Running;
using XenSim.Benchmarks.Compare;

namespace XenSim.Benchmarks;

/// <summary>Figures are ratios to a peer measured in the same run; nothing here asserts a time.</summary>
public static class Program
{
    /// <summary>With this argument the program ends at once: what a .NET console program costs that does nothing.</summary>
    public const string Empty = "--empty";

    /// <summary>With this argument and the image that compare.sh makes: the comparison with other emulators, or with those named after it.</summary>
    private const string Compared = "--compare";

    public static int Main(string[] args)
    {
        if (args is [Empty])
            return 0;
        if (args is [Compared, { } image, .. { } peers])
            Comparison.Run(image, peers);
        else
            Measure(args);
        return 0;
    }

    // A method of its own, so that the empty program loads none of BenchmarkDotNet.
    private static void Measure(string[] args) => BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
}
