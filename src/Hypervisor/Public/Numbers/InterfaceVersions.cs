namespace XenSim.Hypervisor.Public.Numbers;

/// <summary>Version numbers that differ between the releases.</summary>
public static class InterfaceVersions
{
    /// <summary>XEN_DOMCTL_INTERFACE_VERSION; another one is refused with EACCES.</summary>
    public static uint Domctl(XenRelease release) => release == XenRelease.V4_0 ? 0x6u : 0x15u;

    /// <summary>XEN_SYSCTL_INTERFACE_VERSION; another one is refused with EACCES.</summary>
    public static uint Sysctl(XenRelease release) => release == XenRelease.V4_0 ? 0x7u : 0x15u;

    /// <summary>Result of XENVER_version: major in bits 31:16, minor below.</summary>
    public static uint XenVersion(XenRelease release) => release == XenRelease.V4_0 ? 0x0004_0000u : 0x0004_0011u;

    /// <summary>XENVER_extraversion of the builds that the oracle's dumps come from (4.0.4, 4.17.7).</summary>
    public static string ExtraVersion(XenRelease release) => release == XenRelease.V4_0 ? ".4" : ".7";
}
