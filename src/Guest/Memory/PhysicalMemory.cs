using System.Runtime.InteropServices;
using XenSim.Guest.Cpu;

namespace XenSim.Guest.Memory;

/// <summary>
/// The machine's memory: 4 KiB frames out of native slabs, allocated when first touched, reference-counted so that a snapshot is a list
/// of references. A frame never touched reads as zero. The live address of a frame never changes while it exists: when a shared frame is
/// first written, the snapshots' side gets the copy, so translations cached by vCPUs stay valid.
/// </summary>
public sealed unsafe class PhysicalMemory : IDisposable
{
    public const int FrameSize = 4096;
    private readonly PagePool _pool = new();
    private readonly List<int> _touched = [];
    private readonly List<nint> _processors = [];
    private readonly byte* _zero;
    private nint[] _pagesOfTouched = [];
    private MemorySnapshot? _last;
    private Frame* _frames;

    /// <param name="frameCount">Size. Unit: frames of 4096 bytes.</param>
    public PhysicalMemory(ulong frameCount)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(frameCount, (ulong)int.MaxValue);
        FrameCount = frameCount;
        // SAFETY: both blocks live until Dispose; every index below is checked against FrameCount.
        _frames = (Frame*)NativeMemory.AllocZeroed((nuint)Math.Max(frameCount, 1), (nuint)sizeof(Frame));
        _zero = (byte*)NativeMemory.AlignedAlloc(FrameSize, FrameSize);
        NativeMemory.Clear(_zero, FrameSize);
        Code = new BlockCache(this);
    }

    /// <summary>Unit: frames.</summary>
    public ulong FrameCount { get; }

    /// <summary>Frames that hold storage of their own. Unit: frames.</summary>
    public int AllocatedFrames => _touched.Count;

    /// <summary>Pages of storage in use, those that only snapshots refer to included. Unit: pages of 4096 bytes.</summary>
    public int StoredPages => _pool.InUse;

    /// <summary>Whether a frame has storage of its own; one that has none reads as zero.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such frame.</exception>
    public bool IsTouched(ulong frame)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(frame, FrameCount);
        // SAFETY: the frame is below FrameCount.
        return _frames[frame].Data != null;
    }

    /// <summary>The debugger's breakpoints and watched ranges, for every vCPU of this memory.</summary>
    public DebugTraps Traps => Code.Traps;

    internal BlockCache Code { get; }

    /// <summary>Bytes of a frame, to be written now: the span must not be kept across a run of a vCPU. Decoded code of the frame is dropped.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such frame.</exception>
    public Span<byte> Writable(ulong frame)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(frame, FrameCount);
        // SAFETY: WritableData returns a live 4096-byte frame.
        return new Span<byte>(WritableData(frame, ulong.MaxValue), FrameSize);
    }

    /// <summary>Bytes of a frame, to be read now.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such frame.</exception>
    public ReadOnlySpan<byte> Readable(ulong frame)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(frame, FrameCount);
        // SAFETY: a frame's data, or the zero page, is 4096 bytes long.
        byte* data = _frames[frame].Data;
        return new ReadOnlySpan<byte>(data != null ? data : _zero, FrameSize);
    }

    /// <summary>Copies bytes out; false when part of the range does not exist (the prefix has been copied).</summary>
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

    /// <summary>Copies bytes in; false when part of the range does not exist (the prefix has been written).</summary>
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

    /// <summary>
    /// References every frame as it is now. Costs no copies: each frame is copied when it is first written afterwards. Cached translations are
    /// dropped, as <see cref="Restore"/> drops them: what runs after a capture and what runs after going back to it walk the same tables.
    /// </summary>
    public MemorySnapshot Capture()
    {
        ReadOnlySpan<int> frames = CollectionsMarshal.AsSpan(_touched);
        if (_pagesOfTouched.Length < frames.Length)
            _pagesOfTouched = new nint[_touched.Capacity];
        for (int i = 0; i < frames.Length; i++)
        {
            // SAFETY: touched frames are below FrameCount and hold a page.
            Page* page = _frames[frames[i]].Page;
            page->References++;
            _pagesOfTouched[i] = (nint)page;
        }

        ForgetTranslations();
        return _last = MemorySnapshot.Of(this, frames, _pagesOfTouched.AsSpan(0, frames.Length), _last);
    }

    /// <summary>Drops every cached translation of every vCPU, the latched PAE directory pointers excepted: what a capture does.</summary>
    public void ForgetTranslations()
    {
        // SAFETY: a vCPU detaches its state before it frees it.
        foreach (nint cpu in _processors)
            Tlb.Flush((CpuState*)cpu);
    }

    /// <summary>Makes the contents those of the snapshot, which stays usable.</summary>
    /// <exception cref="ArgumentException">The snapshot is of another memory, or disposed.</exception>
    public void Restore(MemorySnapshot snapshot)
    {
        if (!snapshot.IsOf(this))
            throw new ArgumentException("not a live snapshot of this memory", nameof(snapshot));
        var code = new List<(int Frame, nint Page)>();
        // SAFETY: all indices come from _touched, here or at capture; the snapshot holds a reference to each of its pages.
        foreach (int f in _touched)
        {
            if (_frames[f].Code != null)
                code.Add((f, (nint)_frames[f].Page));
        }

        for (int i = 0; i < snapshot.Frames.Length; i++)
            ((Page*)snapshot.Page(i))->References++;
        foreach (int f in _touched)
        {
            _pool.Release(_frames[f].Page);
            _frames[f].Page = null;
            _frames[f].Data = null;
        }

        _touched.Clear();
        for (int i = 0; i < snapshot.Frames.Length; i++)
        {
            int f = snapshot.Frames[i];
            _frames[f].Page = (Page*)snapshot.Page(i);
            _frames[f].Data = _frames[f].Page->Data;
            _touched.Add(f);
        }

        foreach ((int f, nint page) in code)
        {
            if ((nint)_frames[f].Page != page)
                Code.Invalidate((ulong)f);
        }

        ForgetTranslations();
    }

    public void Dispose()
    {
        if (_frames == null)
            return;
        Code.Dispose();
        _pool.Dispose();
        // SAFETY: allocated in the constructor, freed once.
        NativeMemory.AlignedFree(_zero);
        NativeMemory.Free(_frames);
        _frames = null;
    }

    /// <summary>What the tables of the snapshots that are not disposed take together: what they share counts once. Unit: bytes.</summary>
    public long SnapshotBytes { get; internal set; }

    internal void Attach(CpuState* cpu) => _processors.Add((nint)cpu);

    internal void Detach(CpuState* cpu) => _processors.Remove((nint)cpu);

    internal List<nint> Processors => _processors;

    // SAFETY: callers check the number against FrameCount; the array stays where it is until Dispose.
    internal Frame* FrameAt(ulong frame) => _frames + frame;

    internal void Release(ReadOnlySpan<nint> pages)
    {
        if (_frames == null)
            return;
        // SAFETY: the snapshot that calls owns one reference to each of its pages, and calls once.
        foreach (nint page in pages)
            _pool.Release((Page*)page);
    }

    /// <summary>Live bytes of a frame below FrameCount, allocated if need be, for reading.</summary>
    internal byte* ReadableData(ulong frame)
    {
        // SAFETY: the frame is below FrameCount (contract).
        byte* data = _frames[frame].Data;
        return data != null ? data : Materialise(frame);
    }

    /// <summary>Live bytes of a frame below FrameCount that may be written: private, and without decoded code in the given 64-byte lines.</summary>
    internal byte* WritableData(ulong frame, ulong lines)
    {
        // SAFETY: the frame is below FrameCount (contract); a frame with data has a page.
        Frame* f = _frames + frame;
        if (f->Data == null)
            return Materialise(frame);
        if (f->Page->References > 1)
            Unshare(f);
        if ((f->CodeLines & lines) != 0)
            Code.Invalidate(frame);
        return f->Data;
    }

    private byte* Materialise(ulong frame)
    {
        // SAFETY: both callers were given a frame below FrameCount; the new page is referenced by this frame alone.
        Page* page = _pool.Allocate();
        _frames[frame].Page = page;
        _frames[frame].Data = page->Data;
        _touched.Add((int)frame);
        return page->Data;
    }

    /// <summary>The snapshots keep the old page record with a copy; the live frame keeps its bytes where they are.</summary>
    private void Unshare(Frame* f)
    {
        // SAFETY: both pages hold FrameSize bytes; the old record keeps at least one other reference.
        Page* fresh = _pool.Allocate();
        Page* old = f->Page;
        NativeMemory.Copy(f->Data, fresh->Data, FrameSize);
        byte* copy = fresh->Data;
        fresh->Data = old->Data;
        old->Data = copy;
        old->References--;
        f->Page = fresh;
    }
}

/// <summary>One machine frame: its live bytes, and the decoded code that was made of them.</summary>
// SAFETY: a plain record; its pointers belong to PhysicalMemory and BlockCache.
internal unsafe struct Frame
{
    public byte* Data;
    public Page* Page;

    /// <summary>Bit n: bytes 64n..64n+63 are part of a decoded block.</summary>
    public ulong CodeLines;
    public FrameCode* Code;
}
