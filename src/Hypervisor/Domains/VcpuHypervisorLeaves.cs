using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Domains;

/// <summary>Xen's own CPUID leaves as they are for one vCPU.</summary>
internal static class VcpuHypervisorLeaves
{
    public static CpuidResult Answer(Vcpu vcpu, uint leaf, uint subleaf)
    {
        Domain d = vcpu.Domain;
        Xen xen = d.Xen;
        (uint mul, int shift) = TimeScale.For(xen.Options.Host.CpuKhz * 1000UL);
        HypervisorLeafFacts facts = new()
        {
            Release = xen.Profile.Release,
            IsHvm = d.IsHvm,
            Domain = d.Id,
            Vcpu = (uint)vcpu.Id,
            TscMode = d.Tsc.Mode,
            TscKhz = xen.Options.Host.CpuKhz,
            Incarnation = d.Tsc.Incarnation,
            TscToNsMultiplier = mul,
            TscToNsShift = (sbyte)shift,
            HostTscSafe = xen.Options.Host.Has(CpuFeature.InvariantTsc),
            HostRdtscp = xen.Options.Host.Has(CpuFeature.Rdtscp),
            HostKhz = xen.Options.Host.CpuKhz,
            UpperMfnBound = xen.Frames.FrameCount,
            Hvm = xen.HvmFunctions,
        };

        // 4.0.4 answers a privileged PV domain only sub-leaf 0.
        bool firstOnly = facts.Release == XenRelease.V4_0 && d.IsPrivileged && !d.IsHvm;
        HypervisorLeaves.TryGet(facts, leaf, firstOnly ? 0 : subleaf, out CpuidResult result);
        return result;
    }
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
