using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public.Numbers;
using static XenSim.Hypervisor.CpuPolicies.X86Feature;

namespace XenSim.Hypervisor.CpuPolicies;

/// <summary>4.17's system-wide CPU policies, and what they let a domain have.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/cpu-policy.c: init_guest_cpu_policies, recalculate_cpuid_policy.</remarks>
internal sealed class SystemPolicies
{
    private readonly HostModel _host;
    private readonly bool _hap;
    private readonly CpuidPolicy[] _policies = new CpuidPolicy[6];

    /// <param name="hap">hvm_hap_supported().</param>
    public SystemPolicies(HostModel host, bool hap)
    {
        _host = host;
        _hap = hap;
        CpuidPolicy raw = this[CpuPolicyIndex.raw] = CpuidPolicy.Of(host);
        CpuidPolicy hosts = this[CpuPolicyIndex.host] = HostPolicy(raw);
        CpuidPolicy pv = this[CpuPolicyIndex.pv_max] = PvMax(hosts);
        CpuidPolicy hvm = this[CpuPolicyIndex.hvm_max] = HvmMax(raw, hosts);
        this[CpuPolicyIndex.pv_default] = Default(pv, FeatureMasks.PvDefault);
        this[CpuPolicyIndex.hvm_default] = Default(hvm, hap ? FeatureMasks.HapDefault : FeatureMasks.ShadowDefault);
    }

    private bool Amd => _host.Vendor == CpuVendor.AMD;

    private CpuidPolicy Host => this[CpuPolicyIndex.host];

    public CpuidPolicy this[CpuPolicyIndex index]
    {
        get => _policies[(int)index];
        private init => _policies[(int)index] = value;
    }

    /// <summary>init_domain_cpu_policy before it recalculates.</summary>
    public CpuidPolicy DefaultFor(bool hvm) => this[hvm ? CpuPolicyIndex.hvm_default : CpuPolicyIndex.pv_default].Copy();

    /// <summary>recalculate_cpuid_policy: clamps what the tools chose to what the domain can have.</summary>
    public void Recalculate(CpuidPolicy p, bool hvm, bool hap, bool pv32)
    {
        CpuidPolicy max = this[hvm ? CpuPolicyIndex.hvm_max : CpuPolicyIndex.pv_max];
        p.MaxLeaf = Math.Min(p.MaxLeaf, max.MaxLeaf);
        p.MaxFeat = Math.Min(p.MaxFeat, max.MaxFeat);
        p.MaxExtended = 0x8000_0000 | Math.Min(p.MaxExtended & 0xFFFF, (uint)(p.IsAmd ? CpuidPolicy.MaxExtendedAmd : CpuidPolicy.MaxExtendedIntel));
        FeatureSet fs = p.Features(), most = max.Features();
        if (hvm && !hap)
            most.And(FeatureMasks.ShadowMax);
        if (hvm)
            most[VMX] = most[SVM] = false; // nested virtualisation is never asked for
        if (pv32)
        {
            most[LM] = false;
            most[SYSCALL] &= Amd;
        }

        fs.And(most.Words);
        if (p.MaxLeaf < CpuidPolicy.XstateLeaf)
            fs[XSAVE] = false;
        fs.Sanitise();
        fs[FDP_EXCP_ONLY] = Host[FDP_EXCP_ONLY];
        fs[NO_FPU_SEL] = Host[NO_FPU_SEL];
        p.SetFeatures(fs);
        p.Basic[1] = p.Basic[1] with { Ebx = (p.Basic[1].Ebx & ~0xFF00u) | (max.Basic[1].Ebx & 0xFF00) };
        LimitAddresses(p, max, fs);
        RecalculateXstate(p);
        RecalculateMisc(p);
        RecalculateCache(p.Cache);
        p.Basic[0xA] = default;
        if (!fs[SVM])
            p.Extended[0xA] = default;
        if (!fs[PAGE1GB])
            p.Extended[0x19] = default;
    }

    private static void LimitAddresses(CpuidPolicy p, CpuidPolicy max, FeatureSet fs)
    {
        uint physical = Math.Min(p.Extended[8].Eax & 0xFF, max.Extended[8].Eax & 0xFF);
        physical = Math.Max(physical, fs[PAE] || fs[PSE36] ? 36u : 32u);
        p.Extended[8] = p.Extended[8] with { Eax = (p.Extended[8].Eax & ~0xFFFFu) | (fs[LM] ? 48u : 32u) << 8 | physical };
    }

