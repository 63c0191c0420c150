using System.Runtime.InteropServices;
using Iced.Intel;
using XenSim.Guest.Cpu.Instructions.GeneralPurpose;
using XenSim.Guest.Memory;

namespace XenSim.Guest.Cpu;

/// <summary>
/// Decoded blocks of one memory, by (frame, offset, code size), shared by its vCPUs. A block never crosses a page, except that an
/// instruction which does is a block of its own and belongs to both pages.
/// </summary>
// SAFETY: blocks and ops are carved from chunks that live until Dispose; frames are below the memory's count.
internal sealed unsafe class BlockCache : IDisposable
{
    public const int JumpEntries = 4096;
    public const int MaxInstructions = 48;
    private const int ChunkBytes = 1 << 20;
    private const int MaxChunks = 64;

    private readonly PhysicalMemory _memory;
    private readonly List<nint> _chunks = [];
    private readonly List<nint> _frameCodes = [];
    private readonly List<ulong> _codeFrames = [];
    private readonly Translator _translator = new();
    private readonly PageReader _reader = new();
    private readonly Decoder[] _decoders;
    private readonly Op* _draft;
    private readonly Peephole _peephole = new();
    private readonly byte* _split;
    private int _chunk = -1;
    private int _usedInChunk = ChunkBytes;
    private int _topOfChunk = ChunkBytes;
    private ulong _epoch;

    public BlockCache(PhysicalMemory memory)
    {
        _memory = memory;
        Traps = new DebugTraps(memory);
        _decoders = [Decoder.Create(16, _reader), Decoder.Create(32, _reader), Decoder.Create(64, _reader)];
        // SAFETY: fixed sizes, freed in Dispose.
        _draft = (Op*)NativeMemory.AlignedAlloc((MaxInstructions + 4) * (nuint)sizeof(Op), 32);
        _split = (byte*)NativeMemory.AllocZeroed(32);
        Unlinked = (Block*)NativeMemory.AllocZeroed((nuint)sizeof(Block));
        Unlinked->VerifiedRip = ulong.MaxValue;
        Unlinked->VerifiedKey = ulong.MaxValue;
        Unlinked->Frame = -1;
        Unlinked->SecondFrame = -1;
    }

    /// <summary>A block that no RIP matches: what an unused link holds.</summary>
    public Block* Unlinked { get; }

    /// <summary>The debugger's. Its breakpoints are always heads of blocks, and such a block is always looked up.</summary>
    public DebugTraps Traps { get; }

    /// <summary>The arena is used up: <see cref="Reset"/> must be called where no block is being executed.</summary>
    public bool IsFull { get; private set; }

    public static ulong JumpIndex(ulong rip) => (rip ^ (rip >> 12)) & (JumpEntries - 1);

    /// <summary>Unique over all vCPUs, so that a verified key names one vCPU's mappings.</summary>
    public ulong NextEpoch() => ++_epoch;

    /// <summary>The block at RIP, decoded if need be; null with a fault recorded and <see cref="CpuState.Stop"/> set.</summary>
    public Block* Find(CpuState* s)
    {
        ulong rip = s->Rip;
        bool code64 = s->CodeSize == CodeSize.Code64;
        ulong linear = code64 ? rip : (uint)(rip + s->Cs.Base);
        if (!code64 && rip > s->Cs.Limit)
        {
            Faults.Set(s, Vectors.Gp);
            return FetchFault(s);
        }

        long frame = Tlb.Execute(s, linear, out _);
        if (frame < 0)
            return FetchFault(s);
        Block* b = Lookup((ulong)frame, (int)(linear & 0xFFF), s->CodeSize);
        if (b != null && b->SecondFrame >= 0)
        {
            long second = Tlb.Execute(s, ((linear & ~0xFFFul) + 0x1000) & s->LinearMask, out _);
            if (second < 0)
                return FetchFault(s);
            if (second != b->SecondFrame)
                b = null;
        }

        if (b == null)
        {
            b = Decode(s, (ulong)frame, linear);
            if (b == null)
                return FetchFault(s);
        }

        if (b->Guarded != 0)
            return Traps.StopsAt(s, linear) ? null : !code64 && rip + b->Bytes - 1 > s->Cs.Limit ? WithinLimit(s, b) : b;
        if (!code64 && rip + b->Bytes - 1 > s->Cs.Limit)
            return WithinLimit(s, b);
        b->VerifiedRip = rip;
        b->VerifiedKey = s->CodeKey;
        s->JumpCache[JumpIndex(rip)] = b;
        return b;
    }

