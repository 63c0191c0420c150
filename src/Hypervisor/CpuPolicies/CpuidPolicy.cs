using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.CpuPolicies;

/// <summary>struct cpu_policy of 4.17: the CPUID leaves of a host or guest, in the order in which they are serialised.</summary>
/// <remarks>Source: stable-4.17 xen/include/xen/lib/x86/cpu-policy.h, xen/lib/x86/cpuid.c.</remarks>
internal sealed class CpuidPolicy
{
    public const uint Vendor = 0, Basic1 = 1, Feat = 7, XstateLeaf = 0xD;
    public const int MaxBasic = 0xD, MaxExtendedAmd = 0x21, MaxExtendedIntel = 8, MaxFeatSubleaf = 2;
    private const int CacheCount = 6, FeatCount = 3, TopologyCount = 2, XstateCount = 63;
    private const uint ExtendedBase = 0x8000_0000;
    private const uint HypervisorLeaf = 0x4000_0000, SecondHypervisorLeaf = 0x4000_0100;

    private readonly CpuidResult[] _basic = new CpuidResult[MaxBasic + 1];
    private readonly CpuidResult[] _cache = new CpuidResult[CacheCount];
    private readonly CpuidResult[] _feat = new CpuidResult[FeatCount];
    private readonly CpuidResult[] _topology = new CpuidResult[TopologyCount];
    private readonly CpuidResult[] _xstate = new CpuidResult[XstateCount];
    private readonly CpuidResult[] _extended = new CpuidResult[MaxExtendedAmd + 1];
    private ulong _archCaps;

    public uint MaxLeaf
    {
        get => _basic[0].Eax;
        set => _basic[0] = _basic[0] with { Eax = value };
    }

    public uint MaxFeat
    {
        get => _feat[0].Eax;
        set => _feat[0] = _feat[0] with { Eax = value };
    }

    /// <summary>With bit 31, as the leaf shows it.</summary>
    public uint MaxExtended
    {
        get => _extended[0].Eax;
        set => _extended[0] = _extended[0] with { Eax = value };
    }

    /// <summary>Leaf 0: AuthenticAMD, or HygonGenuine. By ECX.</summary>
    public bool IsAmd => _basic[0].Ecx is 0x444D4163 or 0x656E6975;

    public Span<CpuidResult> Cache => _cache;

    public Span<CpuidResult> Topology => _topology;

    public Span<CpuidResult> Xstate => _xstate;

    /// <summary>Leaves 0 to 0xD that have no sub-leaves, by number.</summary>
    public Span<CpuidResult> Basic => _basic;

    /// <summary>Leaves from 0x80000000 on.</summary>
    public Span<CpuidResult> Extended => _extended;

    public bool this[X86Feature feature] => Features()[feature];

    /// <summary>x86_cpuid_policy_fill_native.</summary>
    public static CpuidPolicy Of(HostModel host)
    {
        CpuidPolicy p = new();
        for (uint leaf = 0; leaf <= Math.Min(host.Cpuid(0, 0).Eax, MaxBasic); leaf++)
        {
            if (leaf is not (4 or 7 or 0xB or 0xD))
                p._basic[leaf] = host.Cpuid(leaf, 0);
        }

        Fill(host, p._cache, 4);
        Fill(host, p._feat.AsSpan(0, (int)Math.Min(host.Cpuid(7, 0).Eax, MaxFeatSubleaf) + 1), Feat);
        Fill(host, p._topology, 0xB);
        Fill(host, p._xstate, XstateLeaf);
        uint extended = host.Cpuid(ExtendedBase, 0).Eax;
        for (uint i = 0; i <= Math.Min(extended & 0xFFFF, MaxExtendedAmd); i++)
            p._extended[i] = host.Cpuid(ExtendedBase + i, 0);
        return p;
    }

    public CpuidPolicy Copy()
    {
        CpuidPolicy p = new() { _archCaps = _archCaps };
        _basic.CopyTo(p._basic, 0);
        _cache.CopyTo(p._cache, 0);
        _feat.CopyTo(p._feat, 0);
        _topology.CopyTo(p._topology, 0);
        _xstate.CopyTo(p._xstate, 0);
        _extended.CopyTo(p._extended, 0);
        return p;
    }

    /// <summary>x86_cpu_policy_to_featureset.</summary>
    public FeatureSet Features()
    {
        FeatureSet fs = new();
        uint[] w = fs.Words;
        (w[0], w[1]) = (_basic[1].Edx, _basic[1].Ecx);
        (w[2], w[3]) = (_extended[1].Edx, _extended[1].Ecx);
        w[4] = _xstate[1].Eax;
        (w[5], w[6], w[9]) = (_feat[0].Ebx, _feat[0].Ecx, _feat[0].Edx);
        (w[7], w[8]) = (_extended[7].Edx, _extended[8].Ebx);
        (w[10], w[12], w[14], w[15]) = (_feat[1].Eax, _feat[1].Ebx, _feat[1].Ecx, _feat[1].Edx);
        w[13] = _feat[2].Edx;
        (w[11], w[18]) = (_extended[0x21].Eax, _extended[0x21].Ecx);
        (w[16], w[17]) = ((uint)_archCaps, (uint)(_archCaps >> 32));
        return fs;
    }

