using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Boot.Hosts;

/// <summary>What must hold in a host model beyond its form, so that Xen can boot on it and says what a real one would say.</summary>
internal static class HostModelRules
{
    private const ulong SmallestMachineMiB = 64;

    public static IEnumerable<string> Check(HostModel host)
    {
        foreach (uint leaf in (uint[])[0, 1, 0x80000000, 0x80000001])
        {
            if (!host.CpuidLeaves.ContainsKey((leaf, 0)))
                yield return $"$.cpuid: leaf {leaf:x8} is missing";
        }

        if (!host.CpuidLeaves.ContainsKey((0, 0)) || !host.CpuidLeaves.ContainsKey((0x80000000, 0)))
            yield break;
        string vendor = host.Vendor == CpuVendor.Intel ? "GenuineIntel" : "AuthenticAMD";
        if (host.VendorString != vendor)
            yield return $"$.cpuid.00000000: vendor is \"{host.VendorString}\", but $.vendor says {host.Vendor} (\"{vendor}\")";
        if (host.CpuKhz is < 1000 or > 100_000_000)
            yield return $"$.cpuKhz: {host.CpuKhz} kHz is no clock of a CPU that Xen runs on";
        if (!host.Has(CpuFeature.Pae))
            yield return "$.cpuid.00000001: EDX bit 6 (PAE) is clear; neither release runs without PAE";
        foreach (string e in Virtualisation(host))
            yield return e;
        foreach (string e in Memory(host.Firmware).Concat(AcpiFirmware.Problems(host.Firmware)))
            yield return e;
    }

    private static IEnumerable<string> Virtualisation(HostModel host)
    {
        uint[] needed = host switch
        {
            { Vendor: CpuVendor.Intel } when host.Has(CpuFeature.Vmx) => [Msr.FeatureControl, Msr.VmxBasic, Msr.VmxCr0Fixed0, Msr.VmxCr0Fixed1, Msr.VmxProcbasedCtls, Msr.VmxProcbasedCtls2],
            { Vendor: CpuVendor.AMD } when host.Has(CpuFeature.Svm) => [Msr.VmCr],
            _ => [],
        };
        foreach (uint msr in needed)
        {
            if (!host.Msrs.ContainsKey(msr))
                yield return $"$.msrs: {msr:x} is missing, which the CPU's virtualisation needs";
        }
    }

    private static IEnumerable<string> Memory(HostFirmware firmware)
    {
        IReadOnlyList<E820Entry> map = firmware.MemoryMap(SmallestMachineMiB);
        if (!map.Any(e => e.Type == E820Type.RAM && e.End > 16 << 20))
            yield return "$.firmware.memory: no RAM above 16 MiB";
        for (int i = 0; i < map.Count; i++)
        {
            if (map[i].End <= map[i].Start)
                yield return $"$.firmware.memory: [{map[i].Start:x}, {map[i].End:x}) is empty";
            if (i > 0 && map[i].Start < map[i - 1].End)
                yield return $"$.firmware.memory: [{map[i].Start:x}, {map[i].End:x}) overlaps the range before it";
        }
    }
}

/// <summary>Numbers of the MSRs that Xen's boot looks at. Source: stable-4.17 xen/arch/x86/include/asm/msr-index.h.</summary>
public static class Msr
{
    /// <summary>IA32_FEATURE_CONTROL: bit 0 lock, 1 VMX inside SMX, 2 VMX outside SMX.</summary>
    public const uint FeatureControl = 0x3A;
    public const uint VmxBasic = 0x480;
    public const uint VmxProcbasedCtls = 0x482;
    public const uint VmxCr0Fixed0 = 0x486;
    public const uint VmxCr0Fixed1 = 0x487;
    public const uint VmxCr4Fixed0 = 0x488;
    public const uint VmxCr4Fixed1 = 0x489;
    public const uint VmxProcbasedCtls2 = 0x48B;
    public const uint VmxEptVpidCap = 0x48C;

    /// <summary>VM_CR: bit 4 SVME_DISABLE.</summary>
    public const uint VmCr = 0xC0010114;
}
