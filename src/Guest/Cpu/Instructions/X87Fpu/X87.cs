using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.X87Fpu;

/// <summary>
/// The x87's register stack, its status word, and the order every instruction keeps: #NM, pending errors, memory, operands, result,
/// flags. SDM vol. 1, chapter 8.
/// </summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe partial class X87
{
    private const ushort StackFault = 0x40, ErrorSummary = 0x80, C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000, Busy = 0x8000;

    /// <summary>The class raises no error of its own: a handler of the family goes on, or has left. SDM vol. 3A, table 2-2; vol. 1, 8.7.</summary>
    public static bool Ready(CpuState* s, Op* op)
    {
        if ((s->Cr0 & (Cr0Bits.Em | Cr0Bits.Ts)) != 0)
        {
            Faults.Raise(s, op, Vectors.Nm);
            return false;
        }

        return !Pending(s, op) && Remember(s, op);
    }

    /// <summary>An unmasked error waits: #MF, or with CR0.NE clear the FERR# pin, which is the platform's business.</summary>
    public static bool Pending(CpuState* s, Op* op)
    {
        if ((s->X87Status & ErrorSummary) == 0)
            return false;
        if ((s->Cr0 & Cr0Bits.Ne) != 0)
            Faults.Raise(s, op, Vectors.Mf);
        else
            Faults.Exit(s, op, new CpuExit { Reason = ExitReason.FloatingPointError });
        return true;
    }

    /// <summary>WAIT, and FNSTENV's like that do not wait, use parts of <see cref="Ready"/>.</summary>
    public static Block* Wait(CpuState* s, Op* op)
    {
        if ((s->Cr0 & (Cr0Bits.Mp | Cr0Bits.Ts)) == (Cr0Bits.Mp | Cr0Bits.Ts))
            return Faults.Raise(s, op, Vectors.Nm);
        return Pending(s, op) ? null : op[1].Handler(s, op + 1);
    }

    /// <summary>The pointers that FNSTENV shows; memory operands add theirs.</summary>
    private static bool Remember(CpuState* s, Op* op)
    {
        s->X87InstructionPointer = Rip.Wrap(s, s->Rip + op->Offset);
        s->X87Opcode = (ushort)op->Imm;
        return true;
    }

    /// <summary>ES and B follow from the flags and the masks.</summary>
    public static void Summarise(CpuState* s)
    {
        bool error = (s->X87Status & ~s->X87Control & FloatFlags.All) != 0;
        s->X87Status = (ushort)(error ? s->X87Status | ErrorSummary | Busy : s->X87Status & ~(ErrorSummary | Busy));
    }

    private static int Top(CpuState* s) => (s->X87Status >> 11) & 7;

    private static void SetTop(CpuState* s, int top) => s->X87Status = (ushort)((s->X87Status & ~0x3800) | ((top & 7) << 11));

    private static int Physical(CpuState* s, int i) => (Top(s) + i) & 7;

    private static bool IsEmpty(CpuState* s, int i) => (s->X87Tags & (1 << Physical(s, i))) == 0;

    private static FloatValue Get(CpuState* s, int i)
    {
        int r = Physical(s, i) * 2;
        return FloatValue.UnpackExtended((ushort)s->X87[r + 1], s->X87[r]);
    }

    private static void Put(CpuState* s, int i, in FloatValue value)
    {
        (ushort high, ulong low) = value.PackExtended();
        PutRaw(s, i, high, low);
    }

    private static void PutRaw(CpuState* s, int i, ushort high, ulong low)
    {
        int r = Physical(s, i);
        s->X87[r * 2] = low;
        s->X87[(r * 2) + 1] = high;
        s->X87Tags |= (ushort)(1 << r);
    }

    private static void Pop(CpuState* s)
    {
        int top = Top(s);
        s->X87Tags &= (ushort)~(1 << top);
        SetTop(s, top + 1);
    }

    private static void Pop(CpuState* s, int count)
    {
        for (int i = 0; i < count; i++)
            Pop(s);
    }

    private static FloatContext Context(CpuState* s) => FloatContext.FromX87Control(s->X87Control);

    private static bool Masked(CpuState* s, uint exceptions) => (exceptions & ~s->X87Control & FloatFlags.All) == 0;

    /// <summary>Adds the exceptions of an instruction to the status word; C1 says whether the result was rounded away from zero.</summary>
    private static void Report(CpuState* s, in FloatContext c)
    {
        bool up = c.RoundedUp && (c.Flags & FloatFlags.Inexact) != 0;
        s->X87Status = (ushort)((s->X87Status & ~C1) | (ushort)c.Flags | (up ? C1 : 0));
        if (!Masked(s, c.Flags))
            s->X87Status |= ErrorSummary | Busy;
    }

    /// <summary>#IS: C1 = 0 for an empty register, 1 for a full one. True: masked, go on with the indefinite. SDM vol. 1, 8.5.1.1.</summary>
    private static bool StackError(CpuState* s, bool overflow)
    {
        s->X87Status = (ushort)((s->X87Status & ~C1) | (ushort)FloatFlags.Invalid | StackFault | (overflow ? C1 : 0));
        if (Masked(s, FloatFlags.Invalid))
            return true;
        s->X87Status |= ErrorSummary | Busy;
        return false;
    }

    private static void SetConditions(CpuState* s, int conditions) => s->X87Status = (ushort)((s->X87Status & ~(C0 | C2 | C3)) | conditions);

    private static Block* Next(CpuState* s, Op* op) => op[1].Handler(s, op + 1);

    /// <summary>Makes room on the stack and puts a value there, or the indefinite when there is none.</summary>
    private static void Push(CpuState* s, in FloatValue value, ref FloatContext c)
    {
        if (!IsEmpty(s, 7))
        {
            if (!StackError(s, true))
                return;
            SetTop(s, Top(s) - 1);
            Put(s, 0, FloatValue.Indefinite);
            return;
        }

        // A denormal is loaded also when its exception is unmasked.
        if ((c.Unmasked & FloatFlags.Invalid) == 0)
        {
            SetTop(s, Top(s) - 1);
            Put(s, 0, value);
        }

        Report(s, c);
    }

    private static byte* Read(CpuState* s, Op* op, int size)
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, size), size);
        if (p == null)
            Faults.Raise(s, op);
        else
            s->X87DataPointer = Operand.Effective(s, op);
        return p;
    }

    private static byte* Modify(CpuState* s, Op* op, int size)
    {
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, size), size);
        if (p == null)
            Faults.Raise(s, op);
        else
            s->X87DataPointer = Operand.Effective(s, op);
        return p;
    }
}

