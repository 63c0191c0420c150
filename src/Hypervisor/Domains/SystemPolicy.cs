using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domains;

/// <summary>The CPU policies of 4.17, serialised: which leaves exist, in which order, with which values.</summary>
/// <remarks>Source: stable-4.17 xen/lib/x86/cpuid.c: x86_cpuid_copy_to_buffer; lists seen in the oracle's set_cpu_policy dumps (52 leaves for PV, 59 for PVH).</remarks>
internal static class SystemPolicy
{
    private const uint LfenceLeaf = 0x8000_0021;
    private const uint LfenceDispatch = 1 << 2;
    private const uint NoSubleaf = XenConstants.XEN_CPUID_NO_SUBLEAF;

    /// <summary>Every leaf of a policy; a leaf beyond the maximum is left out.</summary>
    public static CpuidLeaf[] Leaves(HostModel host, CpuPolicyIndex index)
    {
        List<CpuidLeaf> leaves = [];
        uint basic = Math.Min(host.Cpuid(0, 0).Eax, 0xD);
        for (uint leaf = 0; leaf <= basic; leaf++)
        {
            switch (leaf)
            {
                case 4 or 7 or 0xB:
                    leaves.Add(Of(host, leaf, 0));
                    break;
                case 0xD:
                    for (uint sub = 0; sub < 3; sub++)
                        leaves.Add(Of(host, leaf, sub));
                    break;
                default:
                    leaves.Add(Of(host, leaf, NoSubleaf));
                    break;
            }
        }

        leaves.Add(new CpuidLeaf { Leaf = 0x4000_0000, Subleaf = NoSubleaf });
        leaves.Add(new CpuidLeaf { Leaf = 0x4000_0100, Subleaf = NoSubleaf });
        uint extended = Math.Min(MaxExtendedLeaf(host), 0x8000_0021);
        for (uint leaf = 0x8000_0000; leaf <= extended; leaf++)
            leaves.Add(Of(host, leaf, NoSubleaf));
        bool hvm = index is CpuPolicyIndex.hvm_max or CpuPolicyIndex.hvm_default;
        return [.. leaves.Select(l => WithLfence(l, host)).Select(l => Hide(hvm ? l : ForPv(l), hvm))];
    }

    /// <summary>
    /// On AMD Xen makes LFENCE dispatch serialising and says so in leaf 0x80000021, which it shows even where the processor stops short of it
    /// (stable-4.17 xen/arch/x86/cpu-policy.c: calculate_host_policy; cpu/amd.c: amd_init_lfence).
    /// </summary>
    private static uint MaxExtendedLeaf(HostModel host)
    {
        uint own = host.Cpuid(0x8000_0000, 0).Eax;
        return host.Vendor == CpuVendor.AMD ? Math.Max(own, LfenceLeaf) : own;
    }

    private static CpuidLeaf WithLfence(CpuidLeaf l, HostModel host)
    {
        if (l.Leaf == 0x8000_0000)
            l.A = MaxExtendedLeaf(host);
        else if (l.Leaf == LfenceLeaf && host.Vendor == CpuVendor.AMD)
            l.A |= LfenceDispatch;
        return l;
    }

    private static CpuidLeaf Of(HostModel host, uint leaf, uint subleaf)
    {
        CpuidResult r = host.Cpuid(leaf, subleaf == NoSubleaf ? 0 : subleaf);
        return new CpuidLeaf { Leaf = leaf, Subleaf = subleaf, A = r.Eax, B = r.Ebx, C = r.Ecx, D = r.Edx };
    }

    /// <summary>
    /// The features that a PV guest may have (large pages, for one, are not among them): those marked A in stable-4.17
    /// xen/include/public/arch-x86/cpufeatureset.h, words 0 to 3, and those of leaf 7 in words 5, 6 and 9.
    /// </summary>
    private static CpuidLeaf ForPv(CpuidLeaf l)
    {
        switch (l.Leaf)
        {
            case 1:
                l.D &= 0x1FC9_CBF5;
                l.C &= 0xF6D8_3203;
                break;
            case 7 when l.Subleaf == 0:
                l.B &= 0xFDAF_0B29;
                l.C &= 0x0240_5F43;
                l.D &= 0xAC00_441C;
                break;
            case 0x8000_0001:
                // The bits that repeat those of leaf 1 on AMD (CPUID_COMMON_1D_FEATURES) are filled in from there.
                const uint common = 0x0183_F3FF;
                l.D &= 0xEA50_0800 | (common & 0x1FC9_CBF5);
                l.C &= 0x0421_09E3;
                break;
        }

        return l;
    }

    /// <summary>What no guest gets: virtualisation itself, and performance monitoring leaves.</summary>
    private static CpuidLeaf Hide(CpuidLeaf l, bool hvm)
    {
        switch (l.Leaf)
        {
            case 1:
                l.C = (l.C & ~(1u << 5)) | (1u << 31);
                break;
            case 5 or 0xA or 0x8000_001B or 0x8000_001C:
                return new CpuidLeaf { Leaf = l.Leaf, Subleaf = l.Subleaf };
            case 0x8000_0001:
                l.C &= ~(1u << 2);
                break;
            case 0x8000_000A when !hvm:
                return new CpuidLeaf { Leaf = l.Leaf, Subleaf = l.Subleaf };
        }

        return l;
    }
}
