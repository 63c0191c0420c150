using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Tests.Boot.Hosts;

public sealed class HostModelTests
{
    /// <summary>Origin: "CPU Vendor: AMD, Family 15 (0xf), Model 107 (0x6b), Stepping 1 (raw 00060fb1)" of the real 4.17.7 boot log, /proc/cpuinfo below it.</summary>
    [Fact]
    public void The_golden_AMD_machine_is_what_Xen_printed_about_it()
    {
        HostModel host = HostModels.Find(HostModels.Amd)!;

        Assert.Equal("AuthenticAMD", host.VendorString);
        Assert.Equal((15u, 107u, 1u, 0x00060FB1u), (host.Family, host.Model, host.Stepping, host.Signature));
        Assert.Equal("QEMU TCG CPU version 2.5+", host.Brand);
        Assert.True(host.Has(CpuFeature.Svm));
        Assert.True(host.LongMode);
        Assert.False(host.Has(CpuFeature.Vmx));
    }

    /// <summary>Origin: "Processor #0 6:6 APIC version 20" and the missing HVM lines of the real 4.0.4 x86_32 boot logs.</summary>
    [Fact]
    public void The_golden_32_bit_machine_is_family_6_model_6_without_virtualisation()
    {
        HostModel host = HostModels.Find(HostModels.Qemu32)!;

        Assert.Equal((6u, 6u), (host.Family, host.Model));
        Assert.Equal("GenuineIntel", host.VendorString);
        Assert.False(host.LongMode);
        Assert.False(host.Has(CpuFeature.Vmx));
    }

    [Fact]
    public void The_Intel_machine_has_VMX_that_its_BIOS_left_on()
    {
        HostModel host = HostModels.Find(HostModels.Intel)!;

        Assert.True(host.Has(CpuFeature.Vmx));
        Assert.Equal(5ul, host.Msrs[Msr.FeatureControl]);
    }

    /// <summary>Origin: "Xen-e820 RAM map" of the real 4.17.7 boot log on a machine of 1024 MiB.</summary>
    [Fact]
    public void The_memory_map_of_1024_MiB_is_the_one_that_the_BIOS_gave()
    {
        (ulong, ulong, E820Type)[] map = [.. HostModels.Find(HostModels.Amd)!.Firmware.MemoryMap(1024).Select(e => (e.Start, e.End - 1, e.Type))];

        Assert.Equal(
            [
                (0x0, 0x9FBFF, E820Type.RAM),
                (0x9FC00, 0x9FFFF, E820Type.RESERVED),
                (0xF0000, 0xFFFFF, E820Type.RESERVED),
                (0x100000, 0x3FFDEFFF, E820Type.RAM),
                (0x3FFDF000, 0x3FFFFFFF, E820Type.RESERVED),
                (0xB0000000, 0xBFFFFFFF, E820Type.RESERVED),
                (0xFED1C000, 0xFED1FFFF, E820Type.RESERVED),
                (0xFFFC0000, 0xFFFFFFFF, E820Type.RESERVED),
                (0xFD00000000, 0xFFFFFFFFFF, E820Type.RESERVED),
            ],
            map);
    }

    [Fact]
    public void Memory_beyond_the_limit_goes_above_4_GiB()
    {
        IReadOnlyList<E820Entry> map = HostModels.Find(HostModels.Amd)!.Firmware.MemoryMap(3072);

        Assert.Contains(new E820Entry(0x100000, 0x7FFDF000, E820Type.RAM), map);
        Assert.Contains(new E820Entry(0x100000000, 0x140000000, E820Type.RAM), map);
    }

    /// <summary>Origin: SDM vol. 2A, CPUID: beyond the highest basic leaf an Intel CPU answers with that leaf; AMD APM vol. 3 E.2: zeroes.</summary>
    [Fact]
    public void A_leaf_beyond_the_highest_is_answered_in_the_vendor_s_way()
    {
        HostModel intel = HostModels.Find(HostModels.Intel)!;
        HostModel amd = HostModels.Find(HostModels.Amd)!;

        Assert.Equal(intel.Cpuid(0xD, 0), intel.Cpuid(0x1234, 0));
        Assert.Equal(default, amd.Cpuid(0x1234, 0));
    }

