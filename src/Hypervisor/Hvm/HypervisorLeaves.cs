using System.Numerics;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Hvm;

/// <summary>What the hypervisor's own CPUID leaves tell a guest about itself and its host.</summary>
public readonly record struct HypervisorLeafFacts
{
    public required XenRelease Release { get; init; }

    public required bool IsHvm { get; init; }

    /// <summary>Viridian's leaves stand at 0x40000000, Xen's 0x100 above.</summary>
    public bool Viridian { get; init; }

    public required DomainId Domain { get; init; }

    public uint Vcpu { get; init; }

    /// <summary>The domain's tsc_mode: 0 default, 1 always emulate, 2 never, 3 PVRDTSCP (4.0).</summary>
    public uint TscMode { get; init; }

    /// <summary>The TSC is emulated.</summary>
    public bool Vtsc { get; init; }

    /// <summary>Unit: kHz.</summary>
    public uint TscKhz { get; init; }

    public uint Incarnation { get; init; }

    public ulong VtscOffset { get; init; }

    public uint TscToNsMultiplier { get; init; }

    public sbyte TscToNsShift { get; init; }

    /// <summary>host_tsc_is_safe.</summary>
    public bool HostTscSafe { get; init; }

    public bool HostRdtscp { get; init; }

    /// <summary>Unit: kHz.</summary>
    public uint HostKhz { get; init; }

    /// <summary>4.17: leaf limit in the domain's CPU policy; 0 means the default.</summary>
    public uint PolicyLimit { get; init; }

    /// <summary>First machine frame beyond the machine's memory. Unit: frames.</summary>
    public ulong UpperMfnBound { get; init; }

    public HvmFunctionTable? Hvm { get; init; }
}

/// <summary>cpuid_hypervisor_leaves: the leaves at 0x40000000 by which a guest finds Xen.</summary>
/// <remarks>Source: xen/arch/x86/traps.c: cpuid_hypervisor_leaves, and time.c: cpuid_time_leaf, of both releases.</remarks>
public static class HypervisorLeaves
{
    private const uint Base = 0x4000_0000;
    private const uint ViridianBase = 0x4000_0100;
    private const uint HypercallMsr = 0x4000_0000;
    private const uint HypercallMsrViridian = 0x4000_0200;
    private const uint MaxLeaves417 = 5;
    private const uint PvRdtscpMode = 3;
    private const uint MmuPtUpdatePreserveAd = 1 << 0;

    // XEN_HVM_CPUID_* of stable-4.17 xen/include/public/arch-x86/cpuid.h.
    private const uint ApicAccessVirt = 1 << 0;
    private const uint X2ApicVirt = 1 << 1;
    private const uint IommuMappings = 1 << 2;
    private const uint VcpuIdPresent = 1 << 3;
    private const uint DomIdPresent = 1 << 4;
    private const uint UpcallVector = 1 << 6;

    /// <summary>Answers a leaf of Xen's. False: not one (4.0: fall back to the ordinary policy; 4.17: the answer is all zero).</summary>
    public static bool TryGet(in HypervisorLeafFacts facts, uint leaf, uint subleaf, out CpuidResult result)
    {
        uint first = facts.Viridian ? ViridianBase : Base;
        uint index = unchecked(leaf - first);
        uint limit = Limit(facts);
        result = default;
        if (index > limit)
            return false;
        result = index switch
        {
            0 => new CpuidResult(first + limit, 0x566E6558, 0x65584D4D, 0x4D4D566E), // "XenVMMXenVMM"
            1 => new CpuidResult(facts.Release == XenRelease.V4_0 ? 0x00040000u : 0x00040011u, 0, 0, 0),
            2 => new CpuidResult(1, facts.Viridian ? HypercallMsrViridian : HypercallMsr, facts.IsHvm ? 0 : MmuPtUpdatePreserveAd, 0),
            3 => TimeLeaf(facts, subleaf),
            4 => facts.IsHvm && subleaf == 0 ? HvmLeaf(facts) : default,
            _ => !facts.IsHvm && subleaf == 0 ? new CpuidResult(0, AddressBits(facts.UpperMfnBound), 0, 0) : default,
        };
        return true;
    }

    private static uint Limit(in HypervisorLeafFacts facts)
    {
        if (facts.Release == XenRelease.V4_0)
            return facts.TscMode < PvRdtscpMode ? 2u : 3u;
        return facts.PolicyLimit == 0 ? MaxLeaves417 : Math.Clamp(facts.PolicyLimit, 2, MaxLeaves417);
    }

    private static CpuidResult TimeLeaf(in HypervisorLeafFacts f, uint subleaf) => subleaf switch
    {
        0 => new CpuidResult(
            (f.Vtsc ? 1u : 0) | (f.HostTscSafe ? 2u : 0) | (f.HostRdtscp ? 4u : 0), f.TscMode, f.TscKhz, f.Incarnation),
        1 => new CpuidResult(
            f.Vtsc ? 0 : (uint)f.VtscOffset, f.Vtsc ? 0 : (uint)(f.VtscOffset >> 32), f.TscToNsMultiplier, (uint)f.TscToNsShift),
        2 => new CpuidResult(f.HostKhz, 0, 0, 0),
        _ => default,
    };

    private static CpuidResult HvmLeaf(in HypervisorLeafFacts f)
    {
        uint features = IommuMappings | VcpuIdPresent | DomIdPresent | UpcallVector
            | (f.Hvm is { ApicRegisterVirtualisation: true } ? ApicAccessVirt : 0)
            | (f.Hvm is { X2ApicVirtualisation: true } ? X2ApicVirt : 0);
        return new CpuidResult(features, f.Vcpu, f.Domain.Value, 0);
    }

    /// <summary>flsl(get_upper_mfn_bound()) + PAGE_SHIFT.</summary>
    private static uint AddressBits(ulong upperMfnBound) => upperMfnBound == 0 ? 12 : 12 + 64 - (uint)BitOperations.LeadingZeroCount(upperMfnBound);
}
