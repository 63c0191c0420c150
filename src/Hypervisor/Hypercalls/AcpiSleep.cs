using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>XENPF_enter_acpi_sleep: what dom0 would write to PM1 control, Xen writes when it has put its own things to rest.</summary>
/// <remarks>Source: RELEASE-4.17.0 and RELEASE-4.0.4 xen/arch/x86/acpi/power.c: acpi_enter_sleep, enter_state; xen/common/cpu.c, 4.0 smpboot.c: disable_nonboot_cpus.</remarks>
internal static class AcpiSleep
{
    private const uint SuspendToRam = 3, SoftOff = 5;

    /// <summary>XENPF_ACPI_SLEEP_EXTENDED: by the sleep control register of hardware-reduced ACPI, which this machine has not.</summary>
    private const uint Extended = 1;
    private const ushort SleepEnable = 1 << 13;

    /// <param name="request">val_a and val_b (pm1a_cnt_val, pm1b_cnt_val), sleep_state, flags.</param>
    public static XenErrno Enter(Xen xen, ReadOnlySpan<byte> request)
    {
        ushort a = request.ReadStruct<ushort>(), b = request[2..].ReadStruct<ushort>();
        uint state = request[4..].ReadStruct<uint>(), flags = request[8..].ReadStruct<uint>();
        bool v40 = xen.Profile.Release == XenRelease.V4_0;
        if (!v40 && (flags & Extended) != 0)
            return XenErrno.EPERM;

        // 4.0 looks at the value of the call before.
        if ((v40 ? xen.Pm1bControl : b) != 0 && ((a ^ b) & SleepEnable) != 0)
        {
            if (xen.Options.DebugBuild)
                xen.Log(LogLevel.Error, "Mismatched pm1a/pm1b setting");
            return XenErrno.EINVAL;
        }

        if (flags != 0)
            return XenErrno.EINVAL;
        xen.Pm1bControl = b;
        return state is 0 or > SoftOff ? XenErrno.EINVAL : EnterState(xen, state, a);
    }

    /// <summary>enter_state. Of the states that firmware has, Xen enters two; the others end in waking up at once.</summary>
    private static XenErrno EnterState(Xen xen, uint state, ushort control)
    {
        Announce(xen, state);
        if (state is SuspendToRam)
        {
            xen.NotImplemented("ACPI S3", "the machine does not wake from suspend to RAM", ours: true);
            return XenErrno.EINVAL;
        }

        if (state is not SoftOff)
        {
            xen.Log(LogLevel.Info, $"Finishing wakeup from ACPI S{state} state.");
            xen.Log(LogLevel.Info, xen.Profile.Release == XenRelease.V4_0 ? "Thawing cpus ..." : "Enabling non-boot CPUs  ...");
            return XenErrno.EINVAL;
        }

        // freeze_domains: if the machine stays on, Xen waits for ever for the wake status, with every domain paused.
        foreach (Domain d in xen.Domains)
            d.Pause();
        xen.Ports.Write(xen.Options.Host.Firmware.Pm1Control, 2, control);
        return XenErrno.None;
    }

    /// <summary>4.0's first line has no end.</summary>
    private static void Announce(Xen xen, uint state)
    {
        string preparing = $"Preparing system for ACPI S{state} state.";
        if (xen.Profile.Release == XenRelease.V4_0)
        {
            xen.Log(LogLevel.Info, preparing + "Freezing cpus ...");
            for (int cpu = 1; cpu < xen.OnlineCpus; cpu++)
                xen.Log(LogLevel.Info, $"CPU{cpu} is down");
        }
        else
        {
            xen.Log(LogLevel.Info, preparing);
            xen.Log(LogLevel.Info, "Disabling non-boot CPUs ...");
        }

        xen.Log(LogLevel.Info, $"Entering ACPI S{state} state.");
    }
}
