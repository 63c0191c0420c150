using XenSim.Guest.Cpu;

namespace XenSim.Hypervisor.Boot;

/// <summary>Maker of the host's CPU, as get_cpu_vendor tells them apart.</summary>
public enum HostVendor
{
    Intel,
    Amd,
}

/// <summary>A CPUID leaf's number. <see cref="AnySubleaf"/> where the leaf has no sub-leaves.</summary>
public readonly record struct CpuidIndex(uint Leaf, uint Subleaf)
{
    public const uint AnySubleaf = uint.MaxValue;
}

/// <summary>The physical machine that Xen finds: a data file, not code.</summary>
public sealed record HostModel
{
    public required string Name { get; init; }

    public required HostVendor Vendor { get; init; }

    /// <summary>Clock rate of CPU and TSC. Unit: kHz.</summary>
    public required uint CpuKhz { get; init; }

    /// <summary>What CPUID answers on the bare machine.</summary>
    public required IReadOnlyDictionary<CpuidIndex, CpuidResult> Leaves { get; init; }

    /// <summary>Readable machine registers.</summary>
    public IReadOnlyDictionary<uint, ulong> Msrs { get; init; } = new Dictionary<uint, ulong>();
}
