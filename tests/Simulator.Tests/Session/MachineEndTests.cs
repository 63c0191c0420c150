using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Tests.Session;

/// <summary>A session whose machine is switched off under dom0 (XENPF_enter_acpi_sleep), which never shuts down.</summary>
public sealed class MachineEndTests
{
    [Fact]
    public void A_machine_that_is_off_ends_the_session_as_a_power_off()
    {
        EventLog log = new();
        using BootSession session = new(
            new SessionOptions
            {
                Release = XenRelease.V4_17,
                Path = BootPath.Dom0,
                Host = new HostSpec { MemoryMiB = 512 },
                Guest = new() { Name = "dom0", Kernel = new("pv64", BuiltInGuest.Find("pv64")!.Image.ToArray()), MemoryMiB = 64 },
            },
            [log]);
        session.AtEntry = _ => Assert.Equal(0, session.Xen.ToolChannel.Hypercall(HypercallNumber.platform_op, new SleepRequest(), SleepRequest.Address));
        SessionOutcome outcome = session.Run(CancellationToken.None);
        Assert.Equal((SessionEnd.PoweredOff, "the machine powered off"), (outcome.End, outcome.Detail));
        Assert.Same(outcome, session.Domains[0].Outcome);
        Assert.Contains(log.Events, e => e.Event is MachineEnded { How: MachineEnd.PowerOff });
        Assert.DoesNotContain(log.Events, e => e.Event is DomainShutdown);
    }

    /// <summary>struct xen_platform_op: cmd 51, interface version, then val_a, val_b (SLP_EN, type 0), state 5, no flags.</summary>
    private sealed class SleepRequest : ICallerMemory
    {
        public const ulong Address = 0x1000;
        private readonly byte[] _bytes = new byte[256];

        public SleepRequest()
        {
            Span<byte> b = _bytes;
            b.WriteStruct(51u);
            b[4..].WriteStruct(0x0300_0001u);
            b[8..].WriteStruct(0x2001_2001u);
            b[12..].WriteStruct(5u);
        }

        public bool TryRead(VirtualAddress source, Span<byte> destination) => Within(source, destination.Length) && _bytes.AsSpan((int)(source.Value - Address), destination.Length).TryCopyTo(destination);

        public bool TryWrite(VirtualAddress destination, ReadOnlySpan<byte> source) => Within(destination, source.Length) && source.TryCopyTo(_bytes.AsSpan((int)(destination.Value - Address)));

        private bool Within(VirtualAddress at, int length) => at.Value >= Address && at.Value - Address + (ulong)length <= (ulong)_bytes.Length;
    }
}
