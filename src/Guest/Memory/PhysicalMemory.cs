using System.Runtime.InteropServices;

namespace XenSim.Guest.Memory;

/// <summary>
/// The machine's memory: 4 KiB frames out of native slabs, allocated when first touched. A frame never touched reads as zero.
/// </summary>
/// <param name="frameCount">Size. Unit: frames of 4096 bytes.</param>
public sealed unsafe class PhysicalMemory(ulong frameCount) : IDisposable
{
    public const int FrameSize = 4096;
    private const int SlabFrames = 512;
    private readonly byte*[] _frames = new byte*[checked((int)frameCount)];
    private readonly List<nint> _slabs = [];
    private int _usedInSlab = SlabFrames;

    /// <summary>Unit: frames.</summary>
    public ulong FrameCount => (ulong)_frames.Length;

    /// <summary>Bytes of a frame, to be written now: the span must not be kept across a run of a vCPU.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such frame.</exception>
    public Span<byte> Writable(ulong frame)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(frame, FrameCount);
        return new Span<byte>(Materialise((int)frame), FrameSize);
    }

    /// <summary>Bytes of a frame, to be read now.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such frame.</exception>
    public ReadOnlySpan<byte> Readable(ulong frame)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(frame, FrameCount);
        return new ReadOnlySpan<byte>(Materialise((int)frame), FrameSize);
    }

    public bool TryRead(PhysicalAddress address, Span<byte> destination)
    {
        ulong a = address.Value;
        while (destination.Length > 0)
        {
            if (a >> 12 >= FrameCount)
                return false;
            int offset = (int)(a & 0xFFF);
            int n = Math.Min(destination.Length, FrameSize - offset);
            Readable(a >> 12).Slice(offset, n).CopyTo(destination);
            destination = destination[n..];
            a += (ulong)n;
        }

        return true;
    }

    public bool TryWrite(PhysicalAddress address, ReadOnlySpan<byte> source)
    {
        ulong a = address.Value;
        while (source.Length > 0)
        {
            if (a >> 12 >= FrameCount)
                return false;
            int offset = (int)(a & 0xFFF);
            int n = Math.Min(source.Length, FrameSize - offset);
            source[..n].CopyTo(Writable(a >> 12)[offset..]);
            source = source[n..];
            a += (ulong)n;
        }

        return true;
    }

    public void Dispose()
    {
        foreach (nint slab in _slabs)
            NativeMemory.AlignedFree((void*)slab);
        _slabs.Clear();
        Array.Clear(_frames);
    }

    private byte* Materialise(int frame)
    {
        byte* p = _frames[frame];
        return p != null ? p : _frames[frame] = Allocate();
    }

    private byte* Allocate()
    {
        if (_usedInSlab == SlabFrames)
        {
            byte* slab = (byte*)NativeMemory.AlignedAlloc(SlabFrames * FrameSize, FrameSize);
            NativeMemory.Clear(slab, SlabFrames * FrameSize);
            _slabs.Add((nint)slab);
            _usedInSlab = 0;
        }

        return (byte*)_slabs[^1] + ((nint)_usedInSlab++ * FrameSize);
    }
}