    /// <summary>x86_cpu_featureset_to_policy.</summary>
    public void SetFeatures(FeatureSet fs)
    {
        uint[] w = fs.Words;
        _basic[1] = _basic[1] with { Edx = w[0], Ecx = w[1] };
        _extended[1] = _extended[1] with { Edx = w[2], Ecx = w[3] };
        _xstate[1] = _xstate[1] with { Eax = w[4] };
        _feat[0] = _feat[0] with { Ebx = w[5], Ecx = w[6], Edx = w[9] };
        _extended[7] = _extended[7] with { Edx = w[7] };
        _extended[8] = _extended[8] with { Ebx = w[8] };
        _feat[1] = new CpuidResult(w[10], w[12], w[14], w[15]);
        _feat[2] = _feat[2] with { Edx = w[13] };
        _extended[0x21] = _extended[0x21] with { Eax = w[11], Ecx = w[18] };
        _archCaps = ((ulong)w[17] << 32) | w[16];
    }

    /// <summary>The leaf as guest_cpuid's first pass finds it: zeros beyond the highest leaf.</summary>
    public CpuidResult Leaf(uint leaf, uint subleaf)
    {
        if (leaf >= ExtendedBase)
            return leaf - ExtendedBase <= Math.Min(MaxExtended & 0xFFFF, MaxExtendedAmd) ? _extended[leaf - ExtendedBase] : default;
        if (leaf > Math.Min(MaxLeaf, MaxBasic))
            return default;
        return leaf switch
        {
            4 => At(_cache, subleaf),
            7 => subleaf <= MaxFeat ? At(_feat, subleaf) : default,
            0xB => At(_topology, subleaf),
            XstateLeaf => this[X86Feature.XSAVE] ? At(_xstate, subleaf) : default,
            _ => _basic[leaf],
        };
    }

    /// <summary>x86_cpuid_copy_to_buffer.</summary>
    public List<CpuidLeaf> Serialise()
    {
        List<CpuidLeaf> leaves = [];
        for (uint leaf = 0; leaf <= Math.Min(MaxLeaf, MaxBasic); leaf++)
        {
            switch (leaf)
            {
                case 4:
                    Counted(leaves, 4, _cache, r => (r.Eax & 0x1F) == 0);
                    break;
                case 7:
                    for (uint sub = 0; sub <= Math.Min(MaxFeat, MaxFeatSubleaf); sub++)
                        leaves.Add(Wire(7, sub, _feat[sub]));
                    break;
                case 0xB:
                    Counted(leaves, 0xB, _topology, r => (r.Ecx >> 8 & 0xFF) == 0);
                    break;
                case XstateLeaf:
                    uint states = _xstate[0].Eax | _xstate[1].Ecx;
                    for (uint sub = 0; sub < 2 || states >> (int)sub != 0 && sub < 32; sub++)
                        leaves.Add(Wire(XstateLeaf, sub, _xstate[sub]));
                    break;
                default:
                    leaves.Add(Wire(leaf, XenConstants.XEN_CPUID_NO_SUBLEAF, _basic[leaf]));
                    break;
            }
        }

        leaves.Add(Wire(HypervisorLeaf, XenConstants.XEN_CPUID_NO_SUBLEAF, default));
        leaves.Add(Wire(SecondHypervisorLeaf, XenConstants.XEN_CPUID_NO_SUBLEAF, default));
        for (uint i = 0; i <= Math.Min(MaxExtended & 0xFFFF, MaxExtendedAmd); i++)
            leaves.Add(Wire(ExtendedBase + i, XenConstants.XEN_CPUID_NO_SUBLEAF, _extended[i]));
        return leaves;
    }

    /// <summary>x86_cpuid_copy_from_buffer. False: there is no such leaf, -ERANGE.</summary>
    public bool TrySet(in CpuidLeaf l)
    {
        CpuidResult r = new(l.A, l.B, l.C, l.D);
        bool noSubleaf = l.Subleaf == XenConstants.XEN_CPUID_NO_SUBLEAF;
        switch (l.Leaf)
        {
            case 4:
                return Put(_cache, l.Subleaf, r);
            case 7:
                return Put(_feat, l.Subleaf, r);
            case 0xB:
                return Put(_topology, l.Subleaf, r);
            case XstateLeaf:
                return Put(_xstate, l.Subleaf, r);
            case HypervisorLeaf or SecondHypervisorLeaf:
                return noSubleaf;
            case <= MaxBasic:
                return noSubleaf && Put(_basic, l.Leaf, r);
            default:
                return noSubleaf && l.Leaf >= ExtendedBase && Put(_extended, l.Leaf - ExtendedBase, r);
        }
    }

    private static void Fill(HostModel host, Span<CpuidResult> to, uint leaf)
    {
        for (uint sub = 0; sub < to.Length; sub++)
            to[(int)sub] = host.Cpuid(leaf, sub);
    }

    private static void Counted(List<CpuidLeaf> leaves, uint leaf, CpuidResult[] from, Func<CpuidResult, bool> isLast)
    {
        for (uint sub = 0; sub < from.Length; sub++)
        {
            leaves.Add(Wire(leaf, sub, from[sub]));
            if (isLast(from[sub]))
                return;
        }
    }

    private static bool Put(CpuidResult[] to, uint index, CpuidResult r)
    {
        if (index >= to.Length)
            return false;
        to[index] = r;
        return true;
    }

    private static CpuidResult At(CpuidResult[] from, uint index) => index < from.Length ? from[index] : default;

    private static CpuidLeaf Wire(uint leaf, uint subleaf, CpuidResult r) => new() { Leaf = leaf, Subleaf = subleaf, A = r.Eax, B = r.Ebx, C = r.Ecx, D = r.Edx };
}
