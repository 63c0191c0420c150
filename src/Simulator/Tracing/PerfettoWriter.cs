using System.Globalization;
using System.Text;
using System.Text.Json;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Tracing;

/// <summary>
/// The event stream in the Trace Event Format that Perfetto and Chrome open: the tools' stages and hypercalls, the hypervisor's stages, and of every domain its vCPUs with
/// their hypercalls, exceptions and privileged accesses, and its console. Tools and hypervisor take no virtual time: every event moves the clock on by a microsecond, so that
/// what happens at one instant stands in its order; the true time is among the arguments.
/// </summary>
public sealed class PerfettoWriter : IEventConsumer, IDisposable
{
    private const int ToolsProcess = 1, HypervisorProcess = 2, FirstDomain = 100, StagesThread = 1, CallsThread = 2, StoreThread = 3, ConsoleThread = 1000;
    private const double NanosecondsPerMicrosecond = 1000;

    private readonly Stream _output;
    private readonly Utf8JsonWriter _json;
    private readonly Dictionary<(int Process, int Thread), List<string>> _open = [];
    private readonly HashSet<(int Process, int? Thread)> _named = [];
    private double _last;

    public PerfettoWriter(Stream output)
    {
        _output = output;
        _json = new Utf8JsonWriter(output);
        _json.WriteStartObject();
        _json.WriteString("displayTimeUnit"u8, "ns"u8);
        _json.WriteStartArray("traceEvents"u8);
    }

    public bool Wants(Type eventType)
        => eventType == typeof(StageEntered) || eventType == typeof(StageReturned) || eventType == typeof(StageFailed) || eventType == typeof(HypercallEntered) || eventType == typeof(HypercallReturned)
            || eventType == typeof(GuestException) || eventType == typeof(PrivilegedAccess) || eventType == typeof(ConsoleOutput) || eventType == typeof(XenStoreRequest) || eventType == typeof(GuestStarted)
            || eventType == typeof(DomainShutdown) || eventType == typeof(MachineEnded) || eventType == typeof(PageWritten);

    public void On(in TimedEvent e)
    {
        _last = (e.VirtualNanoseconds / NanosecondsPerMicrosecond) + e.Sequence;
        switch (e.Event)
        {
            case StageEntered stage:
                Begin(Of(stage.Side), StagesThread, stage.Stage, "stage", e);
                break;
            case StageReturned stage:
                End(Of(stage.Side), StagesThread, stage.Stage, e);
                break;
            case StageFailed stage:
                End(Of(stage.Side), StagesThread, stage.Stage, e);
                break;
            case HypercallEntered call:
                (int process, int thread) = TrackOf(call.Issuer, call.Caller.Value, call.Vcpu);
                Begin(process, thread, call.SubOperation ?? call.Name, "hypercall", e);
                break;
            case HypercallReturned call:
                (process, thread) = TrackOf(call.Issuer, call.Caller.Value, call.Vcpu);
                End(process, thread, call.SubOperation ?? call.Name, e);
                break;
            case GuestException exception:
                Instant(FirstDomain + exception.Domain.Value, exception.Vcpu + 1, string.Create(CultureInfo.InvariantCulture, $"exception {exception.Vector}"), "exit", e);
                break;
            case PrivilegedAccess access:
                Instant(FirstDomain + access.Domain.Value, access.Vcpu + 1, access.Kind, "exit", e);
                break;
            case GuestStarted started:
                Instant(FirstDomain + started.Domain.Value, started.Vcpu + 1, "first instruction", "life", e);
                break;
            case DomainShutdown shutdown:
                Instant(FirstDomain + shutdown.Domain.Value, 1, "shutdown", "life", e);
                break;
            case MachineEnded machine:
                Instant(HypervisorProcess, StagesThread, machine.How == MachineEnd.PowerOff ? "power off" : "reset", "life", e);
                break;
            case PageWritten page:
                Instant(FirstDomain + page.Domain.Value, 1, $"{page.What} written", "memory", e);
                break;
            case ConsoleOutput console:
                Instant(FirstDomain + console.Domain.Value, ConsoleThread, Printable(console.Bytes), "console", e);
                break;
            case XenStoreRequest request:
                Instant(ToolsProcess, StoreThread, $"{request.Operation} {request.Path}", "xenstore", e);
                break;
            default:
                throw new NotSupportedException($"no track for {e.Event.GetType().Name}");
        }
    }

