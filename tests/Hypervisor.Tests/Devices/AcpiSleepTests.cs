using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Scheduling;
using XenSim.Hypervisor.Tests.Core;

namespace XenSim.Hypervisor.Tests.Devices;

/// <summary>XENPF_enter_acpi_sleep. Sources: RELEASE-4.17.0 and RELEASE-4.0.4 xen/arch/x86/acpi/power.c; the lines of S5: oracle, dom0-linux-6.1.</summary>
public class AcpiSleepTests
{
    private const ushort Off = 0x2001;

    [Theory]
    [InlineData(XenRelease.V4_17, "Preparing system for ACPI S5 state.|Disabling non-boot CPUs ...|Entering ACPI S5 state.")]
    [InlineData(XenRelease.V4_0, "Preparing system for ACPI S5 state.Freezing cpus ...|Entering ACPI S5 state.")]
    public void In_S5_the_machine_is_off(XenRelease release, string lines)
    {
        using Host host = new(release);
        Assert.Equal(XenErrno.None, Sleep(host, Off, Off, 5, 0));
        Assert.Equal(lines.Split('|'), Lines(host));
        Assert.Equal(MachineEnd.PowerOff, host.Xen.Ended);
        Assert.Equal(RunStopReason.MachineEnded, host.Xen.Run(new RunLimits()).Reason);
        Assert.DoesNotContain(host.Recorder.Events, e => e is DomainShutdown);
    }

    /// <summary>Flags first of XENPF_ACPI_SLEEP_EXTENDED, for which this machine has no register, then the values, then other flags, then the state.</summary>
    [Theory]
    [InlineData(XenRelease.V4_17, Off, Off, 5u, 1u, XenErrno.EPERM)]
    [InlineData(XenRelease.V4_17, Off, 1, 5u, 3u, XenErrno.EPERM)]
    [InlineData(XenRelease.V4_17, Off, 1, 5u, 0u, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, Off, 0, 9u, 0u, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, Off, Off, 5u, 2u, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, Off, Off, 0u, 0u, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, Off, Off, 6u, 0u, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_0, Off, Off, 5u, 1u, XenErrno.EINVAL)]
    public void What_is_refused_prints_nothing(XenRelease release, ushort a, ushort b, uint state, uint flags, XenErrno errno)
    {
        using Host host = new(release);
        Assert.Equal(errno, Sleep(host, a, b, state, flags));
        Assert.Empty(Lines(host));
        Assert.Null(host.Xen.Ended);
    }

    /// <summary>4.0 looks at the pm1b value that it has from the call before, 4.17 at the caller's.</summary>
    [Fact]
    public void A_mismatch_is_4_0_s_business_from_the_second_call_on()
    {
        using Host host = new(XenRelease.V4_0);
        Assert.Equal(XenErrno.EINVAL, Sleep(host, Off, 1, 4, 0));
        Assert.Equal("Finishing wakeup from ACPI S4 state.", Lines(host)[^2]);
        Assert.Equal(XenErrno.EINVAL, Sleep(host, Off, 1, 5, 0)); // refused for what the first call left
        Assert.Null(host.Xen.Ended);
        Assert.Equal(XenErrno.None, Sleep(host, Off, Off, 5, 0));
        Assert.NotNull(host.Xen.Ended);
    }

    [Theory]
    [InlineData(1u)]
    [InlineData(4u)]
    public void From_a_state_that_Xen_does_not_enter_it_wakes_at_once(uint state)
    {
        using Host host = new(XenRelease.V4_17);
        Assert.Equal(XenErrno.EINVAL, Sleep(host, Off, Off, state, 0));
        Assert.Equal(
            [$"Preparing system for ACPI S{state} state.", "Disabling non-boot CPUs ...", $"Entering ACPI S{state} state.", $"Finishing wakeup from ACPI S{state} state.", "Enabling non-boot CPUs  ..."],
            Lines(host));
        Assert.Null(host.Xen.Ended);
    }

    [Fact]
    public void Suspend_to_RAM_stops_by_name()
    {
        using Host host = new(XenRelease.V4_17);
        Sleep(host, Off, Off, 3, 0);
        Assert.Contains(host.Recorder.Events, e => e is NotImplementedHere { Name: "ACPI S3", Ours: true });
    }

    /// <summary>acpi_enter_sleep_state waits for the wake status, and every domain is paused.</summary>
    [Fact]
    public void A_value_without_SLP_EN_leaves_the_machine_on_and_waiting()
    {
        using Host host = new(XenRelease.V4_17);
        Assert.Equal(XenErrno.None, Sleep(host, 1, 1, 5, 0));
        Assert.Null(host.Xen.Ended);
        Assert.All(host.Xen.Domains, d => Assert.True(d.PauseCount > 0));
    }

    private static XenErrno Sleep(Host host, ushort a, ushort b, uint state, uint flags)
    {
        Span<byte> request = stackalloc byte[12];
        request.WriteStruct(a);
        request[2..].WriteStruct(b);
        request[4..].WriteStruct(state);
        request[8..].WriteStruct(flags);
        return AcpiSleep.Enter(host.Xen, request);
    }

    private static string[] Lines(Host host) => [.. host.Recorder.Events.OfType<LogLine>().Where(l => l.Context == "XEN").Select(l => l.Text)];
}
