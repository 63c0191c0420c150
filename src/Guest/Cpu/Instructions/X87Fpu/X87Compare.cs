using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.X87Fpu;

/// <summary>FCOM and FUCOM families, FTST, FXAM. SDM vol. 1, 8.3.6 and table 8-6.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe partial class X87
{
    private enum CompareKind : byte
    {
        Ordered,

        /// <summary>FUCOM: a quiet NaN is unordered without #IA.</summary>
        Quiet,

        /// <summary>FCOMI: the answer is in ZF, PF, CF.</summary>
        Flags,
        QuietFlags,
    }

    private static Block* CompareRegister(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        CompareKind kind = (CompareKind)op->Dst;
        if (IsEmpty(s, 0) || IsEmpty(s, op->Src))
        {
            Answer(s, kind, FloatOrder.Unordered);
            if (StackError(s, false))
                Pop(s, op->Aux);

            return Next(s, op);
        }

        Compare(s, kind, Get(s, op->Src), op->Aux);
        return Next(s, op);
    }

    private static Block* CompareMemory<TSource>(CpuState* s, Op* op)
        where TSource : struct, IX87Source
    {
        if (!Ready(s, op))
            return null;
        byte* p = Read(s, op, TSource.Size);
        if (p == null)
            return null;
        FloatContext c = Context(s);
        FloatValue source = TSource.Load(p, c);
        if (!IsEmpty(s, 0))
        {
            Compare(s, CompareKind.Ordered, source, op->Aux);
        }
        else
        {
            Answer(s, CompareKind.Ordered, FloatOrder.Unordered);
            if (StackError(s, false))
                Pop(s, op->Aux);
        }

        return Next(s, op);
    }

    private static void Compare(CpuState* s, CompareKind kind, in FloatValue source, int pops)
    {
        FloatContext c = Context(s);
        FloatOrder order = FloatMath.Compare(Get(s, 0), source, kind is CompareKind.Ordered or CompareKind.Flags, ref c);
        ushort before = s->X87Status;
        Report(s, c);
        // FCOMI and its kin leave C1 alone.
        if (kind is CompareKind.Flags or CompareKind.QuietFlags)
            s->X87Status |= (ushort)(before & C1);
        // An unmasked exception keeps the operands on the stack; the answer is given all the same.
        Answer(s, kind, order);
        if (!c.IsStopped)
            Pop(s, pops);
    }

    private static void Answer(CpuState* s, CompareKind kind, FloatOrder order)
    {
        if (kind is CompareKind.Ordered or CompareKind.Quiet)
        {
            SetConditions(s, order switch { FloatOrder.Less => C0, FloatOrder.Equal => C3, FloatOrder.Greater => 0, _ => C0 | C2 | C3 });
            return;
        }

        Flags.Set(s, order switch
        {
            FloatOrder.Less => RflagsBits.Cf,
            FloatOrder.Equal => RflagsBits.Zf,
            FloatOrder.Greater => 0,
            _ => RflagsBits.Cf | RflagsBits.Pf | RflagsBits.Zf,
        });
    }

    private static Block* Ftst(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        if (!IsEmpty(s, 0))
        {
            Compare(s, CompareKind.Ordered, FloatValue.Zero(false), 0);
            return Next(s, op);
        }

        Answer(s, CompareKind.Ordered, FloatOrder.Unordered);
        StackError(s, false);
        return Next(s, op);
    }

    /// <summary>C1 is the sign, also of an empty register.</summary>
    private static Block* Fxam(CpuState* s, Op* op)
    {
        if (!Ready(s, op))
            return null;
        FloatValue a = Get(s, 0);
        int conditions = IsEmpty(s, 0) ? C3 | C0 : a.Class switch
        {
            FloatClass.Unsupported => 0,
            FloatClass.QuietNan or FloatClass.SignalingNan => C0,
            FloatClass.Infinity => C2 | C0,
            FloatClass.Zero => C3,
            _ => a.Denormal ? C3 | C2 : C2,
        };
        SetConditions(s, conditions);
        s->X87Status = (ushort)((s->X87Status & ~C1) | (a.Sign ? C1 : 0));
        return Next(s, op);
    }
}
