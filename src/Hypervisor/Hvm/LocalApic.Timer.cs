namespace XenSim.Hypervisor.Hvm;

/// <remarks>vlapic_update_timer, vlapic_get_tmcct, vlapic_tdt_msr_set; vpt.c: what a timer does that expires while its interrupt is masked.</remarks>
internal sealed partial class LocalApic
{
    private bool IsDeadlineMode => (Get(LvtTimer) & TimerModeMask) == TscDeadline;

    private bool IsPeriodic => (Get(LvtTimer) & TimerModeMask) == Periodic;

    /// <summary>IA32_TSC_DEADLINE.</summary>
    public ulong TscDeadlineMsr
    {
        get => IsDeadlineMode ? _tscDeadline : 0;
        set => SetTscDeadline(value);
    }

    /// <summary>Called when virtual time has passed <see cref="Deadline"/>.</summary>
    public void Fire(ulong now)
    {
        if (Deadline is not { } deadline || deadline > now)
            return;
        _expired = true;
        _tscDeadline = 0;
        if (_period != 0)
        {
            Deadline = deadline + (((now - deadline) / _period) + 1) * _period;
            _timerStart = Deadline.Value - _period;
        }
        else
        {
            Deadline = null;
        }

        DeliverTimer();
    }

    /// <summary>pt_update_irq: a tick that came while the entry was masked is delivered once it is not.</summary>
    private void DeliverTimer()
    {
        if (!_expired || !IsEnabled || (Get(LvtTimer) & Masked) != 0)
            return;
        _expired = false;
        SetIrq(Get(LvtTimer) & VectorMask, level: false);
    }

    private void WriteTimerEntry(uint value)
    {
        bool changes = IsDeadlineMode != ((value & TimerModeMask) == TscDeadline);
        if (changes)
        {
            Set(TimerInitial, 0);
            _tscDeadline = 0;
            StopTimer();
        }

        bool wasPeriodic = IsPeriodic;
        WriteEntry(LvtTimer, value);
        if (!changes && !IsDeadlineMode && wasPeriodic != IsPeriodic && Deadline is { } deadline)
        {
            ulong left = deadline > Xen.VirtualNanoseconds ? deadline - Xen.VirtualNanoseconds : 0;
            _period = IsPeriodic ? Period : 0;
            Deadline = Xen.VirtualNanoseconds + left;
        }

        DeliverTimer();
    }

    /// <summary>Unit: ns.</summary>
    private ulong Period => Get(TimerInitial) * BusCycleNanoseconds * _divisor;

    private void StartTimer()
    {
        _expired = false;
        if (Get(TimerInitial) == 0)
        {
            StopTimer();
            return;
        }

        _timerStart = Xen.VirtualNanoseconds;
        _period = IsPeriodic ? Period : 0;
        Deadline = _timerStart + Period;
        Xen.TimerSet = true;
    }

    private void StopTimer()
    {
        Deadline = null;
        _period = 0;
        _timerStart = 0;
        _expired = false;
    }

    private uint CurrentCount()
    {
        if (Get(TimerInitial) == 0 || Deadline is not { } deadline)
            return 0;
        ulong now = Xen.VirtualNanoseconds;
        return deadline <= now ? 0 : (uint)((deadline - now) / (BusCycleNanoseconds * _divisor));
    }

    /// <summary>A new divisor stretches or shrinks the ticks that are left.</summary>
    private void Rescale(uint oldDivisor)
    {
        if (IsDeadlineMode || Deadline is not { } deadline || oldDivisor == _divisor)
            return;
        ulong now = Xen.VirtualNanoseconds;
        ulong left = deadline > now ? deadline - now : 0;
        Deadline = now + (left * _divisor / oldDivisor);
        _period = IsPeriodic ? Period : 0;
        Xen.TimerSet = true;
    }

    /// <summary>vlapic_set_tdcr: bits 3, 1 and 0 count; 0b1011 divides by 1.</summary>
    private void SetDivide(uint value)
    {
        value &= 0xB;
        Set(TimerDivide, value);
        _divisor = 1u << (int)((((value & 3) | ((value & 8) >> 1)) + 1) & 7);
    }

    private void SetTscDeadline(ulong value)
    {
        if (IsHardwareDisabled || !IsDeadlineMode)
            return;
        ulong tsc = _vcpu.ReadTsc(0);
        _tscDeadline = value > tsc ? value : 0;
        _period = 0;
        _expired = false;
        Deadline = value == 0 ? null : value <= tsc ? Xen.VirtualNanoseconds : Xen.VirtualNanoseconds + NanosecondsFor(value - tsc);
        Xen.TimerSet = true;
    }

    private ulong NanosecondsFor(ulong ticks)
    {
        ulong khz = Xen.Options.Host.CpuKhz;
        UInt128 nanoseconds = (((UInt128)ticks * 1_000_000) + khz - 1) / khz;
        return nanoseconds > long.MaxValue ? long.MaxValue : (ulong)nanoseconds;
    }
}
