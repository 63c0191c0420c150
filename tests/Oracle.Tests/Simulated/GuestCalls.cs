using XenSim.Hypervisor.Public.Events;
using XenSim.Oracle.Tests.Golden;
using XenSim.Simulator.Tracing;

namespace XenSim.Oracle.Tests.Simulated;

/// <summary>The guest's hypercalls of a session, in the form of <see cref="GuestCallTrace"/>.</summary>
internal sealed class GuestCalls : IEventConsumer
{
    private readonly List<string> calls = [];
    private readonly List<(uint Number, ulong Address)> traps = [];
    private readonly HashSet<(Issuer Issuer, int Vcpu, uint Number)> preempted = [];

    public IReadOnlyList<string> All => calls;

    /// <summary>Number of each call that trapped by itself, and the address it trapped at.</summary>
    public IReadOnlyList<(uint Number, ulong Address)> Traps => traps;

    public bool Wants(Type eventType) => eventType == typeof(HypercallEntered) || eventType == typeof(HypercallReturned);

    public void On(in TimedEvent e)
    {
        if (e.Event is HypercallReturned { Preempted: true, Caller.Value: not 0 } stopped)
        {
            preempted.Add((stopped.Issuer, stopped.Vcpu, stopped.Number));
        }

        // A call and its continuations count as one.
        if (e.Event is not HypercallEntered { Caller.Value: not 0 } call || preempted.Remove((call.Issuer, call.Vcpu, call.Number)))
        {
            return;
        }

        calls.Add(call.Name switch
        {
            "grant_table_op" or "vcpu_op" => $"{call.Name} {call.SubOperation} {call.Arguments[0].Value}",
            "sched_op" => $"{call.Name} {call.SubOperation}",
            "mmu_update" or "mmuext_op" or "multicall" => $"{call.Name} {call.Arguments[0].Value}",
            _ => call.Name,
        });
        if (call.Issuer == Issuer.Guest)
        {
            traps.Add((call.Number, call.InstructionPointer));
        }
    }
}
