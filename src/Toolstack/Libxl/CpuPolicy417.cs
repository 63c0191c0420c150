using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>xc_cpuid_apply_policy (4.17): the hypervisor's default policy for the kind of guest, topology adjusted, given back.</summary>
/// <remarks>Source: stable-4.17 tools/libs/guest/xg_cpuid_x86.c.</remarks>
internal static class CpuPolicy417
{
    private const int FeaturesetEntries = 19;
    private const uint PvDefault = 4;
    private const uint HvmDefault = 5;
    private const uint Htt = 1u << 28;
    private const uint CmpLegacy = 1u << 1;
    private const uint Itsc = 1u << 8;
    private const uint Vmx = 1u << 5;
    private const uint Svm = 1u << 2;
    private const uint Pae = 1u << 6;

    public static StageOutcome Apply(DomainBuild build)
    {
        XenControl xc = build.Xc;
        uint domid = build.Current.Domid;
        if (xc.GetDomainInfo(domid, out DomainInfo info).Failed || info.Domid != domid)
            return Fail(build, $"Failed to obtain d{domid} info", XenErrno.ESRCH, withErrno: false);
        XcReturn rc = xc.CpuPolicySize(out uint maxLeaves);
        if (rc.Failed)
            return Fail(build, "Failed to obtain policy info size", rc.Errno);
        uint[] host = new uint[FeaturesetEntries];
        rc = xc.HostFeatureset(host);
        if (rc.Failed && rc.Errno != XenErrno.ENOBUFS)
            return Fail(build, "Failed to obtain host featureset", rc.Errno);
        rc = xc.SystemCpuPolicy(info.IsHvm ? HvmDefault : PvDefault, maxLeaves, out CpuidLeaf[] leaves);
        if (rc.Failed)
            return Fail(build, $"Failed to obtain {(info.IsHvm ? "hvm" : "pv")} default policy", rc.Errno);

        bool itsc = build.Current.Configuration.TscMode == TscMode.AlwaysEmulate;
        Adjust(leaves, host, info.IsHvm, itsc);
        rc = xc.SetDomainCpuPolicy(domid, leaves, out DomctlCpuPolicy answer);
        return rc.Failed
            ? Fail(build, $"Failed to set d{domid}'s policy (err leaf 0x{answer.ErrLeaf:x}, subleaf 0x{answer.ErrSubleaf:x}, msr 0x{answer.ErrMsr:x})", rc.Errno)
            : StageOutcome.Ok;
    }

    /// <summary>PV sees the host's HTT and CMP_LEGACY; for HVM every vcpu has an APIC ID of its number times two.</summary>
    internal static void Adjust(CpuidLeaf[] leaves, uint[] host, bool hvm, bool itsc)
    {
        bool amd = leaves.Any(l => l.Leaf == 0 && l.C is 0x444d4163 or 0x656e6975); // "cAMD" (AuthenticAMD), "uine" (HygonGenuine)
        foreach (ref CpuidLeaf leaf in leaves.AsSpan())
        {
            switch (leaf.Leaf)
            {
                case 1:
                    leaf.D = Set(leaf.D, Htt, hvm || (host[0] & Htt) != 0);
                    if (hvm)
                    {
                        leaf.D |= Pae;
                        leaf.C &= ~Vmx;
                        leaf.B = (leaf.B & ~0x00ff0000u) | (DoubledProcessors(leaf.B >> 16 & 0xff) << 16);
                    }

                    break;
                case 0x80000001:
                    leaf.C = Set(leaf.C, CmpLegacy, !hvm && (host[3] & CmpLegacy) != 0);
                    if (hvm)
                        leaf.C &= ~Svm;
                    break;
                case 0x80000007:
                    leaf.D = Set(leaf.D, Itsc, itsc);
                    break;
                case 0x80000008 when hvm && amd:
                    leaf.C = DoubledCores(leaf.C);
                    break;
                case 4 when hvm && !amd && (leaf.A & 0x1f) != 0:
                    uint cores = leaf.A >> 26;
                    leaf.A = (leaf.A & 0x3fff) | (((cores << 1 | 1) & 0x3f) << 26);
                    break;
                default:
                    break;
            }
        }
    }

    private static uint DoubledProcessors(uint lppp) => lppp == 0 ? 2 : (lppp & 0x80) == 0 ? lppp * 2 : lppp;

    private static uint DoubledCores(uint c)
    {
        uint nc = c & 0xff, idSize = c >> 12 & 0xf;
        if (nc >= 0x7f)
            return c;
        if (idSize is not 0 and < 7)
            idSize++;
        return (c & ~0xf0ffu) | (idSize << 12) | (nc << 1 | 1);
    }

    private static uint Set(uint word, uint bit, bool on) => on ? word | bit : word & ~bit;

    /// <summary>ERROR and PERROR of libxc; the latter appends errno.</summary>
    private static StageOutcome Fail(DomainBuild build, string text, XenErrno errno, bool withErrno = true)
    {
        build.Log.Xc(LogLevel.Error, withErrno ? $"{text} ({(int)errno} = {errno.Text()}): Internal error" : $"{text}: Internal error");
        return StageOutcome.Fail(-(long)errno, errno, text);
    }
}
