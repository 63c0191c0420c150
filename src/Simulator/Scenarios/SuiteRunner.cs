using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Scenarios;

/// <summary>Runs scenarios beside each other. Each has a machine of its own, so the results do not depend on how many run at once.</summary>
/// <param name="jobs">How many at once.</param>
/// <param name="failFast">Start no more after the first that fails.</param>
internal sealed class SuiteRunner(int jobs, bool failFast)
{
    /// <param name="done">Called for each in the order of the list, whatever order they end in, with its stages.</param>
    /// <returns>Results in the order of the list; null for what was not run.</returns>
    public IReadOnlyList<ScenarioResult?> Run(IReadOnlyList<Scenario> scenarios, Action<ScenarioResult, StageRecord> done, CancellationToken stop)
    {
        (ScenarioResult Result, StageRecord Stages)?[] results = new (ScenarioResult, StageRecord)?[scenarios.Count];
        Lock order = new();
        int next = -1, told = 0;
        bool failed = false;

        void Work()
        {
            while (!stop.IsCancellationRequested && !(failFast && Volatile.Read(ref failed)))
            {
                int i = Interlocked.Increment(ref next);
                if (i >= scenarios.Count)
                    return;
                StageRecord stages = new();
                ScenarioResult result = RunOne(scenarios[i], stages, stop);
                if (result.Verdict != ExitCode.Success)
                    Volatile.Write(ref failed, true);
                lock (order)
                {
                    results[i] = (result, stages);
                    for (; told < results.Length && results[told] is { } ready; told++)
                        done(ready.Result, ready.Stages);
                }
            }
        }

        Thread[] threads = [.. Enumerable.Range(0, Math.Min(jobs, scenarios.Count)).Select(_ => new Thread(Work))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        for (; told < results.Length; told++)
        {
            if (results[told] is { } ready)
                done(ready.Result, ready.Stages);
        }

        return [.. results.Select(r => r?.Result)];
    }

    /// <summary>A bug in one scenario's run is that scenario's verdict: the others go on.</summary>
    private static ScenarioResult RunOne(Scenario scenario, StageRecord stages, CancellationToken stop)
    {
        try
        {
            return ScenarioRunner.Run(scenario, stop, stages);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return new ScenarioResult(
                scenario, new SessionOutcome(SessionEnd.Crashed, $"internal error: {e.GetType().Name}: {e.Message.Split('\n')[0]} (this is a bug in XenSim)"), ExitCode.InternalError, [], 0, 0);
        }
    }
}