    private static void RecalculateCache(Span<CpuidResult> cache)
    {
        for (int i = 0; i < cache.Length; i++)
        {
            if ((cache[i].Eax & 0x1F) is < 1 or > 3)
            {
                cache[i..].Clear();
                return;
            }

            cache[i] = cache[i] with { Eax = cache[i].Eax & 0xFFFF_C3FF, Edx = cache[i].Edx & 7 };
        }
    }

    /// <summary>calculate_host_policy, with what identify_cpu of the vendor has made of the features.</summary>
    private CpuidPolicy HostPolicy(CpuidPolicy raw)
    {
        CpuidPolicy p = raw.Copy();
        p.MaxLeaf = Math.Min(p.MaxLeaf, CpuidPolicy.MaxBasic);
        p.MaxFeat = Math.Min(p.MaxFeat, CpuidPolicy.MaxFeatSubleaf);
        FeatureSet fs = p.Features();
        if (Amd)
        {
            // init_amd: SYSENTER is useless in long mode; LFENCE is made dispatch serialising, and the leaf that says so shown.
            fs[SEP] = fs[PBE] = false;
            fs[LFENCE_DISPATCH] = true;
            p.MaxExtended = Math.Max(p.MaxExtended, 0x8000_0000 | CpuidPolicy.MaxExtendedAmd);
        }

        p.MaxExtended = 0x8000_0000 | Math.Min(p.MaxExtended & 0xFFFF, CpuidPolicy.MaxExtendedAmd);
        fs.Sanitise();
        p.SetFeatures(fs);
        RecalculateXstate(p);
        RecalculateMisc(p);
        p.Basic[0xA] = default; // vpmu is off
        if (fs[SVM])
        {
            // Needs hardware: NPT 0, LBRV 1, NRIPS 3, DECODEASSISTS 7, PAUSEFILTER 10. Always emulated: TSCRATEMSR 4, VMCBCLEAN 5.
            p.Extended[0xA] = p.Extended[0xA] with { Edx = (p.Extended[0xA].Edx & 0x48B) | 0x30 };
        }

        return p;
    }

    private CpuidPolicy PvMax(CpuidPolicy host)
    {
        CpuidPolicy p = host.Copy();
        p.MaxFeat = CpuidPolicy.MaxFeatSubleaf;
        FeatureSet fs = p.Features();
        fs.And(FeatureMasks.PvMax);
        fs[X2APIC] = true;
        fs[SRSO_US_NO] = false;
        Finish(p, fs, isMax: true);
        p.Extended[0xA] = default;
        return p;
    }

    private CpuidPolicy HvmMax(CpuidPolicy raw, CpuidPolicy host)
    {
        CpuidPolicy p = host.Copy();
        p.MaxFeat = CpuidPolicy.MaxFeatSubleaf;
        FeatureSet fs = p.Features();
        fs.And(_hap ? FeatureMasks.HapMax : FeatureMasks.ShadowMax);
        fs[APIC] = fs[X2APIC] = fs[NO_LMSL] = true;
        if (Amd && raw[SEP])
            fs[SEP] = true;
        if (host[VMX])
        {
            fs[MPX] &= VmxAllows(0x483, 23) && VmxAllows(0x484, 16); // VM-exit clears, VM-entry loads BNDCFGS
            fs[XSAVES] &= VmxAllows(0x48B, 20);
        }

        Finish(p, fs, isMax: true);
        return p;
    }

    private CpuidPolicy Default(CpuidPolicy max, ReadOnlySpan<uint> mask)
    {
        CpuidPolicy p = max.Copy();
        p.MaxFeat = Host.MaxFeat;
        FeatureSet fs = p.Features();
        fs.And(mask);
        Finish(p, fs, isMax: false);
        return p;
    }

    /// <summary>guest_common_*_feature_adjustments, and the policy made of the result.</summary>
    private void Finish(CpuidPolicy p, FeatureSet fs, bool isMax)
    {
        FeatureSet host = Host.Features();
        ReadOnlySpan<X86Feature> clearing = Amd ? [VERW_CLEAR] : [MD_CLEAR, FB_CLEAR, RFDS_CLEAR];
        foreach (X86Feature feature in clearing)
            fs[feature] = isMax || (fs[feature] && host[feature]);
        fs[HTT] = isMax || (fs[HTT] && host[HTT]);
        fs[CMP_LEGACY] = isMax || (fs[CMP_LEGACY] && host[CMP_LEGACY]);
        if (isMax && !Amd)
        {
            fs[ARCH_CAPS] = fs[RSBA] = fs[RRSBA] = true;
            fs[RTM_ALWAYS_ABORT] |= fs[RTM];
        }

        fs[HYPERVISOR] = true;
        fs[STIBP] |= fs[IBRSB];
        fs[AMD_STIBP] |= fs[IBRS];
        fs[IBPB] |= host[IBRSB];
        fs.Sanitise();
        p.SetFeatures(fs);
        RecalculateXstate(p);
    }