    /// <summary>A copy of the first instructions of a block in the vCPU's scratch area, which leaves to the run loop after them.</summary>
    public static Block* Truncate(CpuState* s, Block* b, int count)
    {
        Block* copy = (Block*)s->Scratch;
        ushort offset = b->Ops[count].Offset;
        // SAFETY: Scratch holds a block header and MaxInstructions + 4 ops; count is below b->Count. b may be the scratch block itself.
        *copy = *b;
        copy->Ops = (Op*)((byte*)s->Scratch + BlockHeader);
        copy->Count = count;
        copy->OpCount = count + 1;
        copy->VerifiedKey = ulong.MaxValue;
        copy->Plain = null;
        for (int i = 0; i < count; i++)
        {
            copy->Ops[i] = b->Ops[i];
            if (b->Plain != null)
                copy->Ops[i].Handler = (delegate*<CpuState*, Op*, Block*>)b->Plain[i];
        }

        Op* end = copy->Ops + count;
        *end = default;
        end->Handler = &StopHere;
        end->Offset = offset;
        end->Index = (byte)count;
        return copy;
    }

    public const int BlockHeader = 128;

    /// <summary>Bytes of a vCPU's scratch area.</summary>
    public const int ScratchBytes = BlockHeader + ((MaxInstructions + 4) * 32);

    /// <summary>Drops all blocks made of this frame, also those being executed: they leave before their next instruction.</summary>
    public void Invalidate(ulong frame)
    {
        Frame* f = _memory.FrameAt(frame);
        if (f->Code == null)
            return;
        for (int i = 0; i < FrameCode.Buckets; i++)
        {
            for (Block* b = (Block*)f->Code->Heads[i]; b != null; b = b->NextInBucket)
                Kill(b);
            f->Code->Heads[i] = 0;
        }

        for (Block* b = f->Code->Crossers; b != null; b = b->NextCrosser)
            Kill(b);
        f->Code->Crossers = null;
        f->CodeLines = 0;
        foreach (nint cpu in _memory.Processors)
        {
            Block* current = ((CpuState*)cpu)->Current;
            if (current->Frame == (long)frame || current->SecondFrame == (long)frame)
                Kill(current);
        }
    }

    /// <summary>The vCPU comes back to its run loop before its next instruction.</summary>
    public void LeaveAfterInstruction(CpuState* s)
    {
        if (s->Current != Unlinked)
            Kill(s->Current);
        CpuMode.NewEpoch(s);
    }

    /// <summary>Forgets every block and reuses the arena. Only while no vCPU executes one.</summary>
    public void Reset()
    {
        foreach (ulong frame in _codeFrames)
        {
            Frame* f = _memory.FrameAt(frame);
            f->Code = null;
            f->CodeLines = 0;
        }

        _codeFrames.Clear();
        foreach (nint code in _frameCodes)
            NativeMemory.Free((void*)code);
        _frameCodes.Clear();
        _chunk = _chunks.Count > 0 ? 0 : -1;
        _usedInChunk = _chunks.Count > 0 ? 0 : ChunkBytes;
        _topOfChunk = ChunkBytes;
        IsFull = false;
        foreach (nint cpu in _memory.Processors)
            ClearJumpCache((CpuState*)cpu);
    }

    public void ClearJumpCache(CpuState* s)
    {
        for (int i = 0; i < JumpEntries; i++)
            s->JumpCache[i] = Unlinked;
        s->Current = Unlinked;
    }

    public void Dispose()
    {
        // SAFETY: all allocated by this object.
        foreach (nint chunk in _chunks)
            NativeMemory.AlignedFree((void*)chunk);
        foreach (nint code in _frameCodes)
            NativeMemory.Free((void*)code);
        _chunks.Clear();
        _frameCodes.Clear();
        NativeMemory.AlignedFree(_draft);
        NativeMemory.Free(_split);
        NativeMemory.Free(Unlinked);
    }

