using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Tests.Boot.Dom0;

namespace XenSim.Hypervisor.Tests.Boot;

/// <summary>Where Xen and the modules go, how much room a packed kernel gets, and who says so when there is none.</summary>
/// <remarks>Origin: the recorded boots, and xen/arch/x86/setup.c, bzimage.c and e820.c of RELEASE-4.0.4 and stable-4.17.</remarks>
public sealed class RelocationTests
{
    private const int MiB = 1 << 20;

    /// <summary>Seen: dom0-linux-6.1/memory-arrangement.txt and serial.log, a ramdisk of 0xFBBDF bytes on 1 GiB.</summary>
    [Fact]
    public void The_ramdisk_goes_where_real_Xen_put_it()
    {
        using BootRun run = NativeDom0Tests.Boot(XenRelease.V4_17, new KernelBuilder(), new byte[0xFBBDF]);

        Assert.Contains("(XEN) New Xen image base address: 0x3f800000", run.Log);
        Assert.Contains("(XEN)  Init. ramdisk: 000000003f904000->000000003f9ffbdf", run.Log);
    }

    /// <summary>4.0 packs the modules below Xen, 4.17 gives each a place; both take the memory back, except the ramdisk that 4.17 hands over.</summary>
    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void The_modules_memory_is_the_heaps_in_the_end(XenRelease release)
    {
        byte[] ramdisk = [.. Enumerable.Range(0, (3 * MiB) + 123).Select(i => (byte)(i * 7))];
        using BootRun without = NativeDom0Tests.Boot(release, new KernelBuilder());
        using BootRun with = NativeDom0Tests.Boot(release, new KernelBuilder(), ramdisk);

        // dom0_mem=256M is what dom0 owns, with a ramdisk or without.
        Domain dom0 = with.Xen.FindDomain(DomainId.Dom0)!;
        Assert.Equal(0x10000ul, dom0.TotPages);
        Assert.Equal(without.Xen.Frames.Allocator.FreeCount, with.Xen.Frames.Allocator.FreeCount);
    }

    /// <summary>compute_dom0_nr_pages adds the pages of the modules to the free ones: without dom0_mem their size changes nothing.</summary>
    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void The_modules_count_as_memory_for_dom0(XenRelease release)
    {
        using BootRun small = NativeDom0Tests.Boot(release, new KernelBuilder { InitP2m = release == XenRelease.V4_17 ? 0x8000000000 : null }, new byte[4096], commandLine: "");
        using BootRun large = NativeDom0Tests.Boot(release, new KernelBuilder { InitP2m = release == XenRelease.V4_17 ? 0x8000000000 : null }, new byte[8 * MiB], commandLine: "");

        Assert.False(small.Outcome.Failed, small.Outcome.Message);
        Assert.Equal(small.Xen.FindDomain(DomainId.Dom0)!.TotPages, large.Xen.FindDomain(DomainId.Dom0)!.TotPages);
    }

    /// <summary>A region holds Xen (4 MiB in 4.0) or the modules, or neither; 4.0 halts after the line, 4.17 panics.</summary>
    [Theory]
    [InlineData(XenRelease.V4_0, 22, 8, "Not enough memory to relocate the dom0 kernel image.")]
    [InlineData(XenRelease.V4_0, 20, 0, "Not enough memory to relocate Xen.")]
    [InlineData(XenRelease.V4_17, 20, 8, "Not enough memory to relocate Xen")]
    public void A_machine_can_be_too_small(XenRelease release, ulong memory, int ramdisk, string message)
    {
        using BootRun run = Boot(release, memory, new KernelBuilder().Build(), ramdisk * MiB);

        Assert.Equal(message, run.Outcome.Message);
        Assert.Contains($"(XEN) {message}", run.Log);
        Assert.Equal(release == XenRelease.V4_17, run.Log.Contains("(XEN) Panic on CPU 0:"));
        Assert.DoesNotContain("init_boot_pages", run.Stages);
    }

