using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>MOV Sreg, LDS family, LAR, LSL, VERR, VERW.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class SegmentOps
{
    public static SegmentName Number(Register register) => register switch
    {
        Register.ES => SegmentName.Es,
        Register.CS => SegmentName.Cs,
        Register.SS => SegmentName.Ss,
        Register.FS => SegmentName.Fs,
        Register.GS => SegmentName.Gs,
        _ => SegmentName.Ds,
    };

    public static bool MovToSegment(Translator t)
    {
        t.EndsBlock = true;
        t.Op->Dst = (byte)Number(t.Instruction.Op0Register);
        if (t.Op->Dst == (byte)SegmentName.Cs)
        {
            t.Op->Handler = &SystemOps.InvalidOpcode;
        }
        else if (t.IsRegister(1))
        {
            t.Op->Src = t.Register(1);
            t.Op->Handler = &LoadReg;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &LoadMem;
        }

        return true;
    }

    public static bool MovFromSegment(Translator t)
    {
        t.Op->Aux = (byte)Number(t.Instruction.Op1Register);
        if (t.IsRegister(0))
        {
            t.Op->Dst = t.Register(0);
            t.Op->Handler = t.Size == 2 ? &StoreReg<ushort> : &StoreReg<ulong>;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &StoreMem;
        }

        return true;
    }

    /// <summary>LES, LDS, LSS, LFS, LGS.</summary>
    public static bool LoadPointer(Translator t)
    {
        t.EndsBlock = true;
        t.Op->Dst = t.Register(0);
        t.Op->Aux = (byte)(t.Instruction.Mnemonic switch
        {
            Mnemonic.Les => SegmentName.Es,
            Mnemonic.Lss => SegmentName.Ss,
            Mnemonic.Lfs => SegmentName.Fs,
            Mnemonic.Lgs => SegmentName.Gs,
            _ => SegmentName.Ds,
        });
        t.Memory();
        t.Op->Handler = t.Size switch { 2 => &Pointer<ushort>, 4 => &Pointer<uint>, _ => &Pointer<ulong> };
        return true;
    }

    /// <summary>LAR, LSL, VERR, VERW.</summary>
    public static bool Query(Translator t)
    {
        Mnemonic m = t.Instruction.Mnemonic;
        bool loads = m is Mnemonic.Lar or Mnemonic.Lsl;
        int source = loads ? 1 : 0;
        t.Op->Aux = (byte)(t.IsRegister(source) ? 1 : 0);
        if (t.IsRegister(source))
            t.Op->Src = t.Register(source);
        else
            t.Memory();
        if (loads)
            t.Op->Dst = t.Register(0);
        t.Op->Handler = m switch
        {
            Mnemonic.Lar => t.Size switch { 2 => &Lar<ushort>, 4 => &Lar<uint>, _ => &Lar<ulong> },
            Mnemonic.Lsl => t.Size switch { 2 => &Lsl<ushort>, 4 => &Lsl<uint>, _ => &Lsl<ulong> },
            Mnemonic.Verr => &Verr,
            _ => &Verw,
        };
        return true;
    }

    public static bool Arpl(Translator t)
    {
        t.Op->Src = t.Register(1);
        if (t.IsRegister(0))
        {
            t.Op->Dst = t.Register(0);
            t.Op->Handler = &ArplReg;
        }
        else
        {
            t.Memory();
            t.Op->Handler = &ArplMem;
        }

        return true;
    }

    private static Block* ArplReg(CpuState* s, Op* op)
    {
        if (Segments.IsReal(s))
            return Faults.Raise(s, op, Vectors.Ud);
        ushort* selector = (ushort*)((byte*)s + op->Dst);
        return Done(s, op, Adjust(selector, (int)Operand.Get<ushort>(s, op->Src) & 3));
    }

    private static Block* ArplMem(CpuState* s, Op* op)
    {
        if (Segments.IsReal(s))
            return Faults.Raise(s, op, Vectors.Ud);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 2), 2);
        if (p == null)
            return Faults.Raise(s, op);
        bool raised = Adjust((ushort*)p, (int)Operand.Get<ushort>(s, op->Src) & 3);
        Tlb.Commit(s, p);
        return Done(s, op, raised);
    }

    private static bool Adjust(ushort* selector, int rpl)
    {
        bool raised = (*selector & 3) < rpl;
        if (raised)
            *selector = (ushort)((*selector & ~3) | rpl);
        return raised;
    }

    private static Block* LoadReg(CpuState* s, Op* op) => Load(s, op, (ushort)Operand.Get<ushort>(s, op->Src));

    private static Block* LoadMem(CpuState* s, Op* op)
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 2), 2);
        return p == null ? Faults.Raise(s, op) : Load(s, op, *(ushort*)p);
    }

    private static Block* Load(CpuState* s, Op* op, ushort selector)
    {
        if (!Segments.Load(s, (SegmentName)op->Dst, selector))
            return Faults.Raise(s, op);
        if (op->Dst == (byte)SegmentName.Ss)
            SystemOps.StartShadow(s, op, true);
        return Faults.Finish(s, op);
    }

    private static Block* StoreReg<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        Operand.Set<T>(s, op->Dst, Operand.Segment(s, op->Aux)->Selector);
        return op[1].Handler(s, op + 1);
    }

    private static Block* StoreMem(CpuState* s, Op* op)
    {
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 2), 2);
        if (p == null)
            return Faults.Raise(s, op);
        *(ushort*)p = Operand.Segment(s, op->Aux)->Selector;
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Pointer<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, sizeof(T) + 2), sizeof(T) + 2);
        if (p == null)
            return Faults.Raise(s, op);
        ulong offset = Operand.Load<T>(p);
        ushort selector = *(ushort*)(p + sizeof(T));
        if (!Segments.Load(s, (SegmentName)op->Aux, selector))
            return Faults.Raise(s, op);
        Operand.Set<T>(s, op->Dst, offset);
        return Faults.Finish(s, op);
    }

    private static bool Selector(CpuState* s, Op* op, out ushort selector)
    {
        selector = 0;
        if (op->Aux != 0)
        {
            selector = (ushort)Operand.Get<ushort>(s, op->Src);
            return true;
        }

        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 2), 2);
        if (p == null)
            return false;
        selector = *(ushort*)p;
        return true;
    }

    /// <summary>The descriptor of a selector if it can be seen from CPL and RPL. SDM vol. 3A, 5.10.1. False: a fault, or not visible.</summary>
    private static bool Visible(CpuState* s, ushort selector, out Descriptor d, out bool fault)
    {
        d = default;
        fault = false;
        if ((selector & ~3) == 0)
            return false;
        s->FaultVector = 0;
        if (!Segments.Read(s, selector, Vectors.Gp, out d))
        {
            fault = s->FaultVector != Vectors.Gp;
            return false;
        }

        return (d.IsCode && d.Conforming) || (d.Dpl >= s->Cpl && d.Dpl >= (selector & 3));
    }

    private static Block* Done(CpuState* s, Op* op, bool zf)
    {
        Flags.Set(s, (Flags.Get(s) & ~RflagsBits.Zf) | (zf ? RflagsBits.Zf : 0));
        return op[1].Handler(s, op + 1);
    }

    private static Block* Lar<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        if (Segments.IsReal(s))
            return Faults.Raise(s, op, Vectors.Ud);
        if (!Selector(s, op, out ushort selector))
            return Faults.Raise(s, op);
        bool visible = Visible(s, selector, out Descriptor d, out bool fault);
        if (fault)
            return Faults.Raise(s, op);
        // Valid system types: LDT, TSSs, gates (table 3-53); in long mode only 2, 9, 11, 12.
        int types = (s->Efer & EferBits.Lma) != 0 ? 0x1A04 : 0x1A3E;
        if (visible && d.IsSystem && (types & (1 << d.Type)) == 0)
            visible = false;
        if (visible)
            Operand.Set<T>(s, op->Dst, (uint)(d.Raw >> 32) & 0x00F0_FF00);
        return Done(s, op, visible);
    }

    private static Block* Lsl<T>(CpuState* s, Op* op)
        where T : unmanaged
    {
        if (Segments.IsReal(s))
            return Faults.Raise(s, op, Vectors.Ud);
        if (!Selector(s, op, out ushort selector))
            return Faults.Raise(s, op);
        bool visible = Visible(s, selector, out Descriptor d, out bool fault);
        if (fault)
            return Faults.Raise(s, op);
        int types = (s->Efer & EferBits.Lma) != 0 ? 0x0A04 : 0x0A0E;
        if (visible && d.IsSystem && (types & (1 << d.Type)) == 0)
            visible = false;
        if (visible)
            Operand.Set<T>(s, op->Dst, d.Limit);
        return Done(s, op, visible);
    }

    private static Block* Verr(CpuState* s, Op* op) => Verify(s, op, false);

    private static Block* Verw(CpuState* s, Op* op) => Verify(s, op, true);

    private static Block* Verify(CpuState* s, Op* op, bool write)
    {
        if (Segments.IsReal(s))
            return Faults.Raise(s, op, Vectors.Ud);
        if (!Selector(s, op, out ushort selector))
            return Faults.Raise(s, op);
        bool visible = Visible(s, selector, out Descriptor d, out bool fault);
        if (fault)
            return Faults.Raise(s, op);
        return Done(s, op, visible && !d.IsSystem && (write ? d.WritableData : !d.IsCode || d.ReadableCode));
    }
}
