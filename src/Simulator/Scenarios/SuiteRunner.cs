using XenSim.Simulator.Input;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Scenarios;

/// <summary>How a suite is run.</summary>
/// <param name="Jobs">How many scenarios at once.</param>
/// <param name="FailFast">Start no more after the first that fails.</param>
/// <param name="Repeat">How often each is run; all runs must have the same events.</param>
internal sealed record SuiteOptions(int Jobs, bool FailFast = false, int Repeat = 1);

/// <summary>Somebody who watches a suite run. Called by one thread at a time.</summary>
internal interface ISuiteWatcher
{
    void Started(int index, Scenario scenario);

    /// <summary>As soon as it is over.</summary>
    void Ended(int index, ScenarioResult result);

    /// <summary>Called for each in the order of the list, whatever order they end in.</summary>
    void Tell(ScenarioResult result, StageRecord stages);

    /// <summary>Some time has passed.</summary>
    void Tick();
}

/// <summary>Runs scenarios beside each other. Each has a machine of its own, so the results do not depend on how many run at once.</summary>
/// <param name="wishes">What is wanted of each.</param>
internal sealed class SuiteRunner(SuiteOptions options, Func<Scenario, RunWishes> wishes)
{
    /// <summary>Unit: milliseconds.</summary>
    private const int TickInterval = 100;

    private readonly Lock _order = new();

    /// <param name="order">Places of <paramref name="scenarios"/> in the order in which they are started.</param>
    /// <returns>Results in the order of the list; null for what was not run.</returns>
    public IReadOnlyList<ScenarioResult?> Run(IReadOnlyList<Scenario> scenarios, IReadOnlyList<int> order, ISuiteWatcher watcher, CancellationToken stop)
    {
        (ScenarioResult Result, StageRecord Stages)?[] results = new (ScenarioResult, StageRecord)?[scenarios.Count];
        int next = -1, told = 0;
        bool failed = false;

        void Work()
        {
            while (!stop.IsCancellationRequested && !(options.FailFast && Volatile.Read(ref failed)))
            {
                int n = Interlocked.Increment(ref next);
                if (n >= order.Count)
                    return;
                int i = order[n];
                lock (_order)
                    watcher.Started(i, scenarios[i]);
                StageRecord stages = new();
                ScenarioResult result = RunOne(scenarios[i], stages, stop);
                if (result.Verdict != ExitCode.Success)
                    Volatile.Write(ref failed, true);
                lock (_order)
                {
                    results[i] = (result, stages);
                    watcher.Ended(i, result);
                    for (; told < results.Length && results[told] is { } ready; told++)
                        watcher.Tell(ready.Result, ready.Stages);
                }
            }
        }

        Thread[] threads = [.. Enumerable.Range(0, Math.Min(options.Jobs, scenarios.Count)).Select(_ => new Thread(Work))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
        {
            while (!thread.Join(TickInterval))
            {
                lock (_order)
                    watcher.Tick();
            }
        }

        for (; told < results.Length; told++)
        {
            if (results[told] is { } ready)
                watcher.Tell(ready.Result, ready.Stages);
        }

        return [.. results.Select(r => r?.Result)];
    }

    private static string? Unlike(ScenarioResult first, ScenarioResult again) => (again.Digest, again.Verdict) != (first.Digest, first.Verdict)
        ? $"had other events than the first: {again.Digest}, not {first.Digest}"
        : (again.Instructions, again.Memory) != (first.Instructions, first.Memory)
            ? $"left another state than the first: memory {again.Memory} after {again.Instructions} instructions, not {first.Memory} after {first.Instructions}"
            : null;

    /// <summary>A bug in one scenario's run is that scenario's verdict: the others go on.</summary>
    private ScenarioResult RunOne(Scenario scenario, StageRecord stages, CancellationToken stop)
    {
        try
        {
            RunWishes wanted = wishes(scenario);
            ScenarioResult first = ScenarioRunner.Run(scenario, wanted, stop, stages);
            for (int run = 2; run <= options.Repeat && !first.Skipped && !stop.IsCancellationRequested; run++)
            {
                ScenarioResult again = ScenarioRunner.Run(scenario, wanted with { Trace = null }, stop);
                if (again.Verdict != ExitCode.Interrupted && Unlike(first, again) is { } unlike)
                    return first with { Verdict = ExitCode.InternalError, Mismatches = [new Mismatch("--repeat", null, $"run {run} {unlike} (this is a bug in XenSim)")] };
            }

            return first;
        }
        catch (InputException e)
        {
            return new ScenarioResult(scenario, new SessionOutcome(SessionEnd.Crashed, e.Diagnostics[0].ToString()), ExitCode.InternalError, [], 0, 0);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return new ScenarioResult(
                scenario, new SessionOutcome(SessionEnd.Crashed, $"internal error: {e.GetType().Name}: {e.Message.Split('\n')[0]} (this is a bug in XenSim)"), ExitCode.InternalError, [], 0, 0);
        }
    }
}
