using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Profiles;

/// <summary>Everything in which the releases differ and that is not a list of stages or calls: numbers, codes, orders of checks.</summary>
public sealed record XenProfile
{
    public required XenRelease Release { get; init; }

    public required string Changeset { get; init; }

    public required string Compiler { get; init; }

    public required string CompileDate { get; init; }

    /// <summary>do_sysctl of 4.0.4 asks for privilege before it reads the request.</summary>
    public required bool SysctlChecksPrivilegeFirst { get; init; }

    /// <summary>do_domctl of 4.17 looks the target up (ESRCH) before it asks for privilege.</summary>
    public required bool DomctlLooksUpTargetFirst { get; init; }

    /// <summary>XEN_DOMCTL_hypercall_init on a frame the domain does not own.</summary>
    public required XenErrno HypercallInitForeignFrame { get; init; }

    /// <summary>XEN_DOMCTL_hypercall_init on an owned frame that cannot be typed writable.</summary>
    public required XenErrno HypercallInitWrongType { get; init; }

    /// <summary>What an L1 entry answers whose frame has the wrong owner or cannot be typed writable.</summary>
    public required XenErrno WrongOwner { get; init; }

    /// <summary>What an L1 entry answers that maps I/O memory without permission.</summary>
    public required XenErrno MmioForbidden { get; init; }

    /// <summary>Hypercall on a domain that the caller is not privileged over (mmu_update, mmuext_op).</summary>
    public required XenErrno ForeignNotPrivileged { get; init; }

    /// <summary>Flags that createdomain knows.</summary>
    public required uint CreateDomainFlags { get; init; }

    /// <summary>Unit: frames of 4096 bytes.</summary>
    public required uint InitialGrantFrames { get; init; }

    /// <summary>Frames of a table if neither the tools nor Xen's options say otherwise, and frames for the handles of mapped grants.</summary>
    public required uint MaxGrantFrames { get; init; }

    public required uint MaxMaptrackFrames { get; init; }

    /// <summary>Highest vcpu_op a caller may name; 13 is compiled out in 4.0.4.</summary>
    public required uint HighestVcpuOp { get; init; }

    /// <summary>Value that a debug build leaves in used argument registers, and its 64-bit form.</summary>
    public required uint ClobberValue { get; init; }

    public required ulong ClobberValue64 { get; init; }

    /// <summary>Whether the clobbering is skipped after -ENOSYS.</summary>
    public required bool ClobberSkipsNoSys { get; init; }

    /// <summary>Number of HVM parameters; a higher index is EINVAL.</summary>
    public required uint HvmParamCount { get; init; }

    public static XenProfile For(XenRelease release) => release switch
    {
        XenRelease.V4_0 => Xen40,
        XenRelease.V4_17 => Xen417,
        _ => throw new ArgumentOutOfRangeException(nameof(release)),
    };

    // Texts as printed by the test kernel's XENVER lines (oracle, dom0-test-kernel): the release's own, not a host's.
    private static XenProfile Xen40 { get; } = new()
    {
        Release = XenRelease.V4_0,
        Changeset = "unavailable",
        Compiler = "gcc version 12.2.0 (Debian 12.2.0-14+deb12u1) ",
        CompileDate = "Sun Nov 22 16:23:48 UTC 2026",
        SysctlChecksPrivilegeFirst = true,
        DomctlLooksUpTargetFirst = false,
        HypercallInitForeignFrame = XenErrno.EACCES,
        HypercallInitWrongType = XenErrno.EACCES,
        WrongOwner = XenErrno.EINVAL,
        MmioForbidden = XenErrno.EINVAL,
        ForeignNotPrivileged = XenErrno.ESRCH,
        CreateDomainFlags = 0xF,
        InitialGrantFrames = 4,
        MaxGrantFrames = 32,
        MaxMaptrackFrames = 256,
        HighestVcpuOp = 12,
        ClobberValue = 0xDEADBEEF,
        ClobberValue64 = 0x00000000DEADBEEF,
        ClobberSkipsNoSys = false,
        HvmParamCount = 17,
    };

    private static XenProfile Xen417 { get; } = new()
    {
        Release = XenRelease.V4_17,
        Changeset = "Wed Jul 29 15:37:29 2026 +0200 git:9373a593c5-dirty",
        Compiler = "gcc (Debian 12.2.0-14+deb12u1) 12.2.0",
        CompileDate = "Sun Nov 22 16:19:07 UTC 2026",
        SysctlChecksPrivilegeFirst = false,
        DomctlLooksUpTargetFirst = true,
        HypercallInitForeignFrame = XenErrno.EINVAL,
        HypercallInitWrongType = XenErrno.EPERM,
        WrongOwner = XenErrno.EBUSY,
        MmioForbidden = XenErrno.EPERM,
        ForeignNotPrivileged = XenErrno.EPERM,
        CreateDomainFlags = 0xFF,
        InitialGrantFrames = 1,
        MaxGrantFrames = 64,
        MaxMaptrackFrames = 1024,
        HighestVcpuOp = 13,
        ClobberValue = 0xDEADF00D,
        ClobberValue64 = 0xDEADBEEFDEADF00D,
        ClobberSkipsNoSys = true,
        HvmParamCount = 39,
    };
}
