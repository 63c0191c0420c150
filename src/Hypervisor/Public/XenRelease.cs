namespace XenSim.Hypervisor.Public;

/// <summary>The releases that are modelled. Everything that differs between them lives in the profiles, not in ifs.</summary>
public enum XenRelease
{
    /// <summary>4.0.4: 32- and 64-bit hypervisor, <c>supervisor_mode_kernel</c> as a build option.</summary>
    V4_0,

    /// <summary>4.17: 64-bit hypervisor; what is compared with real Xen.</summary>
    V4_17,
}
