using System.Numerics;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Memory;

/// <summary>
/// The host's free memory: deterministic, and scattered like a real heap that has been in use. As in Xen, a zone is the frames
/// whose numbers have the same highest bit, the highest zone that a request may use gives first, and within a zone a partly used
/// extent is broken before a whole one. Extents come from a zone's top downwards (seen: oracle, populate_physmap of grub-pv64);
/// single frames come scattered out of one opened extent.
/// </summary>
/// <remarks>Source: RELEASE-4.0.4 xen/common/page_alloc.c: alloc_heap_pages, page_to_zone, bits_to_zone; stable-4.17 get_free_buddy.</remarks>
public sealed class FrameAllocator
{
    /// <summary>MAX_ORDER of x86, CONFIG_PAGEALLOC_MAX_ORDER: no larger extent exists.</summary>
    internal const int MaxOrder = 18;

    private const int ChunkOrder = 9;
    private const int ChunkFrames = 1 << ChunkOrder;
    private const int WordsPerChunk = ChunkFrames / 64;

    // Odd, so that n * Stride mod 512 visits every frame of a chunk once; no run of neighbours is handed out in order.
    private const int Stride = 205;
    private const int Offset = 77;

    // One bit per frame, set = free.
    private readonly ulong[] _free;
    private readonly ushort[] _freeInChunk;

    // The chunk that single frames of a zone come from, by zone; -1: none yet.
    private readonly int[] _open;

    internal FrameAllocator(ulong frameCount, ulong reservedBelow)
    {
        FrameCount = frameCount;
        int chunks = (int)((frameCount + ChunkFrames - 1) / ChunkFrames);
        _free = new ulong[chunks * WordsPerChunk];
        _freeInChunk = new ushort[chunks];
        _open = new int[Zone(Math.Max(frameCount, ChunkFrames)) + 1];
        Array.Fill(_open, -1);
        _free.AsSpan().Fill(ulong.MaxValue);
        Array.Fill(_freeInChunk, (ushort)ChunkFrames);
        FreeCount = (ulong)chunks * ChunkFrames;
        for (ulong f = 0; f < reservedBelow; f++)
            Take(f, 0);
        for (ulong f = frameCount; f < (ulong)chunks * ChunkFrames; f++)
            Take(f, 0);
    }

    public ulong FrameCount { get; }

    /// <summary>Free frames. Unit: frames.</summary>
    public ulong FreeCount { get; private set; }

    /// <summary>Frames promised to domains by XENMEM_claim_pages and not yet handed out. Unit: frames.</summary>
    public ulong OutstandingClaims { get; internal set; }

    /// <summary>Hands out 2^<paramref name="order"/> aligned contiguous frames.</summary>
    /// <param name="addressBits">The extent must end below 2^addressBits bytes; 0 = anywhere.</param>
    /// <param name="avoid">Not this one: machine and pseudo-physical numbers never coincide, so that no mix-up can work by accident.</param>
    public bool TryAllocate(int order, out Mfn first, int addressBits = 0, ulong avoid = ulong.MaxValue)
    {
        ulong limit = addressBits is > 12 and < 64 ? Math.Min(FrameCount, 1UL << (addressBits - 12)) : FrameCount;
        for (int zone = Math.Min(_open.Length - 1, Zone(limit - 1)); zone >= 0 && order <= MaxOrder; zone--)
        {
            if (FindInZone(zone, order, limit, avoid) is not { } found)
                continue;
            first = new Mfn(found);
            Take(found, order);
            return true;
        }

        first = Mfn.Invalid;
        return false;
    }

    /// <summary>What Xen takes for its own tables before anything else lies in memory: a frame or a superpage in the lowest chunk that has it.</summary>
    internal bool TryAllocateLowest(bool superpage, out Mfn first)
    {
        for (int c = 0; c < _freeInChunk.Length; c++)
        {
            ulong? found = !superpage ? FrameIn(c, FrameCount, ulong.MaxValue)
                : _freeInChunk[c] == ChunkFrames ? (ulong)c * ChunkFrames
                : null;
            if (found is null)
                continue;
            first = new Mfn(found.Value);
            Take(found.Value, superpage ? ChunkOrder : 0);
            return true;
        }

        first = Mfn.Invalid;
        return false;
    }

    /// <summary>Takes given frames out of the heap, for what boot places itself. False if one of them is not free.</summary>
    public bool TryTake(Mfn first, ulong count)
    {
        for (ulong i = 0; i < count; i++)
        {
            if (!IsFree(first.Value + i))
                return false;
        }

        for (ulong i = 0; i < count; i++)
            Take(first.Value + i, 0);
        return true;
    }