/// <summary>A memory operand of an x87 instruction.</summary>
// SAFETY: as above.
internal unsafe interface IX87Source
{
    static abstract int Size { get; }

    static abstract FloatValue Load(byte* p, in FloatContext c);
}

// SAFETY: as above.
internal readonly unsafe struct SingleSource : IX87Source
{
    public static int Size => 4;

    public static FloatValue Load(byte* p, in FloatContext c) => FloatValue.Unpack<SingleFormat>(*(uint*)p, c);
}

// SAFETY: as above.
internal readonly unsafe struct DoubleSource : IX87Source
{
    public static int Size => 8;

    public static FloatValue Load(byte* p, in FloatContext c) => FloatValue.Unpack<DoubleFormat>(*(ulong*)p, c);
}

// SAFETY: as above.
internal readonly unsafe struct WordSource : IX87Source
{
    public static int Size => 2;

    public static FloatValue Load(byte* p, in FloatContext c) => FloatValue.FromInteger(*(short*)p);
}

// SAFETY: as above.
internal readonly unsafe struct DwordSource : IX87Source
{
    public static int Size => 4;

    public static FloatValue Load(byte* p, in FloatContext c) => FloatValue.FromInteger(*(int*)p);
}

// SAFETY: as above.
internal readonly unsafe struct QwordSource : IX87Source
{
    public static int Size => 8;

    public static FloatValue Load(byte* p, in FloatContext c) => FloatValue.FromInteger(*(long*)p);
}
