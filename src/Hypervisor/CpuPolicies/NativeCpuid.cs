using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.CpuPolicies;

/// <summary>
/// CPUID as a PV guest executes it by itself: without CPUID faulting (MSR_INTEL_PLATFORM_INFO bit 31) Xen does not see it, and the processor
/// answers for itself. What depends on control registers shows those that Xen runs the guest with.
/// </summary>
internal static class NativeCpuid
{
    private const uint Osxsave = 1u << 27;

    public static CpuidResult Answer(Vcpu vcpu, uint leaf, uint subleaf)
    {
        HostModel host = vcpu.Domain.Xen.Options.Host;
        CpuidResult r = host.Cpuid(leaf, subleaf);
        switch (leaf)
        {
            case 1:
                // 4.17 sets CR4.OSXSAVE where there is XSAVE; 4.0 does not know it.
                bool osxsave = vcpu.Domain.Xen.Profile.Release == XenRelease.V4_17 && host.Has(CpuFeature.Xsave);
                return r with { Ecx = osxsave ? r.Ecx | Osxsave : r.Ecx & ~Osxsave };
            case CpuidPolicy.XstateLeaf when subleaf < 2:
                return r with { Ebx = XstateSize(host, vcpu.Cpu.Xcr0, compacted: subleaf == 1) };
            default:
                return r;
        }
    }

    /// <summary>Bytes of the save area for these components, each at its fixed offset, or packed behind the header (SDM vol. 1, 13.4.2 and 13.4.3).</summary>
    public static uint XstateSize(HostModel host, ulong components, bool compacted)
    {
        const uint legacyArea = 576;
        uint size = legacyArea;
        for (uint i = 2; i < 63; i++)
        {
            if ((components >> (int)i & 1) == 0)
                continue;
            CpuidResult component = host.Cpuid(CpuidPolicy.XstateLeaf, i);
            size = compacted ? size + component.Eax : Math.Max(size, component.Eax + component.Ebx);
        }

        return size;
    }
}