    private static Block* FetchFault(CpuState* s)
    {
        if (s->FaultVector == Vectors.Address)
            Faults.Set(s, Vectors.Gp);
        s->Stop = StopKind.Fault;
        s->NextRip = s->Rip;
        s->Exit = default;
        return null;
    }

    /// <summary>Only the instructions of a block that end inside the code segment; none: #GP(0).</summary>
    private static Block* WithinLimit(CpuState* s, Block* b)
    {
        int fit = 0;
        while (fit < b->Count && s->Rip + b->Ops[fit].Offset + b->Ops[fit].Length - 1 <= s->Cs.Limit)
            fit++;
        if (fit > 0)
            return fit == b->Count ? b : Truncate(s, b, fit);
        Faults.Set(s, Vectors.Gp);
        return FetchFault(s);
    }

    private static Block* StopHere(CpuState* s, Op* op)
    {
        s->Rip = Rip.Wrap(s, s->Rip + op->Offset);
        return null;
    }

    private static void Kill(Block* b)
    {
        b->Dead = 1;
        b->VerifiedKey = ulong.MaxValue;
        b->Plain = null;
        for (int i = 0; i < b->OpCount; i++)
            b->Ops[i].Handler = &Branch.LeaveBlock;
    }

    private Block* Lookup(ulong frame, int offset, CodeSize codeSize)
    {
        FrameCode* code = _memory.FrameAt(frame)->Code;
        if (code == null)
            return null;
        for (Block* b = (Block*)code->Heads[offset & (FrameCode.Buckets - 1)]; b != null; b = b->NextInBucket)
        {
            if (b->PageOffset == offset && b->CodeSize == codeSize && b->Dead == 0)
                return b;
        }

        return null;
    }

    private Block* Decode(CpuState* s, ulong frame, ulong linear)
    {
        int start = (int)(linear & 0xFFF);
        byte* page = _memory.ReadableData(frame);
        int bits = 16 << (int)s->CodeSize;
        Decoder decoder = _decoders[(int)s->CodeSize];
        long second = -1;
        int ops = 0, count = 0, at = start;
        _reader.Set(page, start, 4096);
        _translator.Features = VirtualCpu.Of(s).Features;
        bool ended = false;
        while (!ended && count < MaxInstructions && at < 4096)
        {
            _reader.Position = at;
            decoder.IP = (ulong)at;
            decoder.Decode(out _translator.Instruction);
            if (decoder.LastError == DecoderError.NoMoreBytes && _translator.Instruction.IsInvalid)
            {
                if (count > 0)
                    break;
                second = Tlb.Execute(s, ((linear & ~0xFFFul) + 0x1000) & s->LinearMask, out byte* next);
                if (second < 0)
                    return null;
                DecodeCrossing(decoder, page, start, _memory.ReadableData((ulong)second));
            }

            byte* bytes = second >= 0 ? _split : page + at;
            _translator.Translate(_draft + ops, bits, (ulong)start, count, HasAddressPrefix(bytes, second >= 0 ? 15 : 4096 - at, bits == 64), Unlinked);
            _translator.RememberEscape(bytes);
            _peephole.Note(ops, _translator);
            at += _translator.Instruction.Length;
            ops += _translator.Slots;
            count++;
            ended = _translator.EndsBlock || second >= 0 || Traps.MayStopAt(at);
        }

        if (!_translator.EndsBlock)
        {
            Op* end = _draft + ops++;
            *end = default;
            end->Handler = &Branch.FallThrough;
            end->Offset = (ushort)(at - start);
            end->Index = (byte)count;
            end->Imm = (ulong)Unlinked;
        }

        return Install(s, frame, second, start, at - start, count, ops);
    }

    private void DecodeCrossing(Decoder decoder, byte* page, int start, byte* nextPage)
    {
        int first = 4096 - start;
        // SAFETY: an instruction is at most 15 bytes; first is below 15 because it did not fit.
        for (int i = 0; i < 15; i++)
            _split[i] = i < first ? page[start + i] : nextPage[i - first];
        _reader.Set(_split, 0, 15);
        decoder.IP = (ulong)start;
        decoder.Decode(out _translator.Instruction);
    }

