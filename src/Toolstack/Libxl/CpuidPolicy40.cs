using XenSim.Hypervisor.Public.Stages;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Libxl;

/// <summary>
/// xc_cpuid_apply_policy (4.0.4): the host's leaves, as the tools read them with CPUID in dom0, filtered and given to the hypervisor one by
/// one. Nobody checks its result.
/// </summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_cpuid_x86.c.</remarks>
internal static class CpuidPolicy40
{
    private const uint MaxBase = 0xd;
    private const uint MaxExtended = 0x80000008;
    private const uint Unused = uint.MaxValue;
    private const uint BrandAmdInEcx = 0x444d4163;

    public static StageOutcome Apply(DomainBuild build)
    {
        uint baseMax = Math.Min(Host(build, 0, Unused).A, MaxBase), extendedMax = Math.Min(Host(build, 0x80000000, Unused).A, MaxExtended);
        uint leaf = 0, subleaf = Unused;
        while (true)
        {
            CpuidRegisters registers = Host(build, leaf, subleaf);
            Filter(build, leaf, ref registers);
            if (!registers.AllZero)
            {
                XcReturn rc = build.Xc.SetCpuid(build.Current.Domid, leaf, subleaf, in registers);
                if (rc.Failed)
                    return rc.ToOutcome();

                // Cache descriptors: more of them as long as one is valid.
                if (leaf == 4 && ++subleaf < 64 && (registers.A & 0x1f) != 0)
                    continue;
            }

            leaf++;
            subleaf = leaf == 4 ? 0 : Unused;
            if (leaf < 0x80000000 && leaf > baseMax)
                leaf = 0x80000000;
            if (leaf >= 0x80000000 && leaf > extendedMax)
                return StageOutcome.Ok;
        }
    }

    private static CpuidRegisters Host(DomainBuild build, uint leaf, uint subleaf)
    {
        (uint a, uint b, uint c, uint d) = build.Options.HostCpuid(leaf, subleaf == Unused ? 0 : subleaf);
        return new CpuidRegisters(a, b, c, d);
    }

    private static void Filter(DomainBuild build, uint leaf, ref CpuidRegisters r)
    {
        build.Xc.GetDomainInfo(build.Current.Domid, out DomainInfo info);
        if (info.IsHvm)
        {
            FilterHvm(leaf, ref r);
            return;
        }

        build.Xc.Capabilities(out string capabilities);
        build.Xc.GetAddressSize(build.Current.Domid, out uint bits);
        FilterPv(leaf, ref r, bits == 64, capabilities.Contains("x86_64", StringComparison.Ordinal), Host(build, 0, Unused).C == BrandAmdInEcx);
    }

    internal static void FilterPv(uint leaf, ref CpuidRegisters r, bool guest64, bool xen64, bool amd)
    {
        // VME, PSE, MCE, MTRR, PGE, MCA, PSE36 in both feature leaves.
        const uint kernelOnly = 1u << 1 | 1u << 3 | 1u << 7 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17;
        if ((leaf & 0x7fffffff) == 1)
            r.D &= ~kernelOnly;
        switch (leaf)
        {
            case 1:
                if (!xen64 || amd)
                    r.D &= ~(1u << 11); // SEP
                r.D &= ~(1u << 21 | 1u << 29 | 1u << 31); // DS, ACC, PBE
                r.C &= ~(1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 14 | 1u << 15 | 1u << 18 | 1u << 26);
                if (!guest64)
                    r.C &= ~(1u << 13); // CX16
                r.C |= 1u << 31; // HYPERVISOR
                break;
            case 0x80000001:
                if (guest64)
                    r.D |= 1u << 11; // SYSCALL
                else
                {
                    r.D &= ~(1u << 29); // LM
                    r.C &= ~1u; // LAHF_LM
                    if (!amd)
                        r.D &= ~(1u << 11);
                }

                r.D &= ~(1u << 26 | 1u << 27); // PAGE1GB, RDTSCP
                r.C &= ~(1u << 2 | 1u << 9 | 1u << 10 | 1u << 12 | 1u << 13 | 1u << 15 | 1u << 19 | 1u << 22);
                break;
            case 5 or 7 or 0xa or 0xb or 0xd or 0x8000000a or 0x8000001b or 0x8000001c or 0x8000001e:
                r = default;
                break;
            default:
                break;
        }
    }

    internal static void FilterHvm(uint leaf, ref CpuidRegisters r)
    {
        switch (leaf)
        {
            case 0:
                r.A = Math.Min(r.A, MaxBase);
                break;
            case 1:
                r.B = (r.B & 0xffff) | ((r.B & 0x007f0000) << 1);
                r.C = (r.C & (1u | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23 | 1u << 25)) | 1u << 31;
                r.D = (r.D & 0x178bfbff) | 1u << 12;
                break;
            case 0x80000000:
                r.A = Math.Min(r.A, MaxExtended);
                break;
            case 0x80000007:
                r = new CpuidRegisters(0, 0, 0, r.D & (1u << 8));
                break;
            case 0x80000008:
                r = new CpuidRegisters(r.A & 0xffff, 0, ((r.C & 0xf000) + 1) | ((r.C & 0xff) << 1) | 1, 0);
                break;
            case 2 or 4 or 0x80000001 or 0x80000002 or 0x80000003 or 0x80000004 or 0x80000005 or 0x80000006:
                break;
            default:
                r = default;
                break;
        }
    }
}
