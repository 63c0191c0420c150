using System.Globalization;

namespace XenSim.Benchmarks.Compare;

/// <summary>Runs the same image on every emulator in turn, several rounds, and prints one table: speeds, and ours as a ratio to each.</summary>
public static class Comparison
{
    private const int Rounds = 5;

    /// <param name="peers">Beginnings of the names of those to compare with; none: all.</param>
    public static void Run(string imageFile, string[] peers)
    {
        byte[] image = File.ReadAllBytes(imageFile);
        OwnEngine own = new();
        string folder = Path.GetDirectoryName(Path.GetFullPath(imageFile))!;
        IEmulator[] others = [new UnicornEngine(), ChildEmulator.Bochs(folder), ChildEmulator.Qemu(icount: true), ChildEmulator.Qemu(icount: false)];
        IEmulator[] emulators = [own, .. others.Where(e => peers.Length == 0 || peers.Any(p => e.Name.StartsWith(p, StringComparison.OrdinalIgnoreCase)))];

        // Tiered compilation is over after a run or two; the others have no such thing.
        own.Run(image);
        own.Run(image);
        double?[][] best = [.. emulators.Select(_ => new double?[Workload.All.Count])];
        for (int round = 0; round < Rounds; round++)
        {
            for (int e = 0; e < emulators.Length; e++)
            {
                double?[] times = emulators[e].Run(image);
                for (int w = 0; w < times.Length; w++)
                    best[e][w] = best[e][w] is { } before && times[w] is { } now ? Math.Min(before, now) : times[w];
            }
        }

        Print(emulators, own, best);
        HypercallRate.Print();
    }

    private static void Print(IEmulator[] emulators, OwnEngine own, double?[][] best)
    {
        Console.WriteLine($"Millions of guest instructions per second of processor time, best of {Rounds} rounds; in brackets XenSim's speed as a multiple.");
        Console.WriteLine();
        Console.WriteLine($"| workload | instructions | {string.Join(" | ", emulators.Select(e => e.Name))} | allocated |");
        Console.WriteLine($"|---|---:|{string.Concat(emulators.Select(_ => "---:|"))}---:|");
        foreach (Workload w in Workload.All)
        {
            IEnumerable<string> cells = emulators.Select((_, e) => Cell(own.Instructions[w.Number], best[0][w.Number]!.Value, best[e][w.Number], e == 0));
            Console.WriteLine($"| {w.Name} | {own.Instructions[w.Number] / 1e6:F0} M | {string.Join(" | ", cells)} | {own.Allocated[w.Number]} B |");
        }
    }

    private static string Cell(long instructions, double ours, double? theirs, bool own) => theirs switch
    {
        null => "—",
        { } seconds when own => string.Create(CultureInfo.InvariantCulture, $"{instructions / seconds / 1e6:F1}"),
        { } seconds => string.Create(CultureInfo.InvariantCulture, $"{instructions / seconds / 1e6:F1} ({seconds / ours:F2} ×)"),
    };
}
