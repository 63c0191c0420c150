using XenSim.Hypervisor.Boot;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Domains;

/// <summary>What Xen prints when domain 0 ends, and the machine with it.</summary>
internal static class HardwareDomainEnd
{
    public static string Line(Domain d, uint reason) => d.Xen.Profile.Release == XenRelease.V4_0 ? Line40(d, reason) : Line417(d, reason);

    /// <summary>RELEASE-4.0.4 xen/common/shutdown.c: dom0_shutdown.</summary>
    private static string Line40(Domain d, uint reason) => (ShutdownReason)reason switch
    {
        ShutdownReason.poweroff => "Domain 0 halted: halting machine.",
        ShutdownReason.crash => $"Domain 0 crashed: {MaybeReboot(d)}",
        ShutdownReason.reboot => "Domain 0 shutdown: rebooting machine.",
        _ => $"Domain 0 shutdown (unknown reason {(byte)reason}): {MaybeReboot(d)}",
    };

    /// <summary>stable-4.17 xen/common/shutdown.c: hwdom_shutdown.</summary>
    private static string Line417(Domain d, uint reason) => (ShutdownReason)reason switch
    {
        ShutdownReason.poweroff => "Hardware Dom0 halted: halting machine",
        ShutdownReason.crash => $"Hardware Dom0 crashed: {MaybeReboot(d)}",
        ShutdownReason.reboot => "Hardware Dom0 shutdown: rebooting machine",
        ShutdownReason.watchdog => "Hardware Dom0 shutdown: watchdog rebooting machine",
        ShutdownReason.soft_reset => "Hardware domain 0 did unsupported soft reset, rebooting.",
        _ => $"Hardware Dom0 shutdown (unknown reason {(byte)reason}): {MaybeReboot(d)}",
    };

    private static string MaybeReboot(Domain d)
        => new XenCommandLine(d.Xen.Options.CommandLine).Flag("noreboot") ? "'noreboot' set - not rebooting." : "rebooting machine in 5 seconds.";
}
