using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Hvm;

namespace XenSim.Hypervisor.Domains;

/// <summary>What CPUID tells a domain: the host's leaves, or what the toolstack set (set_cpuid in 4.0, set_cpu_policy in 4.17).</summary>
public sealed class CpuPolicy
{
    /// <summary>XEN_DOMCTL_set_cpuid holds at most this many (MAX_CPUID_INPUT of 4.0).</summary>
    public const int MaxInputs = 40;

    /// <summary>Sub-leaf number that means any.</summary>
    public const uint AnySubleaf = uint.MaxValue;

    private readonly Domain _domain;
    private readonly Dictionary<(uint Leaf, uint Subleaf), CpuidResult> _set = [];

    internal CpuPolicy(Domain domain) => _domain = domain;

    /// <summary>Leaves that the toolstack set.</summary>
    public IReadOnlyDictionary<(uint Leaf, uint Subleaf), CpuidResult> Leaves => _set;

    internal void Set(uint leaf, uint subleaf, CpuidResult result) => _set[(leaf, subleaf)] = result;

    /// <summary>A leaf as the policy has it, before what follows the vCPU's state is filled in.</summary>
    internal CpuidResult Get(uint leaf, uint subleaf)
        => _set.TryGetValue((leaf, subleaf), out CpuidResult r) || _set.TryGetValue((leaf, AnySubleaf), out r) ? r : _domain.Xen.Options.Host.Cpuid(leaf, subleaf);

    internal bool Has(CpuFeature feature)
    {
        CpuidResult r = Get(feature.Leaf, 0);
        uint register = feature.Register switch { 'a' => r.Eax, 'b' => r.Ebx, 'c' => r.Ecx, _ => r.Edx };
        return (register >> feature.Bit & 1) != 0;
    }

    internal CpuidResult Answer(Vcpu vcpu, uint leaf, uint subleaf)
    {
        if (Viridian.IsOn(_domain) && _domain.Viridian.TryLeaf(leaf, out CpuidResult viridian))
            return viridian;
        if (leaf >> 16 == 0x4000)
            return HypervisorLeaves.TryGet(FactsOf(vcpu), leaf, subleaf, out CpuidResult xen) ? xen : default;
        CpuidResult result = Get(leaf, subleaf);
        return _domain.IsHvm ? result : PvCpuid.Adjust(vcpu, leaf, subleaf, result);
    }

    private HypervisorLeafFacts FactsOf(Vcpu vcpu)
    {
        Xen xen = _domain.Xen;
        (uint mul, sbyte shift) = TimeScale.For(xen.Options.Host.CpuKhz * 1000);
        return new HypervisorLeafFacts
        {
            Release = xen.Options.Release,
            IsHvm = _domain.IsHvm,
            Viridian = Viridian.IsOn(_domain),
            Domain = _domain.Id,
            Vcpu = (uint)vcpu.Id,
            TscMode = _domain.Tsc.Mode,
            TscKhz = (uint)xen.Options.Host.CpuKhz,
            Incarnation = _domain.Tsc.Incarnation,
            TscToNsMultiplier = mul,
            TscToNsShift = shift,
            HostKhz = (uint)xen.Options.Host.CpuKhz,
            UpperMfnBound = xen.Frames.FrameCount,
            Hvm = xen.Hvm,
        };
    }
}
