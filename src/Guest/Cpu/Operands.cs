using System.Runtime.CompilerServices;

namespace XenSim.Guest.Cpu;

/// <summary>Linear address of a memory operand; a type parameter so that the common forms cost no branch.</summary>
// SAFETY: register offsets lie inside CpuState, as the translator made them; p has at least the operand's size.
internal unsafe interface IAddress
{
    static abstract ulong Read(CpuState* s, Op* op, int size);

    static abstract ulong Write(CpuState* s, Op* op, int size);
}

/// <summary>64-bit mode without a segment base.</summary>
// SAFETY: as above.
internal readonly unsafe struct Flat64 : IAddress
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Read(CpuState* s, Op* op, int size) => Operand.Sum(s, op);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Write(CpuState* s, Op* op, int size) => Operand.Sum(s, op);
}

/// <summary>The same without an index register.</summary>
// SAFETY: as above.
internal readonly unsafe struct Base64 : IAddress
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Read(CpuState* s, Op* op, int size) => *(ulong*)((byte*)s + op->Base) + (ulong)op->Disp;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Write(CpuState* s, Op* op, int size) => Read(s, op, size);
}

/// <summary>32-bit address in a segment.</summary>
// SAFETY: as above.
internal readonly unsafe struct Segment32 : IAddress
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Read(CpuState* s, Op* op, int size) => Operand.InSegmentRead(s, op->Segment, (uint)Operand.Sum(s, op), size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Write(CpuState* s, Op* op, int size) => Operand.InSegmentWrite(s, op->Segment, (uint)Operand.Sum(s, op), size);
}

/// <summary>Any form, by <see cref="Op.Form"/>.</summary>
// SAFETY: as above.
internal readonly unsafe struct AnyAddress : IAddress
{
    public static ulong Read(CpuState* s, Op* op, int size) => Operand.Linear(s, op, size, false);

    public static ulong Write(CpuState* s, Op* op, int size) => Operand.Linear(s, op, size, true);
}

/// <summary>Registers, effective and linear addresses of operands.</summary>
// SAFETY: as above.
internal static unsafe class Operand
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Sum(CpuState* s, Op* op) =>
        *(ulong*)((byte*)s + op->Base) + (*(ulong*)((byte*)s + op->IndexReg) << op->Scale) + (ulong)op->Disp;

    /// <summary>Offset inside the segment (what LEA gives before truncation to the operand size).</summary>
    public static ulong Effective(CpuState* s, Op* op) => op->Form switch
    {
        AddressForm.Flat64 or AddressForm.Based64 => Sum(s, op),
        AddressForm.Segment16 => (ushort)Sum(s, op),
        AddressForm.Absolute64 => op->Imm,
        _ => (uint)Sum(s, op),
    };

    public static ulong Linear(CpuState* s, Op* op, int size, bool write) => InSegment(s, op->Segment, Effective(s, op), size, write);

    /// <summary>Linear address of an offset in a segment, checked; <see cref="Tlb.NoAddress"/> if outside.</summary>
    public static ulong InSegment(CpuState* s, int segment, ulong offset, int size, bool write)
    {
        if (s->CodeSize == CodeSize.Code64)
            return segment >= (int)SegmentName.Fs ? Segment(s, segment)->Base + offset : offset;
        return write ? InSegmentWrite(s, segment, offset, size) : InSegmentRead(s, segment, offset, size);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong InSegmentRead(CpuState* s, int segment, ulong offset, int size)
    {
        SegmentState* g = Segment(s, segment);
        if ((long)(offset + (ulong)(size - 1)) > g->ReadMax && !Segments.SlowCheck(g, offset, size, false))
            return Tlb.NoAddress;
        return (uint)(g->Base + offset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong InSegmentWrite(CpuState* s, int segment, ulong offset, int size)
    {
        SegmentState* g = Segment(s, segment);
        if ((long)(offset + (ulong)(size - 1)) > g->WriteMax && !Segments.SlowCheck(g, offset, size, true))
            return Tlb.NoAddress;
        return (uint)(g->Base + offset);
    }

    public static SegmentState* Segment(CpuState* s, int segment) => &s->Es + segment;

    /// <summary>Register value, sign-extended from the size of <typeparamref name="T"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Get<T>(CpuState* s, byte offset)
        where T : unmanaged => Load<T>((byte*)s + offset);

    /// <summary>Sets a register: 32-bit writes clear the upper half, narrower ones keep the rest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Set<T>(CpuState* s, byte offset, ulong value)
        where T : unmanaged
    {
        if (sizeof(T) == 4)
            *(ulong*)((byte*)s + offset) = (uint)value;
        else
            Store<T>((byte*)s + offset, value);
    }

    /// <summary>Memory value, sign-extended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Load<T>(byte* p)
        where T : unmanaged => sizeof(T) switch
        {
            1 => (ulong)*(sbyte*)p,
            2 => (ulong)*(short*)p,
            4 => (ulong)*(int*)p,
            _ => *(ulong*)p,
        };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(byte* p, ulong value)
        where T : unmanaged
    {
        if (sizeof(T) == 1)
            *p = (byte)value;
        else if (sizeof(T) == 2)
            *(ushort*)p = (ushort)value;
        else if (sizeof(T) == 4)
            *(uint*)p = (uint)value;
        else
            *(ulong*)p = value;
    }

    /// <summary>Sign-extends from the size of <typeparamref name="T"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Sx<T>(ulong value)
        where T : unmanaged => sizeof(T) switch
        {
            1 => (ulong)(sbyte)value,
            2 => (ulong)(short)value,
            4 => (ulong)(int)value,
            _ => value,
        };

    /// <summary>Zero-extends from the size of <typeparamref name="T"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Zx<T>(ulong value)
        where T : unmanaged => sizeof(T) switch
        {
            1 => (byte)value,
            2 => (ushort)value,
            4 => (uint)value,
            _ => value,
        };
}
