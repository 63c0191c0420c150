using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.CpuPolicies;

/// <summary>What CPUID tells a domain: in 4.0 the leaves that the tools set, in 4.17 a policy that Xen has clamped.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain.c: domain_cpuid; stable-4.17 xen/arch/x86/cpuid.c: guest_cpuid.</remarks>
public sealed class CpuPolicy
{
    /// <summary>XEN_DOMCTL_set_cpuid holds at most this many (MAX_CPUID_INPUT of 4.0).</summary>
    public const int MaxInputs = 40;

    /// <summary>Sub-leaf number that means any.</summary>
    public const uint AnySubleaf = uint.MaxValue;

    private readonly Domain _domain;
    private readonly CpuidTable _set = new([]);
    private CpuidPolicy? _policy;
    private bool _madeFor32;

    internal CpuPolicy(Domain domain) => _domain = domain;

    /// <summary>Leaves that the toolstack set (4.0).</summary>
    internal CpuidTable Leaves => _set;

    /// <summary>The domain's policy (4.17).</summary>
    internal CpuidPolicy Policy
    {
        get
        {
            if (_policy is null || _madeFor32 != _domain.Is32BitPv)
                Replace(_policy ?? _domain.Xen.CpuPolicies.DefaultFor(_domain.IsHvm));
            return _policy!;
        }
    }

    /// <summary>XEN_DOMCTL_set_cpuid.</summary>
    internal void Set(uint leaf, uint subleaf, CpuidResult result) => _set.Set(leaf, subleaf, result);

    /// <summary>update_domain_cpu_policy: takes the policy over, clamped.</summary>
    internal void Replace(CpuidPolicy policy)
    {
        _madeFor32 = _domain.Is32BitPv;
        _domain.Xen.CpuPolicies.Recalculate(policy, _domain.IsHvm, _domain.Kind.IsHap, _madeFor32);
        _policy = policy;
    }

    /// <summary>A leaf as the domain may have it, before what follows the vCPU's state is filled in.</summary>
    internal CpuidResult Get(uint leaf, uint subleaf) => _domain.Xen.Profile.Release == XenRelease.V4_17 ? Policy.Leaf(leaf, subleaf) : Set40(leaf, subleaf);

    internal bool Has(CpuFeature feature)
    {
        CpuidResult r = Get(feature.Leaf, 0);
        uint register = feature.Register switch { 'a' => r.Eax, 'b' => r.Ebx, 'c' => r.Ecx, _ => r.Edx };
        return (register >> feature.Bit & 1) != 0;
    }

    /// <param name="forced">The guest asks Xen (ud2a "xen" cpuid), not the processor.</param>
    internal CpuidResult Answer(Vcpu vcpu, uint leaf, uint subleaf, bool forced)
    {
        if (Viridian.IsOn(_domain) && _domain.Viridian.TryLeaf(leaf, out CpuidResult viridian))
            return viridian;
        if (!_domain.IsHvm && !forced)
            return NativeCpuid.Answer(vcpu, leaf, subleaf);
        if (leaf >> 16 == 0x4000)
            return HypervisorLeaves.TryGet(FactsOf(vcpu), leaf, subleaf, out CpuidResult xen) ? xen : default;
        if (_domain.Xen.Profile.Release == XenRelease.V4_17)
            return GuestCpuid.Answer(vcpu, Policy, leaf, subleaf, forced);
        CpuidResult result = Set40(leaf, subleaf);
        return !_domain.IsHvm && _domain.IsHardwareDomain ? PvCpuid40.Adjust(_domain, leaf, result) : result;
    }

    private CpuidResult Set40(uint leaf, uint subleaf)
        => _set.TryGet(leaf, subleaf, out CpuidResult r) || _set.TryGet(leaf, AnySubleaf, out r) ? r : _domain.Xen.Options.Host.Cpuid(leaf, subleaf);

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
            TscKhz = _domain.IsHardwareDomain ? 0 : (uint)xen.Options.Host.CpuKhz,
            Incarnation = _domain.Tsc.Incarnation,
            TscToNsMultiplier = _domain.IsHardwareDomain ? 0 : mul,
            TscToNsShift = _domain.IsHardwareDomain ? (sbyte)0 : shift,
            HostRdtscp = (xen.Options.Host.Cpuid(0x8000_0001, 0).Edx >> 27 & 1) != 0,
            HostKhz = (uint)xen.Options.Host.CpuKhz,
            UpperMfnBound = xen.Frames.MaxPage - 1,
            Hvm = xen.Hvm,
        };
    }
}
