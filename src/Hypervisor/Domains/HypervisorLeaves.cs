using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Domains;

/// <summary>Xen's own CPUID leaves, 0x40000000 and up.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/traps.c: cpuid_hypervisor_leaves; stable-4.17 the same; time.c: cpuid_time_leaf.</remarks>
public static class HypervisorLeaves
{
    public const uint Base = 0x4000_0000;

    /// <summary>MSR that installs a hypercall page.</summary>
    public const uint HypercallMsr = 0x4000_0000;

    private const uint SignatureEbx = 0x566E_6558;
    private const uint SignatureEcx = 0x6558_4D4D;
    private const uint SignatureEdx = 0x4D4D_566E;
    private const uint TscModePvRdtscp = 3;

    public static CpuidResult Answer(Vcpu vcpu, uint leaf, uint subleaf)
    {
        Domain d = vcpu.Domain;
        bool v40 = d.Xen.Profile.Release == XenRelease.V4_0;

        // 4.0.4 answers a privileged PV domain only sub-leaf 0.
        if (v40 && d.IsPrivileged && !d.IsHvm)
            subleaf = 0;
        uint index = leaf - Base;
        uint limit = v40 ? (d.Tsc.Mode < TscModePvRdtscp ? 2u : 3u) : 5u;
        return index > limit ? default : index switch
        {
            0 => new CpuidResult(Base + limit, SignatureEbx, SignatureEcx, SignatureEdx),
            1 => new CpuidResult(d.Xen.Profile.Version, 0, 0, 0),
            2 => new CpuidResult(1, HypercallMsr, d.IsHvm ? 0u : 1u, 0),
            3 => TimeLeaf(d, subleaf),
            4 when d.IsHvm && subleaf == 0 => new CpuidResult(HvmFeatures, (uint)vcpu.Id, d.Id.Value, 0),
            5 when !d.IsHvm && subleaf == 0 => new CpuidResult(0, PhysicalAddressBits(d), 0, 0),
            _ => default,
        };
    }

    // Bits 3 vcpu id valid, 4 domid valid, 6 upcall vector: those without hardware APIC virtualisation or an IOMMU.
    private const uint HvmFeatures = 1 << 3 | 1 << 4 | 1 << 6;

    private static CpuidResult TimeLeaf(Domain d, uint subleaf)
    {
        (uint mul, int shift) = TimeScale.For(d.Xen.Options.Host.CpuKhz * 1000UL);
        return subleaf switch
        {
            0 => new CpuidResult(0, d.Tsc.Mode, d.Xen.Options.Host.CpuKhz, d.Tsc.Incarnation),
            1 => new CpuidResult(0, 0, mul, (uint)shift),
            2 => new CpuidResult(d.Xen.Options.Host.CpuKhz, 0, 0, 0),
            _ => default,
        };
    }

    private static uint PhysicalAddressBits(Domain d)
        => d.Xen.Options.Host.Leaves.TryGetValue(new Boot.CpuidIndex(0x8000_0008, Boot.CpuidIndex.AnySubleaf), out CpuidResult r) ? r.Eax & 0xFF : 36;
}

/// <summary>The factors of the guests' clock: ns = ((ticks &lt;&lt; shift) * mul) &gt;&gt; 32.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/time.c: set_time_scale.</remarks>
public static class TimeScale
{
    private const ulong Billion = 1_000_000_000;

    /// <param name="frequency">Unit: Hz.</param>
    public static (uint Mul, int Shift) For(ulong frequency)
    {
        int shift = 0;
        while (frequency > 2 * Billion)
        {
            frequency >>= 1;
            shift--;
        }

        while (frequency <= Billion)
        {
            frequency <<= 1;
            shift++;
        }

        return ((uint)((Billion << 32) / frequency), shift);
    }
}