    /// <summary>The room for a bzImage is what its last four bytes say, and its own length: 1 GiB does not fit into 512 MiB.</summary>
    [Theory]
    [InlineData(XenRelease.V4_0, "Not enough memory to relocate the dom0 kernel image.")]
    [InlineData(XenRelease.V4_17, "Not enough memory to relocate the dom0 kernel image")]
    public void A_bzImage_needs_room_to_be_unpacked(XenRelease release, string message)
    {
        using BootRun tooLarge = Boot(release, 512, BzImage(unpacked: 1 << 30), 0);
        using BootRun fits = Boot(release, 512, BzImage(unpacked: 1 << 20), 0);

        Assert.Equal(message, tooLarge.Outcome.Message);
        Assert.NotEqual(message, fits.Outcome.Message);
        Assert.Contains("bzimage_parse", fits.Stages);
    }

    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void A_bzImage_before_2_08_is_refused_by_its_version(XenRelease release)
    {
        using BootRun run = Boot(release, 512, BzImage(unpacked: 1 << 20, version: 0x207), 0);

        Assert.Contains("(XEN) Cannot load bzImage v2.07 at least v2.08 is required", run.Log);
        Assert.Equal(("bzimage_parse", -22L), run.Events.OfType<StageFailed>().Select(f => (f.Stage, f.Code)).First());
    }

    /// <summary>The 32-bit build's machine-to-physical table covers 16 GiB. Source: RELEASE-4.0.4 e820.c: clip_to_limit.</summary>
    [Fact]
    public void The_32_bit_hypervisor_ignores_memory_beyond_16_GiB()
    {
        using BootRun run = Dom0Boots.Run("boot-4.0.4-x86_32-ring1", change: o => o with { MemoryMiB = 20480 });

        Assert.False(run.Outcome.Failed, run.Outcome.Message);
        Assert.Contains("(XEN) WARNING: Only the first 16 GB of the physical memory map can be accessed by Xen in 32-bit mode.", run.Log);
        Assert.Contains("(XEN) Truncating RAM from 22020096kB to 16777216kB", run.Log);
        Assert.Contains("(XEN)  0000000400000000 - 0000000540000000 (unusable)", run.Log);
        Assert.Equal(16ul << 18, run.Xen.Frames.FrameCount);
    }

    /// <summary>Memory that the firmware maps above the PCI hole is there, up to its end.</summary>
    [Fact]
    public void A_machine_has_the_memory_above_the_hole()
    {
        using BootRun run = new(e => new XenOptions { Release = XenRelease.V4_17, Host = HostModels.Find(HostModels.Amd)!, MemoryMiB = 8192, Events = e }, null);

        Assert.Contains("(XEN) System RAM: 8191MB (8388088kB)", run.Log);
        Assert.Equal(10ul << 18, run.Xen.Frames.FrameCount);
        Assert.True(run.Xen.Frames.Allocator.FreeCount > 7ul << 18);
    }

    private static BootRun Boot(XenRelease release, ulong memory, byte[] kernel, int ramdisk)
        => new(
            e => new XenOptions { Release = release, Host = HostModels.Find(HostModels.Amd)!, MemoryMiB = memory, Events = e },
            new Dom0Image("kernel", kernel, new byte[ramdisk], ""));

    /// <summary>The header of Linux Documentation/arch/x86/boot.rst around a payload that starts as bzip2 does.</summary>
    private static byte[] BzImage(uint unpacked, ushort version = 0x20f)
    {
        const int sectors = 4;
        const int payload = 4096;
        byte[] file = new byte[((sectors + 1) * 512) + payload];
        file[0x1f1] = sectors;
        "HdrS"u8.CopyTo(file.AsSpan(0x202));
        BitConverter.TryWriteBytes(file.AsSpan(0x206), version);
        BitConverter.TryWriteBytes(file.AsSpan(0x24c), payload);
        "BZh"u8.CopyTo(file.AsSpan((sectors + 1) * 512));
        BitConverter.TryWriteBytes(file.AsSpan(file.Length - 4), unpacked);
        return file;
    }
}
