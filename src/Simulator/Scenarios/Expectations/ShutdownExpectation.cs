using System.Collections.Immutable;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>shutdown: poweroff</c></summary>
internal static class ShutdownExpectation
{
    // Source: stable-4.17 xen/include/public/sched.h, SHUTDOWN_*.
    private static readonly Dictionary<string, uint> s_reasons = new()
    {
        ["poweroff"] = 0,
        ["reboot"] = 1,
        ["suspend"] = 2,
        ["crash"] = 3,
        ["watchdog"] = 4,
        ["soft_reset"] = 5,
    };

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single(
        "shutdown", "The reason with which the guest shuts down.", new ChoiceShape<uint>("a shutdown reason", s_reasons), Moment.End, Check);

    private static string? Check(uint expected, IEvidence evidence)
    {
        DomainShutdown? shutdown = evidence.Events.Select(e => e.Event).OfType<DomainShutdown>().LastOrDefault(s => s.Domain == evidence.Subject);

        // A dom0 that has ACPI goes off with the machine, and shuts down no domain.
        if (shutdown is null && evidence.Subject == DomainId.Dom0 && evidence.Events.Select(e => e.Event).OfType<MachineEnded>().LastOrDefault() is { } machine)
            shutdown = new DomainShutdown(DomainId.Dom0, machine.How == MachineEnd.PowerOff ? s_reasons["poweroff"] : s_reasons["reboot"]);
        string wanted = s_reasons.First(r => r.Value == expected).Key;
        if (shutdown is null)
            return $"expected shutdown {wanted}, the guest never shut down ({evidence.Outcome?.Detail})";
        return shutdown.Reason == expected ? null : $"expected shutdown {wanted}, got {s_reasons.FirstOrDefault(r => r.Value == shutdown.Reason).Key ?? shutdown.Reason.ToString(System.Globalization.CultureInfo.InvariantCulture)}";
    }
}
