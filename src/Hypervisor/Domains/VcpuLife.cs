using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Stateless;

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
/// The declaration of the vCPU's coarse life, as a Stateless machine and as a table. A Stateless transition costs 280 ns and 1.2 kB, so
/// the run loop uses the table; both say the same, and a test holds them to it.
/// </summary>
public static class VcpuLife
{
    private const int States = (int)VcpuState.Crashed + 1;
    private const int Triggers = (int)VcpuTrigger.Crash + 1;

    private static readonly (VcpuState From, VcpuTrigger Trigger, VcpuState To)[] _transitions =
    [
        (VcpuState.Offline, VcpuTrigger.Up, VcpuState.Runnable),
        (VcpuState.Runnable, VcpuTrigger.Schedule, VcpuState.Running),
        (VcpuState.Runnable, VcpuTrigger.Down, VcpuState.Offline),
        (VcpuState.Runnable, VcpuTrigger.Crash, VcpuState.Crashed),
        (VcpuState.Running, VcpuTrigger.Preempt, VcpuState.Runnable),
        (VcpuState.Running, VcpuTrigger.Block, VcpuState.Blocked),
        (VcpuState.Running, VcpuTrigger.Down, VcpuState.Offline),
        (VcpuState.Running, VcpuTrigger.Crash, VcpuState.Crashed),
        (VcpuState.Blocked, VcpuTrigger.Wake, VcpuState.Runnable),
        (VcpuState.Blocked, VcpuTrigger.Down, VcpuState.Offline),
        (VcpuState.Blocked, VcpuTrigger.Crash, VcpuState.Crashed),
    ];

    // Index: state * Triggers + trigger; null = not permitted.
    private static readonly ImmutableArray<VcpuState?> _table = BuildTable();

    /// <summary>Next state, or null if the trigger means nothing in this state.</summary>
    public static VcpuState? Next(VcpuState state, VcpuTrigger trigger) => _table[((int)state * Triggers) + (int)trigger];

    /// <summary>A machine with the declaration, for the pictures and for the test.</summary>
    public static StateMachine<VcpuState, VcpuTrigger> Declare(VcpuState initial = VcpuState.Offline)
    {
        StateMachine<VcpuState, VcpuTrigger> m = new(initial);
        foreach ((VcpuState from, VcpuTrigger trigger, VcpuState to) in _transitions)
            m.Configure(from).Permit(trigger, to);
        return m;
    }

    private static ImmutableArray<VcpuState?> BuildTable()
    {
        VcpuState?[] table = new VcpuState?[States * Triggers];
        foreach ((VcpuState from, VcpuTrigger trigger, VcpuState to) in _transitions)
            table[((int)from * Triggers) + (int)trigger] = to;
        return ImmutableCollectionsMarshal.AsImmutableArray(table);
    }
}
