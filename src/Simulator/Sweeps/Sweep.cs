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

    /// <summary>The worst first. Each with the smallest set of faults that still comes to the same end by the same cause.</summary>
    public IReadOnlyList<SweepFinding> Findings(CancellationToken stop)
        => [.. cases.Where(c => journal.Known.ContainsKey(c.Label))
            .Select(c => (Case: c, Result: journal.Known[c.Label]))
            .Where(c => c.Result.Ending > SweepEnding.Refused)
            .GroupBy(c => c.Result.Signature)
            .Select(g => Minimise(g.MinBy(c => c.Case.Faults.Count).Case, g.First().Result, g.Count(), stop))
            .GroupBy(f => f.Example.Signature)
            .Select(g => g.MinBy(f => f.Smallest.Faults.Count)! with { Count = g.Sum(f => f.Count) })
            .OrderByDescending(f => f.Example.Ending).ThenBy(f => f.Example.Stage, StringComparer.Ordinal).ThenBy(f => f.Example.Cause, StringComparer.Ordinal)];

    /// <summary>Leaves out fault after fault as long as the same comes of it. Which stage gives up first may change with that: the smaller case's is the cause's.</summary>
    private SweepFinding Minimise(SweepCase smallest, SweepResult result, int count, CancellationToken stop)
    {
        for (int i = 0; i < smallest.Faults.Count && smallest.Faults.Count > 1 && !stop.IsCancellationRequested;)
        {
            SweepCase without = new([.. smallest.Faults.Where((_, at) => at != i)]);
            SweepResult then = run.Run(without, stop);
            if ((then.Ending, then.Cause) == (result.Ending, result.Cause))
                (smallest, result) = (without, then);
            else
                i++;
        }

        return new SweepFinding(result, smallest, count);
    }
}
