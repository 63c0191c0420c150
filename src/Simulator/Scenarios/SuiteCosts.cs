using XenSim.Simulator.Reports;

namespace XenSim.Simulator.Scenarios;

/// <summary>
/// What scenarios cost, as measured by an earlier run: its instructions and events, which are the same on every machine. Without a measurement the limit that the
/// scenario sets itself says whether it is long. Unit: about the time of one guest instruction.
/// </summary>
internal sealed class SuiteCosts
{
    /// <summary>Boot of Xen and of the tools, before any guest runs.</summary>
    private const long Base = 1_000_000;

    /// <summary>An event is made, kept and written.</summary>
    private const long PerEvent = 500;

    /// <summary>Few scenarios come near their limit.</summary>
    private const long LimitShare = 100;

    private readonly Dictionary<string, long> _measured = [];

    private SuiteCosts()
    {
    }

    /// <param name="file">What an earlier <c>--json</c> wrote; null: there is none.</param>
    /// <exception cref="Input.InputException">It cannot be read.</exception>
    public static SuiteCosts From(string? file)
    {
        SuiteCosts costs = new();
        foreach (ScenarioReport report in file is null ? [] : ResultLines.Read(file).Where(r => r.Run is not null))
            costs._measured[report.Name] = Base + report.Instructions + (PerEvent * report.Events);
        return costs;
    }

    public long Of(Scenario scenario) => scenario switch
    {
        { Skip: not null } or { MissingGuest: not null } => 0,
        _ when _measured.TryGetValue(scenario.Name, out long cost) => cost,
        _ => Base + (scenario.Session.Limits.Instructions / LimitShare),
    };

    /// <summary>The parts of a suite, each with about the same cost: the dearest first, each to the part that has least so far.</summary>
    /// <returns>For each scenario the number of its part, from 0.</returns>
    public int[] Split(IReadOnlyList<Scenario> suite, int parts)
    {
        int[] part = new int[suite.Count];
        PriorityQueue<int, (long Cost, int Part)> loads = new();
        for (int i = 0; i < Math.Min(parts, suite.Count); i++)
            loads.Enqueue(i, (0, i));
        foreach (int i in DearestFirst(suite))
        {
            loads.TryDequeue(out int least, out (long Cost, int Part) load);
            part[i] = least;
            loads.Enqueue(least, (load.Cost + Of(suite[i]), least));
        }

        return part;
    }

    /// <summary>Places in the suite; of the same cost in its order.</summary>
    public IEnumerable<int> DearestFirst(IReadOnlyList<Scenario> suite) => Enumerable.Range(0, suite.Count).OrderByDescending(i => Of(suite[i]));
}