    /// <summary>recalculate_xstate: components that the features need, their sizes from the hardware.</summary>
    private void RecalculateXstate(CpuidPolicy p)
    {
        const uint legacyArea = 576;
        uint da1 = p.Xstate[1].Eax;
        FeatureSet fs = p.Features();
        p.Xstate.Clear();
        if (!fs[XSAVE])
            return;
        uint states = 3u | (fs[AVX] ? 4u : 0) | (fs[MPX] ? 0x18u : 0) | (fs[AVX512F] ? 0xE0u : 0) | (fs[PKU] ? 0x200u : 0);
        uint size = legacyArea;
        for (uint i = 2; i < 32; i++)
        {
            if ((states >> (int)i & 1) == 0)
                continue;
            CpuidResult component = _host.Cpuid(CpuidPolicy.XstateLeaf, i);
            size = Math.Max(size, component.Eax + component.Ebx);
            p.Xstate[(int)i] = new CpuidResult(component.Eax, component.Ebx, component.Ecx & 2, 0);
        }

        p.Xstate[0] = new CpuidResult(states, 0, size, 0);
        p.Xstate[1] = new CpuidResult(da1, 0, 0, 0);
    }

    /// <summary>recalculate_misc: what no guest is told, and AMD's repetition of leaf 1.</summary>
    private static void RecalculateMisc(CpuidPolicy p)
    {
        Span<CpuidResult> basic = p.Basic, extended = p.Extended;
        basic[1] = basic[1] with { Eax = basic[1].Eax & 0x0FFF_0FFF, Ebx = basic[1].Ebx & 0x00FF_FFFF };
        basic[5] = basic[6] = basic[8] = basic[0xC] = default;
        p.Topology.Clear();
        extended[1] = extended[1] with { Edx = extended[1].Edx & ~FeatureMasks.CommonWithLeaf1 };
        extended[7] = default(CpuidResult) with { Edx = extended[7].Edx };
        extended[8] = extended[8] with { Edx = 0 };
        if (p.IsAmd)
            MiscOfAmd(p);
        else
            MiscOfIntel(basic, extended);
    }

    private static void MiscOfAmd(CpuidPolicy p)
    {
        Span<CpuidResult> basic = p.Basic, extended = p.Extended;
        basic[2..4].Clear();
        p.Cache.Clear();
        basic[9..0xB].Clear();
        extended[0] = basic[0] with { Eax = extended[0].Eax };
        extended[1] = extended[1] with
        {
            Eax = basic[1].Eax,
            Ebx = extended[1].Ebx & 0xFF00_FFFF,
            Edx = extended[1].Edx | (basic[1].Edx & FeatureMasks.CommonWithLeaf1),
        };
        extended[8] = extended[8] with { Eax = extended[8].Eax & 0xFFFF, Ecx = extended[8].Ecx & 0x0003_F0FF };
        extended[9] = default;
        extended[0xB..0x19].Clear();
        extended[0x1B..0x21].Clear();
        extended[0x21] = extended[0x21] with { Ebx = 0, Edx = 0 };
    }

    private static void MiscOfIntel(Span<CpuidResult> basic, Span<CpuidResult> extended)
    {
        basic[2] = basic[2] with { Eax = (basic[2].Eax & ~0xFFu) | 1 };
        basic[3] = basic[9] = default;
        extended[0] = default(CpuidResult) with { Eax = extended[0].Eax };
        extended[1] = extended[1] with { Eax = 0, Ebx = 0 };
        extended[5] = default;
        extended[6] = default(CpuidResult) with { Ecx = extended[6].Ecx };
        extended[8] = extended[8] with { Eax = extended[8].Eax & 0xFFFF, Ecx = 0 };
    }

    /// <summary>Whether a VMX control may be one: the upper half of its capability MSR.</summary>
    private bool VmxAllows(uint msr, int bit) => _host.TryReadMsr(msr, out ulong value) && (value >> (32 + bit) & 1) != 0;
}
