using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Domains;

/// <summary>SCHEDOP_watchdog: two timers that shut their domain down unless it sets them again.</summary>
/// <remarks>Source: stable-4.17 xen/common/sched/core.c: domain_watchdog, domain_watchdog_timeout.</remarks>
public sealed class Watchdogs
{
    private const int Count = 2;
    private const ulong NanosecondsPerSecond = 1_000_000_000;

    private readonly Domain _domain;
    private readonly ulong?[] _deadlines = new ulong?[Count];
    private readonly bool[] _used = new bool[Count];

    internal Watchdogs(Domain domain) => _domain = domain;

    /// <summary>When the first of them fires. Unit: ns of virtual time; null: none is set.</summary>
    internal ulong? Next => (_deadlines[0], _deadlines[1]) switch
    {
        ({ } a, { } b) => Math.Min(a, b),
        var (a, b) => a ?? b,
    };

    /// <summary>Number 0 takes a free timer and answers its number; else a timer is set again, or by 0 seconds given back.</summary>
    internal long Set(uint id, uint seconds, ulong now)
    {
        if (id > Count)
            return XenErrno.EINVAL.ToResult();
        ulong deadline = now + (seconds * NanosecondsPerSecond);
        if (id == 0)
        {
            int free = Array.IndexOf(_used, false);

            // The number is unsigned there, and so the errno comes out as 32 bits without sign.
            if (free < 0)
                return (uint)XenErrno.ENOSPC.ToResult();
            _used[free] = true;
            _deadlines[free] = deadline;
            return free + 1;
        }

        int timer = (int)id - 1;
        if (!_used[timer])
            return XenErrno.EINVAL.ToResult();
        _used[timer] = seconds != 0;
        _deadlines[timer] = seconds == 0 ? null : deadline;
        return 0;
    }

    /// <summary>domain_watchdog_timeout.</summary>
    internal void Fire(ulong now)
    {
        if (!(Next <= now) || _domain.IsShuttingDown || _domain.IsDying)
            return;
        Array.Clear(_deadlines);
        _domain.Xen.Log(LogLevel.Error, $"Watchdog timer fired for domain {_domain.Id.Value}");
        _domain.Shutdown((uint)ShutdownReason.watchdog);
    }
}
