using System.Text;
using XenSim.Hypervisor;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Session;

/// <summary>Keeps of the event stream what a session must not miss: who the guest is, how it was started, its hypercall pages, and the end of <c>until</c>.</summary>
internal sealed class GuestWatch(SessionOptions options) : IEventConsumer
{
    private const string HypercallPage = "hypercall page";
    private readonly List<WrittenHypercallPage> _pages = [];
    private readonly StringBuilder _console = new();
    private readonly Dictionary<DomainId, GuestEntry> _entries = [];
    private int _created;

    /// <summary>Set as soon as there is one; Xen emits events while it is being made.</summary>
    public Xen? Xen { get; set; }

    /// <summary>Called when a domain's first instruction is about to run; once for the subject, whatever restarts it.</summary>
    public Action<DomainId>? AtEntry { get; set; }

    public DomainId? Subject { get; private set; }

    public GuestEntry? Entry { get; private set; }

    public IReadOnlyList<WrittenHypercallPage> Pages => _pages;

    /// <summary>What <c>until</c> names has been reached.</summary>
    public bool Reached { get; private set; }

    /// <summary>The first failure that nobody injected, which explains the ones after it; the tools' one before that of a domctl behind it.</summary>
    public StageFailed? FirstFailure { get; private set; }

    /// <summary>What XenSim lacks and stopped at, by name.</summary>
    public string? Unimplemented { get; private set; }

    public bool Wants(Type eventType)
        => eventType == typeof(DomainCreated) || eventType == typeof(GuestStarted) || eventType == typeof(PageWritten)
            || eventType == typeof(StageFailed) || eventType == typeof(NotImplementedHere)
            || (eventType == typeof(ConsoleOutput) && options.Until.Kind == UntilKind.Console)
            || (eventType == typeof(HypercallEntered) && options.Until.Kind == UntilKind.Hypercall)
            || (eventType == typeof(StageEntered) && options.Until.Kind == UntilKind.Stage);

    public void On(in TimedEvent e)
    {
        switch (e.Event)
        {
            case DomainCreated created:
                OnCreated(created.Domain);
                break;
            case GuestStarted { Vcpu: 0 } started when started.Domain == Subject ? Entry is null : options.Others.Count > 0:
                OnStarted(started.Domain);
                break;
            case PageWritten { What: HypercallPage } written when Xen is not null:
                _pages.Add(new WrittenHypercallPage(written.Domain, written.Writer, Xen.Memory.Readable(written.Frame.Value).ToArray()));
                break;
            case NotImplementedHere { Ours: true } missing:
                Unimplemented ??= $"{missing.Name}: {missing.Detail}";
                break;
            case StageFailed { Injected: false } failed:
                if (FirstFailure is null || (FirstFailure.Side == Side.Hypervisor && failed.Side == Side.Toolstack))
                    FirstFailure = failed;
                break;
            case ConsoleOutput output when output.Domain == Subject:
                OnConsole(output.Bytes);
                break;
            case HypercallEntered call when call.Name == options.Until.Text || call.SubOperation == options.Until.Text:
            case StageEntered stage when stage.Stage == options.Until.Text:
                Reach();
                break;
            default:
                break;
        }
    }

    /// <summary>The domain a scenario is about: dom0 on its path, the device model's domain (the second that is made) on the stubdom path, else the first.</summary>
    private void OnCreated(DomainId domain)
    {
        if (domain == DomainId.Dom0)
        {
            if (options.Path == BootPath.Dom0)
                Subject = domain;
            return;
        }

        _created++;
        if (_created == (options.Path == BootPath.Stubdom ? 2 : 1) && options.Path != BootPath.Dom0)
            Subject = domain;
    }

    /// <summary>The domain is created again: the next one is the subject. What is known of the first start stays.</summary>
    public void ExpectAnother() => _created = 0;

    private void OnStarted(DomainId id)
    {
        if (Xen?.FindDomain(id) is not { Vcpus.Count: > 0 } domain)
            return;
        GuestEntry entry = _entries[id] = new GuestEntry(id, EntryRegisters.Capture(domain.Vcpus[0].Cpu), StartInfoOf(domain), domain.Abi == Abi.X64);
        if (id == Subject)
            Entry = entry;
        AtEntry?.Invoke(id);
    }

    /// <summary>Null: it never ran.</summary>
    public GuestEntry? EntryOf(DomainId id) => _entries.GetValueOrDefault(id);

    /// <summary>A PV kernel is given its start_info in RSI (xen/include/public/arch-x86/xen.h and xen.h, "start-of-day memory layout").</summary>
    private static byte[] StartInfoOf(Domain domain)
    {
        byte[] page = new byte[4096];
        return !domain.IsHvm && GuestView.TryReadVirtual(domain, domain.Vcpus[0].Cpu[Guest.Cpu.Gpr.Rsi], page) ? page : [];
    }

    private void OnConsole(byte[] bytes)
    {
        _console.Append(Encoding.Latin1.GetString(bytes));
        if (_console.ToString().Contains(options.Until.Text, StringComparison.Ordinal))
            Reach();

        // Only what may be the beginning of the text has to be kept.
        if (_console.Length > options.Until.Text.Length)
            _console.Remove(0, _console.Length - options.Until.Text.Length);
    }

    private void Reach()
    {
        Reached = true;
        Xen?.RequestStop($"until {options.Until}");
    }
}
