using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;

namespace XenSim.Hypervisor.Tests.Boot.Dom0;

/// <summary>Origin: RELEASE-4.0.4 domain_build.c: parse_dom0_mem, compute_dom0_nr_pages; stable-4.17 dom0_build.c.</summary>
public sealed class Dom0MemoryTests
{
    private const ulong Available = 0x3F000;

    [Theory]
    [InlineData(XenRelease.V4_0, null, Available - (Available / 16))]
    [InlineData(XenRelease.V4_0, "256M", 0x10000)]
    [InlineData(XenRelease.V4_0, "262144", 0x10000)]
    [InlineData(XenRelease.V4_0, "0x40000k", 0x10000)]
    [InlineData(XenRelease.V4_0, "-16M", Available - 0x1000)]
    [InlineData(XenRelease.V4_0, "16M,min:64M", 0x4000)]
    [InlineData(XenRelease.V4_0, "512M,max:64M", 0x4000)]
    [InlineData(XenRelease.V4_0, "4G", Available)]
    [InlineData(XenRelease.V4_17, "1024M,max:512M", 0x20000)]
    [InlineData(XenRelease.V4_17, "25%", Available / 4)]
    [InlineData(XenRelease.V4_17, "16M+10%", 0x1000 + (Available / 10))]
    [InlineData(XenRelease.V4_17, "150%", Available - (Available / 16))]
    public void The_option_decides_within_what_is_available(XenRelease release, string? option, ulong pages)
    {
        Dom0MemoryFacts facts = new(release, Dom0Kind.Native, Available, MaxVcpus: 1, VcpuOrder: 1, InitrdLength: 0);

        Dom0MemoryPlan plan = Dom0MemoryPlan.Compute(facts, Dom0MemoryOption.Parse(release, option), Kernel with { P2mBase = 0x8000000000 });

        Assert.Equal(new Dom0MemoryPlan(pages, Clipped: false), plan);
    }

    /// <summary>Room for more vCPUs is kept: 2^order pages of struct vcpu each, and a monitor table each for compat.</summary>
    [Theory]
    [InlineData("Native", 6)]
    [InlineData("Compat", 9)]
    public void Pages_for_further_vcpus_are_held_back(string kind, ulong held)
    {
        Dom0MemoryFacts facts = new(XenRelease.V4_0, Enum.Parse<Dom0Kind>(kind), Available, MaxVcpus: 4, VcpuOrder: 1, InitrdLength: 0);

        Assert.Equal(Available - held, Dom0MemoryPlan.Compute(facts, Dom0MemoryOption.Parse(XenRelease.V4_0, "4G"), Kernel).Pages);
    }

    /// <summary>virt_base at 4 GiB - 16 MiB leaves 15 MiB behind the kernel: half of it in 4-byte entries.</summary>
    [Fact]
    public void A_kernel_without_INIT_P2M_is_clipped_to_what_its_tables_can_hold()
    {
        Dom0MemoryFacts facts = new(XenRelease.V4_0, Dom0Kind.Compat, 0x800000, MaxVcpus: 1, VcpuOrder: 1, InitrdLength: 0);
        XenElfParameters kernel = new() { VirtBase = 0xFF000000, VirtKernelStart = 0xFF000000, VirtKernelEnd = 0xFF100000 };

        Assert.Equal(new Dom0MemoryPlan(0xF00000 / 8, Clipped: true), Dom0MemoryPlan.Compute(facts, Dom0MemoryOption.None, kernel));
        Assert.False(Dom0MemoryPlan.Compute(facts, Dom0MemoryOption.Parse(XenRelease.V4_0, "16G"), kernel).Clipped);
    }

    private static XenElfParameters Kernel => new() { VirtBase = 0xFFFFFFFF80000000, VirtKernelStart = 0xFFFFFFFF80000000, VirtKernelEnd = 0xFFFFFFFF80A00000 };
}
