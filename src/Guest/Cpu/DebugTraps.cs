using XenSim.Guest.Memory;

namespace XenSim.Guest.Cpu;

/// <summary>How a watched range is addressed.</summary>
public enum WatchSpace
{
    Linear,

    /// <summary>After paging: machine memory.</summary>
    Physical,
}

/// <summary>Bytes whose accesses by guest code make a vCPU leave with <see cref="ExitReason.Watchpoint"/>.</summary>
/// <param name="Address">First byte.</param>
/// <param name="Length">Unit: bytes.</param>
public readonly record struct WatchedRange(WatchSpace Space, ulong Address, ulong Length, bool Reads, bool Writes);

/// <summary>An access to a <see cref="WatchedRange"/>.</summary>
/// <param name="Range">Index of the range in <see cref="DebugTraps.Ranges"/>.</param>
/// <param name="Address">Linear address of the access.</param>
/// <param name="Size">Unit: bytes.</param>
public readonly record struct WatchedAccess(int Range, LinearAddress Address, int Size, bool Write);

/// <summary>
/// Where a debugger wants the vCPUs of a memory to leave. The guest cannot see them and no byte is patched: a block of decoded code ends before
/// a breakpoint and the block there is looked up each time; watched pages have no tag in the TLB, so that accesses take the slow way.
/// </summary>
/// <remarks>
/// Breakpoints are told apart by page offset when code is decoded, because blocks are kept by physical page; the linear address decides when the
/// block is looked up. So they hold whatever is loaded or mapped there later. None of this changes how instructions are counted.
/// </remarks>
// SAFETY: states are those of live vCPUs of the memory.
public sealed unsafe class DebugTraps
{
    private const int MostHits = 64;
    private readonly PhysicalMemory _memory;
    private readonly ulong[] _offsets = new ulong[PhysicalMemory.FrameSize / 64];
    private readonly List<WatchedAccess> _hits = [];
    private ulong[] _addresses = [];
    private WatchedRange[] _ranges = [];

    internal DebugTraps(PhysicalMemory memory) => _memory = memory;

    /// <summary>Linear addresses of instructions before which a vCPU leaves with <see cref="ExitReason.Breakpoint"/>.</summary>
    public IReadOnlyList<ulong> Addresses => _addresses;

    public IReadOnlyList<WatchedRange> Ranges => _ranges;

    /// <summary>Accesses since they were last taken, at most 64.</summary>
    public IReadOnlyList<WatchedAccess> Hits => _hits;

    internal byte Watched => _ranges.Length > 0 ? Breakpoints.Watched : (byte)0;

    /// <summary>Replaces the breakpoints. Only while no vCPU runs.</summary>
    public void SetBreakpoints(IReadOnlyList<ulong> addresses)
    {
        if (_addresses.AsSpan().SequenceEqual([.. addresses]))
            return;
        _addresses = [.. addresses];
        Array.Clear(_offsets);
        foreach (ulong a in _addresses)
            _offsets[(a & 0xFFF) >> 6] |= 1ul << (int)(a & 63);
        foreach (nint cpu in _memory.Processors)
            CpuMode.NewEpoch((CpuState*)cpu);
        _memory.Code.Reset();
    }

    /// <summary>Replaces the watched ranges and forgets the hits. Only while no vCPU runs.</summary>
    public void SetWatchpoints(IReadOnlyList<WatchedRange> ranges)
    {
        _hits.Clear();
        if (_ranges.AsSpan().SequenceEqual([.. ranges]))
            return;
        _ranges = [.. ranges];
        foreach (nint cpu in _memory.Processors)
        {
            CpuState* s = (CpuState*)cpu;
            Arm(s);
            Tlb.ForgetTags(s);
        }
    }

    public void ClearHits() => _hits.Clear();

    /// <summary>A vCPU takes on what is watched: when it is made, and when that changes.</summary>
    internal void Arm(CpuState* s)
    {
        s->Watched = Watched;
        s->WatchHit = 0;
        Breakpoints.Arm(s);
        CpuMode.Select(s);
    }

    internal bool MayStopAt(int pageOffset) => (_offsets[(pageOffset & 0xFFF) >> 6] >> (pageOffset & 63) & 1) != 0;

    /// <summary>Whether the vCPU, about to look up the code at this address, leaves instead; then its exit is filled in.</summary>
    internal bool StopsAt(CpuState* s, ulong linear)
    {
        if (Array.IndexOf(_addresses, linear) < 0 || VirtualCpu.Of(s).Passes(linear))
            return false;
        s->Exit = new CpuExit { Reason = ExitReason.Breakpoint, Address = linear, NextRip = s->Rip };
        s->Stop = StopKind.Exit;
        return true;
    }

    /// <summary>A page whose accesses must not take the fast way.</summary>
    internal bool Guards(ulong page, ulong frame)
    {
        foreach (WatchedRange r in _ranges)
        {
            ulong at = r.Space == WatchSpace.Linear ? page : frame << 12;
            if (at <= r.Address + (r.Length - 1) && r.Address <= at + 0xFFF)
                return true;
        }

        return false;
    }

    /// <summary>Records the ranges that an access within one page touches; the vCPU leaves after the instruction.</summary>
    internal void Touch(CpuState* s, ulong linear, ulong frame, int size, bool write)
    {
        for (int i = 0; i < _ranges.Length; i++)
        {
            WatchedRange r = _ranges[i];
            ulong at = r.Space == WatchSpace.Linear ? linear : (frame << 12) | (linear & 0xFFF);
            if (!(write ? r.Writes : r.Reads) || at > r.Address + (r.Length - 1) || r.Address > at + (ulong)size - 1)
                continue;
            if (_hits.Count < MostHits)
                _hits.Add(new WatchedAccess(i, new LinearAddress(linear), size, write));
            s->WatchHit = 1;
            Breakpoints.Arm(s);
            // The rest of the block is left, and a branch to the next one has to look it up.
            _memory.Code.LeaveAfterInstruction(s);
        }
    }
}