    public bool IsFree(ulong frame) => frame < FrameCount && (_free[frame >> 6] >> (int)(frame & 63) & 1) != 0;

    internal void Free(Mfn first, int order)
    {
        for (ulong f = first.Value; f < first.Value + (1UL << order); f++)
        {
            if (!IsFree(f))
                SetFree(f);
        }
    }

    private void SetFree(ulong frame)
    {
        _free[frame >> 6] |= 1UL << (int)(frame & 63);
        _freeInChunk[frame / ChunkFrames]++;
        FreeCount++;
    }

    private void Take(ulong first, int order)
    {
        for (ulong f = first; f < first + (1UL << order); f++)
        {
            _free[f >> 6] &= ~(1UL << (int)(f & 63));
            _freeInChunk[f / ChunkFrames]--;
        }

        FreeCount -= 1UL << order;
    }

    /// <summary>Number of the zone of a frame; the frames of the first chunk are one.</summary>
    private static int Zone(ulong frame) => Math.Max(0, BitOperations.Log2(frame) + 1 - ChunkOrder);

    private ulong? FindInZone(int zone, int order, ulong limit, ulong avoid)
    {
        int firstChunk = zone == 0 ? 0 : 1 << (zone - 1);
        int lastChunk = Math.Min(1 << zone, _freeInChunk.Length) - 1;
        return order switch
        {
            0 => FindFrame(zone, firstChunk, lastChunk, limit, avoid),
            < ChunkOrder => FindRun(order, firstChunk, lastChunk, limit, avoid),
            _ => FindChunks(order, firstChunk, lastChunk, limit, avoid),
        };
    }

    private ulong? FindFrame(int zone, int firstChunk, int lastChunk, ulong limit, ulong avoid)
    {
        if (_open[zone] >= 0 && FrameIn(_open[zone], limit, avoid) is { } inOpen)
            return inOpen;
        for (int pass = 0; pass < 2; pass++)
        {
            for (int c = lastChunk; c >= firstChunk; c--)
            {
                if (!IsCandidate(c, 1, pass) || FrameIn(c, limit, avoid) is not { } found)
                    continue;
                _open[zone] = c;
                return found;
            }
        }

        return null;
    }

    /// <summary>Partly used chunks in the first pass, so that whole ones stay for superpages; whole ones in the second.</summary>
    private bool IsCandidate(int chunk, ulong frames, int pass)
        => _freeInChunk[chunk] >= frames && (_freeInChunk[chunk] == ChunkFrames) == (pass == 1);

    private ulong? FrameIn(int chunk, ulong limit, ulong avoid)
    {
        if (_freeInChunk[chunk] == 0)
            return null;
        ulong start = (ulong)chunk * ChunkFrames;
        for (int n = 0; n < ChunkFrames; n++)
        {
            ulong f = start + (ulong)(((n * Stride) + Offset) % ChunkFrames);
            if (f < limit && f != avoid && IsFree(f))
                return f;
        }

        return null;
    }

    private ulong? FindRun(int order, int firstChunk, int lastChunk, ulong limit, ulong avoid)
    {
        ulong size = 1UL << order;
        for (int pass = 0; pass < 2; pass++)
        {
            for (int c = lastChunk; c >= firstChunk; c--)
            {
                if (IsCandidate(c, size, pass) && RunIn(c, size, limit, avoid) is { } found)
                    return found;
            }
        }

        return null;
    }

    private ulong? RunIn(int chunk, ulong size, ulong limit, ulong avoid)
    {
        for (ulong f = ((ulong)chunk + 1) * ChunkFrames; f > (ulong)chunk * ChunkFrames;)
        {
            f -= size;
            if (f + size <= limit && f != avoid && RunIsFree(f, size))
                return f;
        }

        return null;
    }

    private bool RunIsFree(ulong first, ulong size)
    {
        if (size < 64)
            return (_free[first >> 6] >> (int)(first & 63) & ((1UL << (int)size) - 1)) == (1UL << (int)size) - 1;
        return _free.AsSpan((int)(first >> 6), (int)(size >> 6)).IndexOfAnyExcept(ulong.MaxValue) < 0;
    }

    private ulong? FindChunks(int order, int firstChunk, int lastChunk, ulong limit, ulong avoid)
    {
        int run = 1 << (order - ChunkOrder);
        for (int c = ((lastChunk + 1) / run * run) - run; c >= firstChunk; c -= run)
        {
            ulong first = (ulong)c * ChunkFrames;
            if (first + ((ulong)run * ChunkFrames) > limit || first == avoid)
                continue;
            if (_freeInChunk.AsSpan(c, run).IndexOfAnyExcept((ushort)ChunkFrames) < 0)
                return first;
        }

        return null;
    }
}
