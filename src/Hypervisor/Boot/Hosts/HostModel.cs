using System.Text;
using XenSim.Guest.Cpu;

namespace XenSim.Hypervisor.Boot.Hosts;

/// <summary>X86_VENDOR_* of the vendors whose hosts are modelled.</summary>
public enum CpuVendor
{
    Intel,
    AMD,
}

/// <summary>The physical machine that Xen boots on, as data: what CPUID, the MSRs and the firmware tell it.</summary>
public sealed record HostModel
{
    private readonly CpuidTable _table = new([]);

    /// <summary>Name in <see cref="HostModels"/>, e.g. <c>amd-q35</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Where the values are from.</summary>
    public required string Origin { get; init; }

    public required CpuVendor Vendor { get; init; }

    /// <summary>TSC and core clock. Unit: kHz.</summary>
    public required uint CpuKhz { get; init; }

    /// <summary>CPUID by leaf and sub-leaf, as the bare machine answers.</summary>
    public required IReadOnlyDictionary<(uint Leaf, uint Subleaf), CpuidResult> CpuidLeaves
    {
        get;
        init
        {
            field = value;
            _table = new CpuidTable(value);
        }
    }

    /// <summary>MSRs that Xen reads while it boots, at reset values or as the BIOS left them.</summary>
    public required IReadOnlyDictionary<uint, ulong> Msrs { get; init; }

    /// <summary>Processors. They are alike, except for <see cref="CpuMsrs"/>.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary>MSRs in which one processor differs from the first, e.g. because the BIOS forgot it.</summary>
    public IReadOnlyList<(int Cpu, uint Index, ulong Value)> CpuMsrs { get; init; } = [];

    /// <summary>A machine whose RDMSR never faults: QEMU's TCG answers zero for an MSR it does not know (7.2 target/i386/tcg/sysemu/misc_helper.c: helper_rdmsr).</summary>
    public bool UnlistedMsrsReadZero { get; init; }

    public required HostFirmware Firmware { get; init; }

    /// <summary>The vendor's name in leaf 0: <c>GenuineIntel</c>, <c>AuthenticAMD</c>.</summary>
    public string VendorString
    {
        get
        {
            CpuidResult r = Cpuid(0, 0);
            return Text(r.Ebx, r.Edx, r.Ecx);
        }
    }

    /// <summary>The marketing name in leaves 0x80000002 to 0x80000004.</summary>
    public string Brand
        => string.Concat(Enumerable.Range(0, 3).Select(i => Cpuid(0x80000002 + (uint)i, 0)).Select(r => Text(r.Eax, r.Ebx, r.Ecx, r.Edx))).TrimEnd('\0').Trim();

    /// <summary>Leaf 1 EAX, from which <see cref="Family"/>, <see cref="Model"/> and <see cref="Stepping"/> come.</summary>
    public uint Signature => Cpuid(1, 0).Eax;

    public uint Family
    {
        get
        {
            uint family = (Signature >> 8) & 0xF;
            return family == 0xF ? family + ((Signature >> 20) & 0xFF) : family;
        }
    }

    public uint Model
    {
        get
        {
            uint model = (Signature >> 4) & 0xF;
            uint family = (Signature >> 8) & 0xF;
            bool extended = family == 0xF || (Vendor == CpuVendor.Intel && family == 6);
            return extended ? model | ((Signature >> 12) & 0xF0) : model;
        }
    }

    public uint Stepping => Signature & 0xF;

    /// <summary>Whether a 64-bit hypervisor can run here.</summary>
    public bool LongMode => Has(CpuFeature.LongMode);

    public bool Has(CpuFeature feature)
    {
        if (feature.Leaf > Cpuid(feature.Leaf & 0x80000000, 0).Eax)
            return false;
        CpuidResult r = Cpuid(feature.Leaf, 0);
        uint register = feature.Register switch { 'a' => r.Eax, 'b' => r.Ebx, 'c' => r.Ecx, _ => r.Edx };
        return (register & (1u << feature.Bit)) != 0;
    }

