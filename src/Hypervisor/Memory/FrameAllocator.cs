using System.Numerics;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Memory;

/// <summary>
/// The host's free memory: deterministic, and scattered like a real heap that has been in use. Order-9 extents come from the
/// top downwards (seen: oracle, populate_physmap of grub-pv64); single frames come scattered out of one opened extent.
/// </summary>
public sealed class FrameAllocator
{
    private const int ChunkFrames = 512;
    private const int WordsPerChunk = ChunkFrames / 64;

    // Odd, so that n * Stride mod 512 visits every frame of a chunk once; no run of neighbours is handed out in order.
    private const int Stride = 205;
    private const int Offset = 77;

    // One bit per frame, set = free.
    private readonly ulong[] _free;
    private readonly ushort[] _freeInChunk;
    private int _open = -1;

    internal FrameAllocator(ulong frameCount, ulong reservedBelow)
    {
        FrameCount = frameCount;
        int chunks = (int)((frameCount + ChunkFrames - 1) / ChunkFrames);
        _free = new ulong[chunks * WordsPerChunk];
        _freeInChunk = new ushort[chunks];
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
        ulong? found = order switch
        {
            0 => FindFrame(limit, avoid),
            < 9 => FindRun(order, limit, avoid),
            _ => FindChunks(order, limit, avoid),
        };
        first = found is { } f ? new Mfn(f) : Mfn.Invalid;
        if (found is null)
            return false;
        Take(found.Value, order);
        return true;
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

    private ulong? FindFrame(ulong limit, ulong avoid)
    {
        if (_open >= 0 && FrameIn(_open, limit, avoid) is { } inOpen)
            return inOpen;

        // Partly used chunks first, so that whole ones stay for superpages.
        for (int pass = 0; pass < 2; pass++)
        {
            for (int c = _freeInChunk.Length - 1; c >= 0; c--)
            {
                bool whole = _freeInChunk[c] == ChunkFrames;
                if (_freeInChunk[c] == 0 || whole != (pass == 1) || FrameIn(c, limit, avoid) is not { } found)
                    continue;
                _open = c;
                return found;
            }
        }

        return null;
    }

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

    private ulong? FindRun(int order, ulong limit, ulong avoid)
    {
        ulong size = 1UL << order;
        ulong mask = order == 6 ? ulong.MaxValue : (1UL << (int)Math.Min(size, 63)) - 1;
        for (int c = _freeInChunk.Length - 1; c >= 0; c--)
        {
            if (_freeInChunk[c] < size)
                continue;
            for (ulong f = ((ulong)c + 1) * ChunkFrames; f > (ulong)c * ChunkFrames;)
            {
                f -= size;
                if (f + size <= limit && f != avoid && RunIsFree(f, size, mask))
                    return f;
            }
        }

        return null;
    }

    private bool RunIsFree(ulong first, ulong size, ulong mask)
    {
        if (size < 64)
            return (_free[first >> 6] >> (int)(first & 63) & mask) == mask;
        for (ulong w = first >> 6; w < (first + size) >> 6; w++)
        {
            if (BitOperations.PopCount(_free[w]) != 64)
                return false;
        }

        return true;
    }

    private ulong? FindChunks(int order, ulong limit, ulong avoid)
    {
        if (order > 30)
            return null;
        int run = 1 << (order - 9);
        for (int c = (_freeInChunk.Length / run * run) - run; c >= 0; c -= run)
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
