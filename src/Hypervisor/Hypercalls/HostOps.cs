using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>kexec_op and mca on a machine that reserved nothing for a crash kernel and has no machine check.</summary>
/// <remarks>
/// Source: stable-4.17 and RELEASE-4.0.4 xen/common/kexec.c: do_kexec_op; xen/arch/x86/cpu/mcheck/mce.c: do_mca; answers: oracle, dom0-calls.
/// </remarks>
internal static class HostOps
{
    /// <summary>XEN_MCA_INTERFACE_VERSION.</summary>
    private const uint McaVersion = 0x01EC_C003;

    // kexec.h: KEXEC_CMD_*.
    private const ulong Exec = 0, LoadV1 = 1, UnloadV1 = 2, GetRange = 3, Load = 4, Unload = 5, Status = 6;

    public static long Kexec(HypercallCall c)
    {
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        VirtualAddress arg = new(c.A2);
        if (!c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();

        // 4.17 forgets the error of a command that it does not know.
        if (c.A1 > (v40 ? GetRange : Status))
            return v40 ? XenErrno.EINVAL.ToResult() : 0;
        if (!c.Memory.TryReadStruct(arg, out uint first))
            return XenErrno.EFAULT.ToResult();
        switch (c.A1)
        {
            case Exec:
                return XenErrno.ENOENT.ToResult();
            case LoadV1 or Load:
                return XenErrno.EINVAL.ToResult();
            case GetRange:
                // xen_kexec_range: int range, int nr, then size and start as longs. Range 0, the crash kernel's, is empty.
                if (first != 0)
                {
                    c.Xen.NotImplemented("KEXEC_CMD_kexec_get_range", "there is no Xen image whose places could be told: -EINVAL", ours: false);
                    return XenErrno.EINVAL.ToResult();
                }

                int size = c.Abi.LongSize();
                return c.Memory.TryWrite(new VirtualAddress(c.A2 + 8), stackalloc byte[2 * size]) ? 0 : XenErrno.EFAULT.ToResult();
            default:
                return first <= 1 ? 0 : XenErrno.EINVAL.ToResult();
        }
    }

    /// <summary>hypfs_op (4.17): the version, and a tree of which nothing is kept. Source: xen/common/hypfs.c: do_hypfs_op.</summary>
    public static long Hypfs(HypercallCall c)
    {
        const long version = 1;
        const ulong getVersion = 0, longestPath = 1024;
        if (!c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        if (c.A1 == getVersion)
            return (c.A2 | c.A3 | c.A4 | c.A5) == 0 ? version : XenErrno.EINVAL.ToResult();
        if (c.A3 > longestPath)
            return XenErrno.EINVAL.ToResult();
        if (!c.Memory.TryReadStruct(new VirtualAddress(c.A2), out byte first))
            return XenErrno.EFAULT.ToResult();
        if (first != (byte)'/')
            return XenErrno.EINVAL.ToResult();
        c.Xen.NotImplemented("hypfs_op", "the hypervisor's file system is empty: -ENOENT", ours: false);
        return XenErrno.ENOENT.ToResult();
    }

    public static long Mca(HypercallCall c)
    {
        const uint fetch = 1, physcpuinfo = 3;
        if (!c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        if (!c.Memory.TryReadStruct(new VirtualAddress(c.A1), out ulong head))
            return XenErrno.EFAULT.ToResult();
        if (head >> 32 != McaVersion)
            return XenErrno.EACCES.ToResult();
        switch ((uint)head)
        {
            case physcpuinfo:
                // ncpus, of a caller that asks how many there are.
                return c.Memory.TryWriteStruct(new VirtualAddress(c.A1 + 8), 1u) ? 0 : XenErrno.EFAULT.ToResult();
            case fetch when c.Memory.TryReadStruct(new VirtualAddress(c.A1 + 8), out uint flags) && flags != 0:
                c.Xen.NotImplemented("XEN_MC_fetch", "no machine check ever happens: -EINVAL", ours: false);
                return XenErrno.EINVAL.ToResult();
            default:
                return XenErrno.EINVAL.ToResult();
        }
    }
}