    /// <summary>Ends what is still open and the file.</summary>
    public void Dispose()
    {
        foreach (((int process, int thread), List<string> names) in _open)
        {
            for (int i = names.Count - 1; i >= 0; i--)
                Event('E', process, thread, names[i], "", null);
        }

        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.Dispose();
        _output.Dispose();
    }

    private static int Of(Side side) => side == Side.Toolstack ? ToolsProcess : HypervisorProcess;

    private static (int Process, int Thread) TrackOf(Issuer issuer, int domain, int vcpu) => issuer == Issuer.Toolstack ? (ToolsProcess, CallsThread) : (FirstDomain + domain, vcpu + 1);

    private static string Printable(byte[] bytes) => string.Concat(Encoding.Latin1.GetString(bytes).TrimEnd().Select(c => char.IsControl(c) ? '·' : c));

    private void Begin(int process, int thread, string name, string category, in TimedEvent e)
    {
        Name(process, thread);
        OpenOn(process, thread).Add(name);
        Event('B', process, thread, name, category, e.Event, e);
    }

    /// <summary>Slices of a track nest: what was opened inside and did not end, ends with it. A call that was never entered (a guest's that does not return) is none.</summary>
    private void End(int process, int thread, string name, in TimedEvent e)
    {
        List<string> open = OpenOn(process, thread);
        int at = open.LastIndexOf(name);
        for (int i = open.Count - 1; at >= 0 && i >= at; i--)
            Event('E', process, thread, open[i], "", i == at ? e.Event : null, e);
        if (at >= 0)
            open.RemoveRange(at, open.Count - at);
    }

    private void Instant(int process, int thread, string name, string category, in TimedEvent e)
    {
        Name(process, thread);
        Event('i', process, thread, name, category, e.Event, e);
    }

    private List<string> OpenOn(int process, int thread)
    {
        if (!_open.TryGetValue((process, thread), out List<string>? open))
            _open[(process, thread)] = open = [];
        return open;
    }

    private void Event(char phase, int process, int thread, string name, string category, XenEvent? fields, TimedEvent at = default)
    {
        _json.WriteStartObject();
        _json.WriteString("ph"u8, phase.ToString());
        _json.WriteString("name"u8, name);
        if (category.Length > 0)
            _json.WriteString("cat"u8, category);
        _json.WriteNumber("ts"u8, _last);
        _json.WriteNumber("pid"u8, process);
        _json.WriteNumber("tid"u8, thread);
        if (phase == 'i')
            _json.WriteString("s"u8, "t"u8);
        if (fields is not null)
        {
            _json.WriteStartObject("args"u8);
            _json.WriteNumber("seq"u8, at.Sequence);
            _json.WriteNumber("ns"u8, at.VirtualNanoseconds);
            _json.WriteNumber("instructions"u8, at.Instructions);
            EventFields.Write(_json, fields);
            _json.WriteEndObject();
        }

        _json.WriteEndObject();
        if (_json.BytesPending > 1 << 16)
            _json.Flush();
    }

    /// <summary>Tracks are named when they first have something on them.</summary>
    private void Name(int process, int thread)
    {
        if (_named.Add((process, null)))
            Metadata("process_name", process, 0, process switch { ToolsProcess => "tools in dom0", HypervisorProcess => "Xen", _ => string.Create(CultureInfo.InvariantCulture, $"domain {process - FirstDomain}") });
        if (!_named.Add((process, thread)))
            return;
        string name = process switch
        {
            ToolsProcess => thread switch { StagesThread => "stages", CallsThread => "hypercalls", _ => "xenstore" },
            HypervisorProcess => "stages",
            _ => thread == ConsoleThread ? "console" : string.Create(CultureInfo.InvariantCulture, $"vCPU {thread - 1}"),
        };
        Metadata("thread_name", process, thread, name);
    }

    private void Metadata(string what, int process, int thread, string name)
    {
        _json.WriteStartObject();
        _json.WriteString("ph"u8, "M"u8);
        _json.WriteString("name"u8, what);
        _json.WriteNumber("pid"u8, process);
        _json.WriteNumber("tid"u8, thread);
        _json.WriteStartObject("args"u8);
        _json.WriteString("name"u8, name);
        _json.WriteEndObject();
        _json.WriteEndObject();
    }
}
