using System.Numerics;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Tests.Memory;

/// <summary>
/// Origin: RELEASE-4.0.4 and stable-4.17 xen/common/page_alloc.c: alloc_heap_pages, page_to_zone (highest bit of the frame number),
/// bits_to_zone (bits - PAGE_SHIFT), MAX_ORDER 18 of x86.
/// </summary>
public sealed class FrameAllocatorTests
{
    private const ulong FourGiB = 0x100000;

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(9)]
    [InlineData(11)]
    public void The_highest_zone_gives_first_until_it_has_nothing_left(int order)
    {
        FrameAllocator heap = new(FourGiB + 0x2000, reservedBelow: 0x100);
        List<int> zones = [];
        for (int i = 0; i < (0x3000 >> order); i++)
        {
            Assert.True(heap.TryAllocate(order, out Mfn first));
            zones.Add(BitOperations.Log2(first.Value));
        }

        Assert.Equal(zones.OrderDescending(), zones);
        Assert.Equal(0x2000 >> order, zones.Count(z => z == 20));
    }

    [Theory]
    [InlineData(32, FourGiB)]
    [InlineData(30, FourGiB / 4)]
    [InlineData(31, FourGiB / 2)]
    public void A_width_leaves_the_zones_above_it_alone(int bits, ulong end)
    {
        FrameAllocator heap = new(2 * FourGiB, reservedBelow: 0x100);
        for (int order = 0; order <= 12; order += 3)
        {
            Assert.True(heap.TryAllocate(order, out Mfn first, bits));
            Assert.InRange(first.Value, end / 2, end - (1ul << order));
            Assert.Equal(0ul, first.Value & ((1ul << order) - 1));
        }
    }

    [Fact]
    public void A_zone_breaks_what_is_broken_before_it_breaks_a_whole_superpage()
    {
        FrameAllocator heap = new(0x8000, reservedBelow: 0x100);
        Assert.True(heap.TryTake(new Mfn(0x4200), 1));

        Assert.True(heap.TryAllocate(0, out Mfn frame));
        Assert.True(heap.TryAllocate(4, out Mfn run));
        Assert.True(heap.TryAllocate(9, out Mfn superpage));

        Assert.Equal((0x4200ul, 0x4200ul), (frame.Value & ~0x1FFul, run.Value & ~0x1FFul));
        Assert.Equal(0x7E00ul, superpage.Value);
    }

    [Fact]
    public void Single_frames_come_scattered_and_the_same_each_time()
    {
        ulong[] Sequence()
        {
            FrameAllocator heap = new(0x4000, reservedBelow: 0x100);
            return [.. Enumerable.Range(0, 0x3F00).Select(_ => heap.TryAllocate(0, out Mfn f) ? f.Value : ulong.MaxValue)];
        }

        ulong[] frames = Sequence();
        Assert.Equal(frames, Sequence());
        Assert.Equal(0x3F00, frames.Distinct().Count());
        Assert.DoesNotContain(ulong.MaxValue, frames);
        Assert.DoesNotContain(frames.Zip(frames.Skip(1)), pair => pair.Second == pair.First + 1 || pair.First == pair.Second + 1);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(9)]
    [InlineData(10)]
    public void A_guest_frame_never_gets_the_machine_frame_of_its_own_number(int order)
    {
        Assert.True(new FrameAllocator(0x2000, reservedBelow: 0x100).TryAllocate(order, out Mfn usual));

        Assert.True(new FrameAllocator(0x2000, reservedBelow: 0x100).TryAllocate(order, out Mfn mfn, avoid: usual.Value));
        Assert.NotEqual(usual, mfn);
    }

    [Fact]
    public void Nothing_is_larger_than_MAX_ORDER()
    {
        FrameAllocator heap = new(4 * FourGiB, reservedBelow: 0x100);

        Assert.False(heap.TryAllocate(19, out _));
        Assert.True(heap.TryAllocate(18, out _));
    }

    [Fact]
    public void What_is_freed_can_be_had_again()
    {
        FrameAllocator heap = new(0x1000, reservedBelow: 0x100);
        Assert.True(heap.TryAllocate(11, out Mfn first));
        Assert.False(heap.TryAllocate(11, out _));
        heap.Free(first, 11);

        Assert.Equal(0xF00ul, heap.FreeCount);
        Assert.True(heap.TryAllocate(11, out Mfn again));
        Assert.Equal(first, again);
    }
}
