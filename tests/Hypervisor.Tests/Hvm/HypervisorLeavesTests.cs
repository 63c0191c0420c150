using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Tests.Hvm;

/// <summary>Origin: xen/arch/x86/traps.c: cpuid_hypervisor_leaves of both releases; "seen" = CPUID exits of a PVH guest on real 4.17.7.</summary>
public sealed class HypervisorLeavesTests
{
    private static readonly HypervisorLeafFacts HvmBuild417 = new() { Release = XenRelease.V4_17, IsHvm = true, Domain = new DomainId(11) };
    private static readonly HypervisorLeafFacts Hvm40 = HvmBuild417 with { Release = XenRelease.V4_0 };

    /// <summary>Seen: leaf 40000000 -> 40000005 566e6558 65584d4d 4d4d566e; leaf 40000002 -> 1 40000000 0 0.</summary>
    [Fact]
    public void A_PVH_guest_of_4_17_reads_what_one_of_real_Xen_read()
    {
        Assert.Equal(new CpuidResult(0x40000005, 0x566E6558, 0x65584D4D, 0x4D4D566E), Leaf(HvmBuild417, 0x40000000));
        Assert.Equal(new CpuidResult(1, 0x40000000, 0, 0), Leaf(HvmBuild417, 0x40000002));
        Assert.Equal(0x00040011u, Leaf(HvmBuild417, 0x40000001)!.Value.Eax);
    }

    [Fact]
    public void Release_4_0_stops_at_leaf_2_unless_the_domain_has_PVRDTSCP()
    {
        Assert.Equal(0x40000002u, Leaf(Hvm40, 0x40000000)!.Value.Eax);
        Assert.Null(Leaf(Hvm40, 0x40000003));
        Assert.Equal(0x40000003u, Leaf(Hvm40 with { TscMode = 3 }, 0x40000000)!.Value.Eax);
        Assert.NotNull(Leaf(Hvm40 with { TscMode = 3 }, 0x40000003));
    }

    [Fact]
    public void Viridian_shifts_the_leaves_and_the_MSR()
    {
        HypervisorLeafFacts facts = Hvm40 with { Viridian = true };

        Assert.Null(Leaf(facts, 0x40000000));
        Assert.Equal(0x40000102u, Leaf(facts, 0x40000100)!.Value.Eax);
        Assert.Equal(0x40000200u, Leaf(facts, 0x40000102)!.Value.Ebx);
    }

    [Fact]
    public void Only_a_PV_guest_is_told_of_updates_that_preserve_accessed_and_dirty_bits()
    {
        Assert.Equal(1u, Leaf(HvmBuild417 with { IsHvm = false }, 0x40000002)!.Value.Ecx);
        Assert.Equal(0u, Leaf(HvmBuild417, 0x40000002)!.Value.Ecx);
    }

    [Theory]
    [InlineData(0, 0x40000005)]
    [InlineData(1, 0x40000002)]
    [InlineData(3, 0x40000003)]
    [InlineData(9, 0x40000005)]
    public void The_tools_limit_of_4_17_is_clamped(uint limit, uint highest)
        => Assert.Equal(highest, Leaf(HvmBuild417 with { PolicyLimit = limit }, 0x40000000)!.Value.Eax);

    [Fact]
    public void Leaf_4_names_vcpu_and_domain_to_a_hardware_guest_only()
    {
        Assert.Equal(new CpuidResult(0x5C, 2, 11, 0), Leaf(HvmBuild417 with { Vcpu = 2 }, 0x40000004));
        Assert.Equal(default(CpuidResult), Leaf(HvmBuild417 with { IsHvm = false }, 0x40000004));
    }

    /// <summary>flsl(mfn bound) + PAGE_SHIFT: 1 GiB has frames up to 0x40000, whose highest bit is number 19.</summary>
    [Fact]
    public void Leaf_5_gives_a_PV_guest_the_width_of_machine_addresses()
        => Assert.Equal(31u, Leaf(HvmBuild417 with { IsHvm = false, UpperMfnBound = 0x40000 }, 0x40000005)!.Value.Ebx);

    [Fact]
    public void The_time_leaf_has_three_sub_leaves()
    {
        HypervisorLeafFacts facts = HvmBuild417 with { Vtsc = true, TscMode = 1, TscKhz = 2596098, Incarnation = 1, HostKhz = 2596098, TscToNsMultiplier = 7, TscToNsShift = -1 };

        Assert.Equal(new CpuidResult(1, 1, 2596098, 1), Leaf(facts, 0x40000003));
        Assert.Equal(new CpuidResult(0, 0, 7, 0xFFFFFFFF), Leaf(facts, 0x40000003, 1));
        Assert.Equal(new CpuidResult(2596098, 0, 0, 0), Leaf(facts, 0x40000003, 2));
        Assert.Equal(default(CpuidResult), Leaf(facts, 0x40000003, 3));
    }

    private static CpuidResult? Leaf(HypervisorLeafFacts facts, uint leaf, uint subleaf = 0)
        => HypervisorLeaves.TryGet(facts, leaf, subleaf, out CpuidResult r) ? r : null;
}
