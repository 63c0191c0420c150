using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Session;

/// <summary>Knows which domains need not wait for others any more.</summary>
/// <param name="find">The domain of a name.</param>
/// <param name="interrupt">Makes the run come back, so that a domain can be created.</param>
internal sealed class DomainStarts(IReadOnlyList<GuestSpec> domains, Func<string?, DomainId?> find, Action interrupt) : IEventConsumer
{
    private readonly Awaited[] _awaited = [.. domains.SelectMany(d => d.After).Where(a => a.ConsoleText is not null).Select(a => new Awaited(a))];

    /// <param name="all">The session's domains, as they are now.</param>
    public bool MayStart(GuestSpec domain, IReadOnlyList<SessionDomain> all) => domain.After.All(a => Holds(a, all));

    public bool Wants(Type eventType) => eventType == typeof(ConsoleOutput) && _awaited.Length > 0;

    public void On(in TimedEvent e)
    {
        if (e.Event is not ConsoleOutput output)
            return;
        foreach (Awaited text in _awaited)
        {
            if (!text.Seen && find(text.Dependency.Domain) == output.Domain && text.Add(output.Bytes))
                interrupt();
        }
    }

    private bool Holds(DomainDependency after, IReadOnlyList<SessionDomain> all) => after switch
    {
        { ConsoleText: not null } => Array.Find(_awaited, t => ReferenceEquals(t.Dependency, after))!.Seen,
        { Ended: true } => all.Any(d => d.Spec.Name == after.Domain && d.Outcome is not null),
        _ => all.Any(d => d.Spec.Name == after.Domain && d.Id != DomainId.Invalid),
    };

    private sealed class Awaited(DomainDependency dependency)
    {
        private readonly StringBuilder _tail = new();

        public DomainDependency Dependency => dependency;

        public bool Seen { get; private set; }

        /// <returns>Whether the text has come with this.</returns>
        public bool Add(byte[] bytes)
        {
            string text = dependency.ConsoleText!;
            _tail.Append(Encoding.Latin1.GetString(bytes));
            Seen = _tail.ToString().Contains(text, StringComparison.Ordinal);

            // Only what may be the beginning of the text has to be kept.
            if (_tail.Length > text.Length)
                _tail.Remove(0, _tail.Length - text.Length);
            return Seen;
        }
    }
}
