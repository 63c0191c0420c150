using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Session;

/// <summary>
/// Somebody at the consoles and in dom0: knows which step of the script is due. What is done comes between two of the guests' instructions that
/// their own output and virtual time decide, so the same script gives the same run.
/// </summary>
/// <param name="find">The domain of a name; null for the one that the session is about.</param>
/// <param name="interrupt">Makes the run come back, so that there is an occasion.</param>
internal sealed class SessionScript(IReadOnlyList<ScriptStep> steps, Func<string?, DomainId?> find, Action interrupt) : IEventConsumer
{
    /// <summary>Names of the domains at whose consoles somebody waits, each with what came there after the text of the last step.</summary>
    private readonly (string? Domain, StringBuilder Text)[] _consoles = [.. steps.Where(s => s.WaitFor.Length > 0).Select(s => s.Domain).Distinct().Select(d => (d, new StringBuilder()))];
    private readonly List<ScriptFailure> _failures = [];
    private int _next;
    private bool _textSeen;
    private ulong _since;

    /// <summary>What went wrong with steps, and the first one that was never due.</summary>
    public IEnumerable<ScriptFailure> Failures => steps.Skip(_next).Take(1).Select(s => new ScriptFailure(s, NeverDue(s))).Concat(_failures);

    /// <summary>When the next step is due by time alone; null: it waits for a text, or there is none.</summary>
    public ulong? WakeNanoseconds => _next < steps.Count && _textSeen ? _since + steps[_next].AfterNanoseconds : null;

    /// <summary>The step to be done now; null: none.</summary>
    /// <param name="now">Virtual time. Unit: nanoseconds.</param>
    public ScriptStep? Due(ulong now)
    {
        if (_next == steps.Count)
            return null;
        ScriptStep step = steps[_next];
        if (!_textSeen && PlaceOf(step) >= 0)
            (_textSeen, _since) = (true, now);
        return _textSeen && now >= _since + step.AfterNanoseconds ? step : null;
    }

    /// <summary>The step that was due has been done: the next one looks at what comes after its text.</summary>
    public void Done(ulong now)
    {
        ScriptStep step = steps[_next];
        if (step.WaitFor.Length > 0)
            ConsoleOf(step).Remove(0, PlaceOf(step) + step.WaitFor.Length);
        _next++;
        _textSeen = _next < steps.Count && steps[_next].WaitFor.Length == 0;
        _since = now;
    }

    public void Fail(ScriptStep step, string text) => _failures.Add(new ScriptFailure(step, text));

    public bool Wants(Type eventType) => eventType == typeof(ConsoleOutput) && _consoles.Length > 0;

    public void On(in TimedEvent e)
    {
        if (e.Event is not ConsoleOutput output || _next == steps.Count)
            return;
        foreach ((string? domain, StringBuilder text) in _consoles)
        {
            if (output.Domain == find(domain))
                text.Append(Encoding.Latin1.GetString(output.Bytes));
        }

        if (!_textSeen && PlaceOf(steps[_next]) >= 0)
            interrupt();
    }

    private StringBuilder ConsoleOf(ScriptStep step) => Array.Find(_consoles, c => c.Domain == step.Domain).Text;

    /// <returns>Where its text stands; -1: it has not come.</returns>
    private int PlaceOf(ScriptStep step) => step.WaitFor.Length == 0 ? 0 : ConsoleOf(step).ToString().IndexOf(step.WaitFor, StringComparison.Ordinal);

    private string NeverDue(ScriptStep step) => step.WaitFor.Length > 0 && !_textSeen
        ? $"\"{step.WaitFor}\" never came, so its step \"{step}\" was not done"
        : $"the session ended before its step \"{step}\" was due";
}
