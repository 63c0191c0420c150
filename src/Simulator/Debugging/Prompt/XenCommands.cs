using System.Globalization;
using System.Text;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>What Xen, xenstored and xenconsoled hold.</summary>
internal static class XenCommands
{
    public static readonly PromptCommand[] All =
    [
        new(["domains"], "", "Every domain and its state.", "", ["domains"], (s, _) => Domains(s)),
        new(["vcpus"], "", "Every vCPU: state, where it is, timers.", "", ["vcpus"], (s, _) => Vcpus(s)),
        new(["events", "evtchn"], "[DOMAIN]", "Event channels that are in use; those that are pending or masked say so.", "", ["events", "events d1"], Channels),
        new(["grants"], "[DOMAIN]", "Grant table entries that are in use.", "", ["grants"], Grants),
        new(["xenstore"], "[PATH]", "Nodes of xenstore, as xenstore-ls -fp.", "", ["xenstore", "xenstore /local/domain/1"], XenStore),
        new(["console"], "", "Everything that the guest has printed up to now.", "", ["console"], (s, _) => ConsoleText(s)),
        new(["type"], "TEXT", "Types at the guest's console; \\n is the return key.", "It is kept with its moment, so that history stays exact.", ["type ls\\n"],
            (s, a) => DataCommands.Change(s, new Typing(Encoding.UTF8.GetBytes((a.Text.Length > 0 ? a.Text : throw new PromptException("type: a text is missing")).Replace("\\n", "\n", StringComparison.Ordinal))))),
    ];

    private static void Domains(PromptState s)
    {
        foreach (Domain d in s.Debug.Inspect.Xen.Domains)
        {
            string subject = d.Id == s.Debug.Inspect.Session.Subject ? " <- the guest" : "";
            s.Line($"d{d.Id.Value,-5} {(d.IsHvm ? "HVM" : $"PV{d.AddressSize}")}  {d.State}  {d.Vcpus.Count} vCPU{(d.Vcpus.Count == 1 ? "" : "s")}, {d.TotPages} pages of {d.MaxPages}, pause count {d.PauseCount}{(d.ShutdownReason is { } r ? $", shutdown reason {r}" : "")}{subject}");
        }

        if (s.Debug.Inspect.Xen.Domains.Count == 0)
            s.Line("no domain yet");
    }

    public static void Vcpus(PromptState s)
    {
        foreach (Vcpu v in s.Debug.Inspect.Vcpus)
        {
            string mark = v == s.Debug.Inspect.Running ? "*" : " ";
            string timer = v.SingleshotTimer is { } t ? $", timer at {t.ToString("N0", CultureInfo.InvariantCulture)} ns" : "";
            s.Line($"{mark} d{v.Domain.Id.Value}v{v.Id}  {v.State}{(v.PauseFlags == PauseFlags.None ? "" : $" ({string.Join(", ", v.PauseFlags.ToString().ToLowerInvariant().Split(", ").Select(f => $"VPF_{f}"))})")}  rip {s.Address(v.Cpu.LinearRip)}  ran {v.CpuTime.ToString("N0", CultureInfo.InvariantCulture)} ns{timer}");
        }
    }

    private static void Channels(PromptState s, PromptArguments a)
    {
        foreach (Domain d in DomainsOf(s, a))
        {
            for (uint port = 0; d.EventChannels.IsValid(port); port++)
            {
                EventChannel c = d.EventChannels[port];
                if (c.State != EventChannelState.Closed)
                    s.Line($"d{d.Id.Value} port {port,-4} {c.State}{(c.RemotePort != 0 || c.RemoteDomain.Value != 0 ? $" with d{c.RemoteDomain.Value} port {c.RemotePort}" : "")}, vCPU {c.NotifyVcpu}{(c.Irq != 0 ? $", {(Virq)c.Irq}" : "")}{(d.EventChannels.IsPending(port) ? ", pending" : "")}{(d.EventChannels.IsMasked(port) ? ", masked" : "")}{(c.BoundByTools ? ", bound by the tools" : "")}");
            }
        }
    }

    private static void Grants(PromptState s, PromptArguments a)
    {
        foreach (Domain d in DomainsOf(s, a))
        {
            for (uint reference = 0; reference < d.GrantTable.EntryCount; reference++)
            {
                if (d.GrantTable.Header(reference) is { Flags: not 0 } g)
                    s.Line($"d{d.Id.Value} ref {reference,-5} to d{g.Domid}, {Flags((GrantEntryFlags)g.Flags)}, frame 0x{d.GrantTable.FullPageFrame(reference):x}{(d.GrantTable.Active(reference) is { Pin: not 0 } used ? $", {used.Frame} in use by d{used.Domain.Value}" : "")}");
            }
        }
    }

    /// <summary>As in xen/include/public/grant_table.h.</summary>
    private static string Flags(GrantEntryFlags flags) => string.Join(", ", flags.ToString().Split(", ").Select(f => $"GTF_{f}"));

    private static IEnumerable<Domain> DomainsOf(PromptState s, PromptArguments a)
    {
        if (a.Word(0) is not { } word)
            return s.Debug.Inspect.Xen.Domains;
        return ushort.TryParse(word.TrimStart('d'), out ushort id) && s.Debug.Inspect.Xen.FindDomain(new Hypervisor.Public.DomainId(id)) is { } d ? [d] : throw new PromptException($"there is no domain {word}; domains lists them");
    }

    private static void XenStore(PromptState s, PromptArguments a)
    {
        bool any = false;
        string path = a.Text.TrimEnd('/');
        foreach (string line in s.Debug.Inspect.Session.ListXenStore().Where(l => path.Length == 0 || l.StartsWith($"{path} = ", StringComparison.Ordinal) || l.StartsWith($"{path}/", StringComparison.Ordinal)))
        {
            s.Line(line);
            any = true;
        }

        if (!any)
            throw new PromptException(path.Length == 0 ? "xenstored does not run yet, or there is none" : $"there is no node {path}");
    }

    private static void ConsoleText(PromptState s)
    {
        StringBuilder text = new();
        for (long i = 0; i < s.Debug.Position.Event; i++)
        {
            if (s.Debug.EventAt(i).Event is ConsoleOutput output && output.Domain == s.Debug.Inspect.Session.Subject)
                text.Append(Encoding.Latin1.GetString(output.Bytes));
        }

        if (text.Length == 0)
            s.Line("the guest has printed nothing yet");
        else
            s.Line(new string([.. text.ToString().Where(c => c == '\n' || !char.IsControl(c))]).TrimEnd());
    }
}
