using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Oracle.Tests.Golden;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Oracle.Tests.Simulated;

/// <summary>A session that has run, with its events.</summary>
internal sealed class Simulation : IDisposable
{
    private readonly EventLog log = new();

    private Simulation(SessionOptions options)
    {
        Session = new BootSession(options, [log]);
        Outcome = Session.Run(CancellationToken.None);
    }

    public BootSession Session { get; }

    public SessionOutcome Outcome { get; }

    public IEnumerable<XenEvent> Events => log.Events.Select(e => e.Event);

    /// <summary>Lines that the tools printed, as <c>xl -vvv</c> shows them.</summary>
    public IEnumerable<string> ToolLines => Events.OfType<LogLine>().Where(l => l.Context != "XEN").Select(l => l.Rendered);

    /// <summary>What the serial line would show: Xen's lines, and the guest's where <paramref name="via"/> carried them.</summary>
    public IEnumerable<string> Serial(string via = "console_io")
    {
        string open = "";
        foreach (var e in Events)
        {
            if (e is LogLine { Context: "XEN" } line)
            {
                yield return line.Rendered;
            }
            else if (e is ConsoleOutput output && output.Via == via)
            {
                open += System.Text.Encoding.Latin1.GetString(output.Bytes);
                for (int end = open.IndexOf('\n', StringComparison.Ordinal); end >= 0; end = open.IndexOf('\n', StringComparison.Ordinal))
                {
                    yield return open[..end].TrimEnd('\r');
                    open = open[(end + 1)..];
                }
            }
        }
    }

    /// <summary>Calls of the tools from createdomain on, in the form of the recordings.</summary>
    public List<ToolCall> ToolCalls()
    {
        var calls = new List<ToolCall>();
        HypercallEntered? entered = null;
        foreach (var e in Events)
        {
            switch (e)
            {
                case HypercallEntered { Caller.Value: 0, Vcpu: <= 0 } call when HypercallLog.IsCompared(call.Name, call.SubOperation):
                    entered = call;
                    break;
                case HypercallReturned returned when entered is not null && returned.Name == entered.Name && returned.SubOperation == entered.SubOperation:
                    calls.Add(Convert(entered, returned.Result));
                    entered = null;
                    break;
                case ForeignMapped { Kind: not ("MMAPBATCH_V2" or "MMAP_RESOURCE") } ofDaemon:
                    // A daemon says what it has just mapped. It is not xl: the recordings do not have its mapping.
                    if (calls.Count > 0 && calls[^1].Frames.SequenceEqual(ofDaemon.Frames.Select(f => f.Value)))
                    {
                        calls.RemoveAt(calls.Count - 1);
                    }

                    break;
                case ForeignMapped mapped:
                    calls.Add(new(mapped.Kind, null, new Dictionary<string, ulong> { ["num"] = (ulong)mapped.Frames.Count }, [.. mapped.Frames.Select(f => f.Value)], mapped.Error == XenErrno.None ? 0 : -1));
                    break;
            }
        }

        return [.. calls.SkipWhile(c => c.SubOperation != "XEN_DOMCTL_createdomain")];
    }

    /// <summary>Names of all calls of xl in order. Binding ports and mapping rings is its daemons' business.</summary>
    public List<string> AllToolCallNames()
    {
        var names = new List<string>();
        foreach (var e in Events)
        {
            switch (e)
            {
                case HypercallEntered { Caller.Value: 0, Vcpu: <= 0, SubOperation: { } name } when !name.StartsWith("EVTCHNOP_", StringComparison.Ordinal) || name == "EVTCHNOP_alloc_unbound":
                    names.Add(name);
                    break;
                case ForeignMapped { Kind: not ("MMAPBATCH_V2" or "MMAP_RESOURCE") }:
                    names.RemoveAt(names.LastIndexOf("MMAPBATCH_V2"));
                    break;
                case ForeignMapped mapped:
                    names.Add(mapped.Kind);
                    break;
            }
        }

        return names;
    }

    public static Simulation Run(SessionOptions options) => new(options);

    public void Dispose() => Session.Dispose();

    private static ToolCall Convert(HypercallEntered call, long result)
    {
        string? frame = call.SubOperation switch
        {
            "XEN_DOMCTL_hypercall_init" => "gmfn",
            "MMUEXT_PIN_L4_TABLE" or "MMUEXT_PIN_L3_TABLE" => "arg1",
            _ => null,
        };
        return new(
            call.Name,
            call.SubOperation,
            call.Arguments.Where(a => a.Name != frame && a.Text is null).ToDictionary(a => a.Name, a => a.Value),
            frame is null ? [] : [call.Arguments.First(a => a.Name == frame).Value],
            result);
    }
}