    [Theory]
    [MemberData(nameof(ShippedModels))]
    public void Every_shipped_model_loads_and_keeps_the_rules_that_loading_it_does_not_check(string name)
    {
        Assert.Equal(name, HostModels.Find(name)!.Name);
        HostModelReader.TryRead(HostModels.Json(name)!, out _, out IReadOnlyList<string> errors);
        Assert.Empty(errors);
    }

    public static TheoryData<string> ShippedModels() => [.. HostModels.Names];

    [Theory]
    [InlineData("\"vendor\": \"AMD\"", "\"vendor\": \"Via\"", "$.vendor: \"Via\" is none of Intel, AMD")]
    [InlineData("\"vendor\": \"AMD\"", "\"vendor\": \"Intel\"", "vendor is \"AuthenticAMD\", but $.vendor says Intel")]
    [InlineData("\"68747541\", \"444d4163\", \"69746e65\"],\n    \"00000001\"", "\"68747541\", \"444d4163\"],\n    \"00000001\"", "$.cpuid.00000000: four registers expected, 3 found")]
    [InlineData("\"c0010114\": \"0\"", "\"c0010114\": \"x\"", "$.msrs.c0010114: \"x\" is not a hexadecimal number")]
    [InlineData("\"c0010114\": \"0\"", "\"c0010115\": \"0\"", "c0010114 is missing, which the CPU's virtualisation needs")]
    [InlineData("\"end\": \"a0000\"", "\"end\": \"1a0000\"", "overlaps the range before it")]
    [InlineData("\"pmTimerPort\": \"608\",", "", "$.firmware.pmTimerPort: missing")]
    [InlineData("\"length\": \"78\"", "\"length\": \"79\"", "$.firmware.acpiTables: APIC is 78 bytes long, not 79")]
    [InlineData("\"signature\": \"WAET\"", "\"signature\": \"SSDT\"", "$.firmware.acpiTables: SSDT is no table that the firmware can write")]
    [InlineData("\"text\": \"BOCHS  BXPC            1 BXPC        1\"", "\"text\": \"BOCHS\"", "$.firmware.acpiTables: RSDT: \"BOCHS\" is not what Xen prints of a table's header")]
    [InlineData("\"mcfgBase\": \"b0000000\"", "\"x\": 0", "$.firmware.acpiTables: MCFG needs $.firmware.mcfgBase")]
    [InlineData("\"60\": \"b0000001\"", "\"61\": \"b0000001\"", "$.firmware.hostBridge.61: not the offset of a register in 256 bytes")]
    [InlineData("\"cpuKhz\": 2596098", "\"cpuKhz\": 1", "$.cpuKhz: 1 kHz")]
    [InlineData("\"name\"", "name", "not JSON: line 2")]
    public void A_broken_model_is_refused_with_the_place_of_the_error(string from, string to, string error)
    {
        string json = Json(HostModels.Amd);
        Assert.Contains(from, json, StringComparison.Ordinal);

        Assert.False(HostModelReader.TryRead(json.Replace(from, to, StringComparison.Ordinal), out HostModel? model, out IReadOnlyList<string> errors));

        Assert.Null(model);
        Assert.Contains(errors, e => e.Contains(error, StringComparison.Ordinal));
    }

    [Fact]
    public void A_changed_MSR_leaves_the_original_model_alone()
    {
        HostModel host = HostModels.Find(HostModels.Amd)!;

        Assert.Equal(0x10ul, host.WithMsr(Msr.VmCr, 0x10).Msrs[Msr.VmCr]);
        Assert.Equal(0ul, host.Msrs[Msr.VmCr]);
        Assert.Equal(default, host.WithCpuid(1, 0, default(CpuidResult)).Cpuid(1, 0));
    }

    private static string Json(string name)
    {
        using StreamReader reader = new(typeof(HostModel).Assembly.GetManifestResourceStream($"hosts/{name}.json")!);
        return reader.ReadToEnd();
    }
}