    /// <summary>
    /// CPUID on the bare machine. Beyond the highest leaf Intel answers with the highest basic leaf, AMD with zeroes
    /// (SDM vol. 2A, CPUID; APM vol. 3, E.2).
    /// </summary>
    public CpuidResult Cpuid(uint leaf, uint subleaf)
    {
        if (_table.TryGet(leaf, subleaf, out CpuidResult r))
            return r;
        bool indexed = leaf is 4 or 7 or 0xB or 0xD or 0x8000001D;
        if (!indexed && _table.TryGet(leaf, 0, out r))
            return r;
        _table.TryGet(0, 0, out CpuidResult basic);
        _table.TryGet(leaf & 0x80000000, 0, out CpuidResult range);
        return leaf > range.Eax && Vendor == CpuVendor.Intel && _table.TryGet(basic.Eax, 0, out r) ? r : default;
    }

    /// <summary>rdmsr_safe. False: the machine answers #GP.</summary>
    public bool TryReadMsr(uint index, out ulong value) => Msrs.TryGetValue(index, out value) || UnlistedMsrsReadZero;

    /// <summary>The same machine with another MSR value, e.g. VMX locked off by the BIOS.</summary>
    public HostModel WithMsr(uint index, ulong value)
        => this with { Msrs = Msrs.With(index, value) };

    /// <summary>The machine as one of its processors sees it.</summary>
    public HostModel Processor(int cpu)
        => CpuMsrs.Where(m => m.Cpu == cpu).Aggregate(this, (host, m) => host.WithMsr(m.Index, m.Value));

    /// <summary>The same machine with another CPUID leaf.</summary>
    public HostModel WithCpuid(uint leaf, uint subleaf, CpuidResult value)
        => this with { CpuidLeaves = CpuidLeaves.With((leaf, subleaf), value) };

    private static string Text(params ReadOnlySpan<uint> registers)
    {
        Span<byte> bytes = stackalloc byte[registers.Length * 4];
        for (int i = 0; i < registers.Length; i++)
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(bytes[(i * 4)..], registers[i]);
        return Encoding.ASCII.GetString(bytes);
    }
}

/// <summary>A feature bit by its place in CPUID.</summary>
/// <param name="Register">'a' to 'd'.</param>
public readonly record struct CpuFeature(uint Leaf, char Register, int Bit)
{
    public static readonly CpuFeature Vmx = new(1, 'c', 5);
    public static readonly CpuFeature Smx = new(1, 'c', 6);
    public static readonly CpuFeature X2Apic = new(1, 'c', 21);
    public static readonly CpuFeature Xsave = new(1, 'c', 26);
    public static readonly CpuFeature Hypervisor = new(1, 'c', 31);
    public static readonly CpuFeature Pae = new(1, 'd', 6);
    public static readonly CpuFeature Mce = new(1, 'd', 7);
    public static readonly CpuFeature Mca = new(1, 'd', 14);
    public static readonly CpuFeature Fxsr = new(1, 'd', 24);
    public static readonly CpuFeature Xmm = new(1, 'd', 25);
    public static readonly CpuFeature Svm = new(0x80000001, 'c', 2);
    public static readonly CpuFeature Syscall = new(0x80000001, 'd', 11);
    public static readonly CpuFeature Nx = new(0x80000001, 'd', 20);
    public static readonly CpuFeature Page1Gb = new(0x80000001, 'd', 26);
    public static readonly CpuFeature Rdtscp = new(0x80000001, 'd', 27);
    public static readonly CpuFeature LongMode = new(0x80000001, 'd', 29);
    public static readonly CpuFeature InvariantTsc = new(0x80000007, 'd', 8);
}

file static class DictionaryExtensions
{
    public static Dictionary<TKey, TValue> With<TKey, TValue>(this IReadOnlyDictionary<TKey, TValue> from, TKey key, TValue value)
        where TKey : notnull
        => new(from) { [key] = value };
}
