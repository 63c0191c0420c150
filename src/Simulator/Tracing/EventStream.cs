using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Tracing;

/// <summary>An event with its place in the session's one order.</summary>
/// <param name="Sequence">From 0, without gaps.</param>
/// <param name="VirtualNanoseconds">Virtual time. Unit: nanoseconds.</param>
/// <param name="Instructions">Guest instructions retired before it.</param>
public readonly record struct TimedEvent(long Sequence, ulong VirtualNanoseconds, XenEvent Event, long Instructions = 0);

/// <summary>Somebody who reads the stream.</summary>
public interface IEventConsumer
{
    /// <summary>Whether it reads events of this type; asked once per type.</summary>
    bool Wants(Type eventType);

    void On(in TimedEvent e);
}

/// <summary>The session's one stream of events: numbers and dates them and hands them to the consumers in turn.</summary>
/// <param name="virtualClock">Virtual time now. Unit: nanoseconds.</param>
/// <param name="instructions">Guest instructions retired so far; null: nobody counts.</param>
public sealed class EventStream(Func<ulong> virtualClock, Func<long>? instructions = null) : IEventSink
{
    private readonly List<IEventConsumer> _consumers = [];
    private readonly Dictionary<Type, IEventConsumer[]> _readers = [];
    private long _sequence;

    /// <summary>Events so far.</summary>
    public long Count => _sequence;

    public void Add(IEventConsumer consumer)
    {
        _consumers.Add(consumer);
        _readers.Clear();
    }

    public bool Wants<TEvent>()
        where TEvent : XenEvent
        => ReadersOf(typeof(TEvent)).Length > 0;

    public void Emit(XenEvent e)
    {
        TimedEvent timed = new(_sequence++, virtualClock(), e, instructions?.Invoke() ?? 0);
        foreach (IEventConsumer reader in ReadersOf(e.GetType()))
            reader.On(timed);
    }

    public void Pass() => _sequence++;

    private IEventConsumer[] ReadersOf(Type type)
    {
        if (!_readers.TryGetValue(type, out IEventConsumer[]? readers))
            _readers[type] = readers = [.. _consumers.Where(c => c.Wants(type))];
        return readers;
    }
}

/// <summary>Keeps every event, for expectations and for looking back.</summary>
/// <param name="also">Types by name of those that are kept only when somebody asks for them.</param>
public sealed class EventLog(params IReadOnlyCollection<string> also) : IEventConsumer
{
    private readonly List<TimedEvent> _events = [];
    private readonly bool _states = also.Contains(nameof(StateChanged));
    private readonly bool _accesses = also.Contains(nameof(PrivilegedAccess));

    public IReadOnlyList<TimedEvent> Events => _events;

    /// <summary>State transitions repeat what the stage events say, and few look back at hundreds of thousands of port accesses.</summary>
    public bool Wants(Type eventType) => eventType == typeof(StateChanged) ? _states : eventType != typeof(PrivilegedAccess) || _accesses;

    public void On(in TimedEvent e) => _events.Add(e);
}
