using XenSim.Guest.Cpu;

namespace XenSim.Hypervisor.Domains;

/// <summary>Number of a leaf that the tools set. <see cref="AnySubleaf"/> where the leaf has no sub-leaves.</summary>
public readonly record struct CpuidIndex(uint Leaf, uint Subleaf)
{
    public const uint AnySubleaf = uint.MaxValue;
}

/// <summary>What CPUID tells a domain: the host's leaves, or what the toolstack set (set_cpuid in 4.0, set_cpu_policy in 4.17).</summary>
public sealed class CpuPolicy
{
    private readonly Domain _domain;
    private readonly Dictionary<CpuidIndex, CpuidResult> _set = [];

    internal CpuPolicy(Domain domain) => _domain = domain;

    /// <summary>Leaves that the toolstack set.</summary>
    public IReadOnlyDictionary<CpuidIndex, CpuidResult> Leaves => _set;

    /// <summary>XEN_DOMCTL_set_cpuid holds at most this many (MAX_CPUID_INPUT of 4.0).</summary>
    public const int MaxInputs40 = 40;

    internal void Set(CpuidIndex index, CpuidResult result) => _set[index] = result;

    internal CpuidResult Answer(Vcpu vcpu, uint leaf, uint subleaf)
    {
        if (leaf is >= 0x4000_0000 and < 0x4000_0100)
            return VcpuHypervisorLeaves.Answer(vcpu, leaf, subleaf);
        CpuidResult result = Find(_set, leaf, subleaf)
            ?? _domain.Xen.Options.Host.Cpuid(leaf, subleaf);
        return _domain.IsHvm ? result : PvCpuid.Adjust(vcpu, leaf, subleaf, result);
    }

    private static CpuidResult? Find(Dictionary<CpuidIndex, CpuidResult> leaves, uint leaf, uint subleaf)
        => leaves.TryGetValue(new CpuidIndex(leaf, subleaf), out CpuidResult r)
            || leaves.TryGetValue(new CpuidIndex(leaf, CpuidIndex.AnySubleaf), out r)
            ? r
            : null;
}
