namespace XenSim.Simulator.Sweeps;

/// <summary>Cases that came to the same: one thing to look at.</summary>
/// <param name="Smallest">The one with the fewest faults, the first of them.</param>
internal sealed record SweepFinding(SweepResult Example, SweepCase Smallest, int Count);

/// <summary>Runs the cases of a sweep beside each other and makes findings of what comes of them.</summary>
internal sealed class Sweep(SweepRun run, IReadOnlyList<SweepCase> cases, SweepJournal journal)
{
    private readonly Lock _lock = new();

    /// <param name="done">Called after each case, by one thread at a time.</param>
    public void Run(int jobs, Action<int> done, CancellationToken stop)
    {
        SweepCase[] left = [.. cases.Where(c => !journal.Known.ContainsKey(c.Label))];
        int next = -1, over = cases.Count - left.Length;

        void Work()
        {
            while (!stop.IsCancellationRequested)
            {
                int i = Interlocked.Increment(ref next);
                if (i >= left.Length)
                    return;
                SweepResult result = run.Run(left[i], stop);
                lock (_lock)
                {
                    // What was cut short says nothing.
                    if (stop.IsCancellationRequested)
                        return;
                    journal.Add(result);
                    done(++over);
                }
            }
        }

        Thread[] threads = [.. Enumerable.Range(0, Math.Min(jobs, left.Length)).Select(_ => new Thread(Work))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
    }

    /// <summary>The worst first. Each with the smallest set of faults that still comes to the same.</summary>
    public IReadOnlyList<SweepFinding> Findings(CancellationToken stop)
        => [.. cases.Where(c => journal.Known.ContainsKey(c.Label))
            .Select(c => (Case: c, Result: journal.Known[c.Label]))
            .Where(c => c.Result.Ending > SweepEnding.Refused)
            .GroupBy(c => c.Result.Signature)
            .Select(g => (Least: g.MinBy(c => c.Case.Faults.Count), Count: g.Count()))
            .Select(g => new SweepFinding(g.Least.Result, Minimise(g.Least.Case, g.Least.Result, stop), g.Count))
            .OrderByDescending(f => f.Example.Ending).ThenBy(f => f.Example.Stage, StringComparer.Ordinal).ThenBy(f => f.Example.Cause, StringComparer.Ordinal)];

    /// <summary>Leaves out fault after fault as long as the same comes of it.</summary>
    private SweepCase Minimise(SweepCase whole, SweepResult result, CancellationToken stop)
    {
        SweepCase smallest = whole;
        for (int i = 0; i < smallest.Faults.Count && smallest.Faults.Count > 1 && !stop.IsCancellationRequested;)
        {
            SweepCase without = new([.. smallest.Faults.Where((_, at) => at != i)]);
            if (run.Run(without, stop).Signature == result.Signature)
                smallest = without;
            else
                i++;
        }

        return smallest;
    }
}
