using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Domains;

/// <summary>The two watchdogs of a domain (4.17): one that is not set again in time ends it.</summary>
/// <remarks>Source: stable-4.17 xen/common/sched/core.c: domain_watchdog, domain_watchdog_timeout; answers: oracle, dom0-calls.</remarks>
internal sealed class DomainWatchdogs(Domain domain)
{
    /// <summary>NR_DOMAIN_WATCHDOG_TIMERS.</summary>
    private const int Count = 2;
    private const ulong Second = 1_000_000_000;
    private readonly bool[] _used = new bool[Count];
    private readonly ulong?[] _due = new ulong?[Count];

    /// <summary>The next one to bark. Unit: ns of virtual time; <see cref="ulong.MaxValue"/>: none.</summary>
    public ulong Next => Math.Min(_due[0] ?? ulong.MaxValue, _due[1] ?? ulong.MaxValue);

    /// <param name="id">0: a free one.</param>
    /// <param name="timeout">Unit: s; 0 gives a watchdog back.</param>
    /// <returns>What the call returns: the number of a new one, 0, or an error.</returns>
    public long Set(uint id, uint timeout)
    {
        ulong due = domain.Xen.VirtualNanoseconds + (timeout * Second);
        if (id > Count)
            return XenErrno.EINVAL.ToResult();
        if (id == 0)
        {
            int free = Array.IndexOf(_used, false);

            // The error is computed in 32 bits without sign and returned in 64: no caller sees it as an error.
            if (free < 0)
                return (uint)XenErrno.ENOSPC.ToResult();
            (_used[free], _due[free]) = (true, due);
            return free + 1;
        }

        if (!_used[id - 1])
            return XenErrno.EINVAL.ToResult();
        _used[id - 1] = timeout != 0;
        _due[id - 1] = timeout == 0 ? null : due;
        return 0;
    }

    /// <summary>domain_watchdog_timeout, of those that are due.</summary>
    public void Bark(ulong now)
    {
        if (Next > now)
            return;
        Array.Clear(_due);
        if (domain.IsShuttingDown || domain.IsDying)
            return;
        domain.Xen.Log(LogLevel.Error, $"Watchdog timer fired for domain {domain.Id.Value}");
        SchedOpCall.Shutdown(domain, (uint)ShutdownReason.watchdog);
    }
}
