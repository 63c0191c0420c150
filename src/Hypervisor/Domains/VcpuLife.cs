using System.Collections.Immutable;
using Stateless;
using Stateless.Reflection;

namespace XenSim.Hypervisor.Domains;

/// <summary>Coarse life of a vCPU. Pause counts and pause flags are counters beside it, not states.</summary>
public enum VcpuState : byte
{
    /// <summary>Not brought up (VPF_down).</summary>
    Offline,
    Runnable,
    Running,

    /// <summary>Waits for an event (VPF_blocked).</summary>
    Blocked,

    /// <summary>Its domain crashed under it.</summary>
    Crashed,
}

public enum VcpuTrigger : byte
{
    Up,
    Down,
    Schedule,
    Preempt,
    Block,
    Wake,
    Crash,
}

/// <summary>
/// The declaration of the vCPU's coarse life, and the table made from it. A Stateless transition costs 280 ns and 1.2 kB, so
/// the run loop uses the table; both say the same, and a test holds them to it.
/// </summary>
public static class VcpuLife
{
    private static readonly int _triggers = Enum.GetValues<VcpuTrigger>().Length;

    // Index: state * triggers + trigger; null = not permitted.
    private static readonly ImmutableArray<VcpuState?> _table = BuildTable();

    /// <summary>Next state, or null if the trigger means nothing in this state.</summary>
    public static VcpuState? Next(VcpuState state, VcpuTrigger trigger) => _table[((int)state * _triggers) + (int)trigger];

    /// <summary>A machine with the declaration, for the pictures and for the test.</summary>
    public static StateMachine<VcpuState, VcpuTrigger> Declare(VcpuState initial = VcpuState.Offline)
    {
        StateMachine<VcpuState, VcpuTrigger> m = new(initial);
        m.Configure(VcpuState.Offline).Permit(VcpuTrigger.Up, VcpuState.Runnable);
        m.Configure(VcpuState.Runnable)
            .Permit(VcpuTrigger.Schedule, VcpuState.Running)
            .Permit(VcpuTrigger.Down, VcpuState.Offline)
            .Permit(VcpuTrigger.Crash, VcpuState.Crashed);
        m.Configure(VcpuState.Running)
            .Permit(VcpuTrigger.Preempt, VcpuState.Runnable)
            .Permit(VcpuTrigger.Block, VcpuState.Blocked)
            .Permit(VcpuTrigger.Down, VcpuState.Offline)
            .Permit(VcpuTrigger.Crash, VcpuState.Crashed);
        m.Configure(VcpuState.Blocked)
            .Permit(VcpuTrigger.Wake, VcpuState.Runnable)
            .Permit(VcpuTrigger.Down, VcpuState.Offline)
            .Permit(VcpuTrigger.Crash, VcpuState.Crashed);
        return m;
    }

    private static ImmutableArray<VcpuState?> BuildTable()
    {
        VcpuState?[] table = new VcpuState?[Enum.GetValues<VcpuState>().Length * _triggers];
        foreach (StateInfo state in Declare().GetInfo().States)
        {
            foreach (FixedTransitionInfo t in state.FixedTransitions)
                table[((int)(VcpuState)state.UnderlyingState * _triggers) + (int)(VcpuTrigger)t.Trigger.UnderlyingTrigger] = (VcpuState)t.DestinationState.UnderlyingState;
        }

        return [.. table];
    }
}