    private static bool HasAddressPrefix(byte* bytes, int available, bool rex)
    {
        for (int i = 0; i < available && i < 15; i++)
        {
            switch (bytes[i])
            {
                case 0x67:
                    return true;
                case 0x66 or 0xF0 or 0xF2 or 0xF3 or 0x2E or 0x36 or 0x3E or 0x26 or 0x64 or 0x65:
                    continue;
                case >= 0x40 and <= 0x4F when rex:
                    // A REX prefix before another prefix is ignored.
                    continue;
                default:
                    return false;
            }
        }

        return false;
    }

    private Block* Install(CpuState* s, ulong frame, long second, int start, int length, int count, int ops)
    {
        bool changed = _peephole.Apply(_draft, ops);
        Block* b = (Block*)Reserve(BlockHeader + (ops * sizeof(Op)), changed ? ops * sizeof(nint) : 0);
        *b = default;
        b->Ops = (Op*)((byte*)b + BlockHeader);
        // SAFETY: Reserve gave room for the header and this many ops.
        NativeMemory.Copy(_draft, b->Ops, (nuint)(ops * sizeof(Op)));
        if (changed)
        {
            b->Plain = (nint*)((byte*)_chunks[_chunk] + _topOfChunk);
            _peephole.Plain[..ops].CopyTo(new Span<nint>(b->Plain, ops));
        }

        b->Count = count;
        b->OpCount = ops;
        b->PageOffset = (ushort)start;
        b->Bytes = (ushort)length;
        b->Frame = (long)frame;
        b->SecondFrame = second;
        b->CodeSize = s->CodeSize;
        b->Guarded = Traps.MayStopAt(start) ? (byte)1 : (byte)0;
        if (b->Guarded != 0)
            (b->VerifiedRip, b->VerifiedKey) = (ulong.MaxValue, ulong.MaxValue);
        FrameCode* code = CodeOf(frame, start, Math.Min(4096, start + length));
        int bucket = start & (FrameCode.Buckets - 1);
        b->NextInBucket = (Block*)code->Heads[bucket];
        code->Heads[bucket] = (ulong)b;
        if (second >= 0)
        {
            FrameCode* other = CodeOf((ulong)second, 0, Math.Max(1, start + length - 4096));
            b->NextCrosser = other->Crossers;
            other->Crossers = b;
        }

        return b;
    }

    private FrameCode* CodeOf(ulong frame, int from, int to)
    {
        Frame* f = _memory.FrameAt(frame);
        if (f->Code == null)
        {
            f->Code = (FrameCode*)NativeMemory.AllocZeroed((nuint)sizeof(FrameCode));
            _frameCodes.Add((nint)f->Code);
            _codeFrames.Add(frame);
        }

        if (f->CodeLines == 0)
        {
            foreach (nint cpu in _memory.Processors)
                Tlb.ClearWriteTags((CpuState*)cpu, f->Data);
        }

        f->CodeLines |= (ulong.MaxValue << (from >> 6)) & (ulong.MaxValue >> (63 - ((to - 1) >> 6)));
        return f->Code;
    }

    /// <param name="rare">Bytes that are hardly ever read: they lie at the chunk's end, out of the way of the others.</param>
    private byte* Reserve(int bytes, int rare)
    {
        bytes = (bytes + 63) & ~63;
        if (_usedInChunk + bytes + rare > _topOfChunk)
        {
            if (++_chunk == _chunks.Count)
                _chunks.Add((nint)NativeMemory.AlignedAlloc(ChunkBytes, 64));
            _usedInChunk = 0;
            _topOfChunk = ChunkBytes;
            IsFull |= _chunk >= MaxChunks;
        }

        _topOfChunk -= rare;
        byte* p = (byte*)_chunks[_chunk] + _usedInChunk;
        _usedInChunk += bytes;
        return p;
    }

    private sealed class PageReader : CodeReader
    {
        private byte* _bytes;
        private int _end;

        public int Position { get; set; }

        public void Set(byte* bytes, int position, int end)
        {
            _bytes = bytes;
            _end = end;
            Position = position;
        }

        public override int ReadByte() => Position < _end ? _bytes[Position++] : -1;
    }
}
