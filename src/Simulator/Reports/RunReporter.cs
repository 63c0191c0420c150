using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Reports;

/// <summary>Looks back at a session that is over.</summary>
internal static class RunReporter
{
    /// <summary>A guest may print without end. Unit: characters.</summary>
    private const int LongestConsole = 256 * 1024;

    /// <summary>Stages beyond this are a guest that is created again and again.</summary>
    private const int MostStages = 4_000;

    public static RunReport Report(BootSession session, EventLog log)
    {
        StageRecord stages = new();
        StringBuilder console = new();
        foreach (TimedEvent e in log.Events)
        {
            if (stages.Wants(e.Event.GetType()))
                stages.On(e);
            if (e.Event is ConsoleOutput output && output.Domain == session.Subject)
                console.Append(Encoding.Latin1.GetString(output.Bytes));
        }

        foreach (SessionDomain other in session.Domains.Where(d => d.Id != session.Subject && d.Id != DomainId.Invalid))
        {
            console.Append(CultureInfo.InvariantCulture, $"\n--- {other.Spec.Name}, {other.Id} ---\n");
            console.Append(string.Concat(log.Events.Select(e => e.Event).OfType<ConsoleOutput>().Where(c => c.Domain == other.Id).Select(c => Encoding.Latin1.GetString(c.Bytes))));
        }

        return new RunReport
        {
            Console = console.Length <= LongestConsole ? console.ToString() : $"[{console.Length - LongestConsole} characters before this]\n{console.ToString(console.Length - LongestConsole, LongestConsole)}",
            Stages = [.. stages.Rows.Take(MostStages).Select(r => Stage(r, log.Events))],
            Memory = MemoryMap.Of(session, log),
            Page = Page(session),
            Hypercalls = Calls(log),
        };
    }

    private static StageReport Stage(StageRow row, IReadOnlyList<TimedEvent> events)
    {
        StreamPosition left = row.Left ?? new StreamPosition(events[^1].Sequence, events[^1].Instructions);
        return new StageReport(
            row.Depth, row.Stage, row.Side switch { Side.Toolstack => "t", Side.Hypervisor => "h", _ => "g" }, row.Mark switch { StageMark.Returned => "r", StageMark.Failed => "f", _ => "o" },
            row.Entered.Instructions, left.Instructions - row.Entered.Instructions, row.Entered.Sequence, left.Sequence - row.Entered.Sequence, row.Calls, row.Note, row.MachineDepth);
    }

    private static PageReport? Page(BootSession session)
    {
        if (session.HypercallPages.LastOrDefault(p => p.Domain == session.Subject) is not { } page)
            return null;
        return new PageReport(page.Writer, Convert.ToHexStringLower(SHA256.HashData(page.Bytes)), session.Entry is { Wide: false } ? 32 : 64, PageReport.Pack(page.Bytes));
    }

    private static CallReport[] Calls(EventLog log)
        => [.. log.Events.Select(e => e.Event).OfType<HypercallReturned>()
            .GroupBy(c => (By: c.Issuer.ToString().ToLowerInvariant(), Name: c.SubOperation ?? c.Name))
            .Select(g => new CallReport(g.Key.By, g.Key.Name, g.Count(), g.Count(c => c.Result < 0)))
            .OrderBy(c => c.By, StringComparer.Ordinal).ThenByDescending(c => c.Count).ThenBy(c => c.Name, StringComparer.Ordinal)];
}
