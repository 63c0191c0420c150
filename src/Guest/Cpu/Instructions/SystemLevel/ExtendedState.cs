using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.SystemLevel;

/// <summary>XGETBV, XSAVE, XSAVEOPT, XSAVEC, XRSTOR for x87, SSE and AVX state and the protection-key rights. SDM vol. 1, chapter 13.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class ExtendedState
{
    private const int HeaderOffset = 512;
    private const int AvxOffset = 576;
    private const int AvxSize = 256;
    private const int AreaSize = AvxOffset + AvxSize;

    /// <summary>Place and size of PKRU in the standard form: CPUID 0xD, sub-leaf 9.</summary>
    private const int PkruOffset = 2688;
    private const int PkruSize = 8;
    private const ulong Compacted = 1ul << 63;

    private const byte Plain = 0, Optimised = 1, Compacting = 2;

    public static bool Select(Translator t)
    {
        switch (t.Instruction.Mnemonic)
        {
            case Mnemonic.Xgetbv: t.Op->Handler = &Xgetbv; return true;
            case Mnemonic.Xsave or Mnemonic.Xsave64: return Area(t, Plain, &Xsave);
            case Mnemonic.Xsaveopt or Mnemonic.Xsaveopt64: return Area(t, Optimised, &Xsave);
            case Mnemonic.Xsavec or Mnemonic.Xsavec64: return Area(t, Compacting, &Xsave);
            case Mnemonic.Xrstor or Mnemonic.Xrstor64: return Area(t, Plain, &Xrstor);
            default: return false;
        }
    }

    private static bool Area(Translator t, byte kind, delegate*<CpuState*, Op*, Block*> handler)
    {
        t.Op->Src = kind;
        t.Op->Aux = t.Instruction.Mnemonic is Mnemonic.Xsave64 or Mnemonic.Xsaveopt64 or Mnemonic.Xsavec64 or Mnemonic.Xrstor64 ? (byte)1 : (byte)0;
        t.Memory();
        t.Op->Handler = handler;
        return true;
    }

    /// <summary>Components that are not in their initial configuration (XINUSE). SDM vol. 1, 13.6.</summary>
    private static ulong InUse(CpuState* s)
    {
        ulong xmm = 0, ymm = 0;
        for (int i = 0; i < 32; i++)
        {
            xmm |= s->Xmm[i];
            ymm |= s->YmmHigh[i];
        }

        return (FxImage.IsX87Reset(s) ? 0 : CpuFeatures.X87) | (xmm == 0 ? 0 : CpuFeatures.Sse) | (ymm == 0 ? 0 : CpuFeatures.Avx)
            | (s->Pkru == 0 ? 0 : CpuFeatures.Pkru);
    }

    private static Block* Xgetbv(CpuState* s, Op* op)
    {
        if ((s->Cr4 & Cr4Bits.OsXsave) == 0)
            return Faults.Raise(s, op, Vectors.Ud);
        uint index = (uint)s->Gpr[(int)Gpr.Rcx];
        ulong value = s->Xcr0;
        if (index == 1 && VirtualCpu.Of(s).Features.Xgetbv1)
            value &= InUse(s);
        else if (index != 0)
            return Faults.Raise(s, op, Vectors.Gp);
        s->Gpr[(int)Gpr.Rax] = (uint)value;
        s->Gpr[(int)Gpr.Rdx] = value >> 32;
        return op[1].Handler(s, op + 1);
    }

    /// <summary>Requested-feature bitmap: EDX:EAX and XCR0.</summary>
    private static ulong Requested(CpuState* s) => s->Xcr0 & ((uint)s->Gpr[(int)Gpr.Rax] | (s->Gpr[(int)Gpr.Rdx] << 32));

    /// <summary>#UD, #NM or #GP of the whole family before memory is looked at; -1: none.</summary>
    private static int EarlyFault(CpuState* s, ulong linear)
    {
        if ((s->Cr4 & Cr4Bits.OsXsave) == 0)
            return Vectors.Ud;
        if ((s->Cr0 & Cr0Bits.Ts) != 0)
            return Vectors.Nm;
        return linear != Tlb.NoAddress && (linear & 63) != 0 ? Vectors.Gp : -1;
    }

    // SAFETY (Xsave, Xrstor, Transfer): the image on the stack has AreaSize bytes and size never exceeds it; Tlb gives 16 good bytes per call.

    /// <summary>All bytes are checked for writing before any is changed.</summary>
    private static Block* Xsave(CpuState* s, Op* op)
    {
        ulong linear = AnyAddress.Write(s, op, HeaderOffset + 64);
        int fault = EarlyFault(s, linear);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        ulong requested = Requested(s);
        int size = (requested & CpuFeatures.Avx) != 0 ? AreaSize : AvxOffset;
        byte* image = stackalloc byte[AreaSize];
        byte* rights = null;
        ulong rightsAt = linear + PlaceOfPkru(op->Src == Compacting, requested);
        if (!Read(s, linear, image, size, true) || ((requested & CpuFeatures.Pkru) != 0 && (rights = Tlb.Modify(s, rightsAt, PkruSize)) == null))
            return Faults.Raise(s, op);
        if (op->Src == Compacting)
            FillCompacted(s, op, image, requested);
        else
            FillStandard(s, op, image, requested);
        for (ulong i = 0; i < (ulong)size; i += 16)
            Buffer.MemoryCopy(image + i, Tlb.Modify(s, linear + i, 16), 16, 16);
        if (rights != null && (op->Src == Plain || s->Pkru != 0))
            *(ulong*)Tlb.Modify(s, rightsAt, PkruSize) = s->Pkru;
        return op[1].Handler(s, op + 1);
    }

    /// <summary>In the compacted form it follows what else is in the mask. SDM vol. 1, 13.4.3.</summary>
    private static ulong PlaceOfPkru(bool compacted, ulong mask) => !compacted ? PkruOffset : AvxOffset + ((mask & CpuFeatures.Avx) != 0 ? AvxSize : 0ul);

    private static bool Read(CpuState* s, ulong linear, byte* image, int size, bool forWriting)
    {
        for (ulong i = 0; i < (ulong)size; i += 16)
        {
            byte* p = forWriting ? Tlb.Modify(s, linear + i, 16) : Tlb.Read(s, linear + i, 16);
            if (p == null)
                return false;
            Buffer.MemoryCopy(p, image + i, 16, 16);
        }

        return true;
    }

    private static void FillStandard(CpuState* s, Op* op, byte* image, ulong requested)
    {
        ulong inUse = InUse(s);
        Store(s, op, image, op->Src == Optimised ? requested & inUse : requested);
        if ((requested & (CpuFeatures.Sse | CpuFeatures.Avx)) != 0)
            StoreMxcsr(s, image);
        ulong* bitmap = (ulong*)(image + HeaderOffset);
        *bitmap = (*bitmap & ~requested) | (requested & inUse);
    }

    /// <summary>MXCSR belongs to the SSE component here and counts for whether that is in use. SDM vol. 1, 13.10.</summary>
    private static void FillCompacted(CpuState* s, Op* op, byte* image, ulong requested)
    {
        ulong inUse = InUse(s) | (s->Mxcsr != FxImage.MxcsrReset ? CpuFeatures.Sse : 0);
        Store(s, op, image, requested & inUse);
        if ((requested & inUse & CpuFeatures.Sse) != 0)
            StoreMxcsr(s, image);
        ulong* header = (ulong*)(image + HeaderOffset);
        header[0] = requested & inUse;
        header[1] = requested | Compacted;
    }

    private static void Store(CpuState* s, Op* op, byte* image, ulong components)
    {
        bool code64 = s->CodeSize == CodeSize.Code64;
        if ((components & CpuFeatures.X87) != 0)
            FxImage.SaveX87(s, image, op->Aux != 0);
        if ((components & CpuFeatures.Sse) != 0)
            FxImage.SaveXmm(s, image, code64);
        if ((components & CpuFeatures.Avx) != 0)
        {
            for (int i = 0; i < (code64 ? 32 : 16); i++)
                *(ulong*)(image + AvxOffset + (8 * i)) = s->YmmHigh[i];
        }
    }

    private static void StoreMxcsr(CpuState* s, byte* image)
    {
        *(uint*)(image + 24) = s->Mxcsr;
        *(uint*)(image + 28) = VirtualCpu.Of(s).Features.MxcsrMask;
    }

    private static Block* Xrstor(CpuState* s, Op* op)
    {
        ulong linear = AnyAddress.Read(s, op, HeaderOffset + 64);
        int fault = EarlyFault(s, linear);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        ulong requested = Requested(s);
        byte* image = stackalloc byte[AreaSize];
        if (!Read(s, linear, image, AvxOffset, false))
            return Faults.Raise(s, op);
        ulong* header = (ulong*)(image + HeaderOffset);
        bool compacted = (header[1] & Compacted) != 0;
        ulong present = header[0];
        if (!IsHeaderValid(s, header))
            return Faults.Raise(s, op, Vectors.Gp);
        if ((requested & present & CpuFeatures.Avx) != 0 && !Read(s, linear + AvxOffset, image + AvxOffset, AvxSize, false))
            return Faults.Raise(s, op);
        byte* rights = null;
        if ((requested & present & CpuFeatures.Pkru) != 0 && (rights = Tlb.Read(s, linear + PlaceOfPkru(compacted, header[1]), PkruSize)) == null)
            return Faults.Raise(s, op);
        uint keys = rights == null ? 0 : *(uint*)rights;
        // The standard form loads MXCSR whenever SSE or AVX is asked for, the compacted form with the SSE component.
        ulong withMxcsr = compacted ? requested & present & CpuFeatures.Sse : requested & (CpuFeatures.Sse | CpuFeatures.Avx);
        uint mxcsr = *(uint*)(image + 24);
        if (withMxcsr != 0 && (mxcsr & ~VirtualCpu.Of(s).Features.MxcsrMask) != 0)
            return Faults.Raise(s, op, Vectors.Gp);
        if (withMxcsr != 0)
            s->Mxcsr = mxcsr;
        else if (compacted && (requested & CpuFeatures.Sse) != 0)
            s->Mxcsr = FxImage.MxcsrReset;
        Load(s, op, image, requested, present);
        if ((requested & CpuFeatures.Pkru) != 0)
            ProtectionKeys.Set(s, keys);
        return op[1].Handler(s, op + 1);
    }

    /// <summary>SDM vol. 1, 13.8.1 and 13.8.2. The compaction mask is the second word.</summary>
    private static bool IsHeaderValid(CpuState* s, ulong* header)
    {
        ulong known = (header[1] & Compacted) != 0 ? header[1] & ~Compacted : s->Xcr0;
        bool mask = (header[1] & Compacted) != 0 ? (known & ~s->Xcr0) == 0 : header[1] == 0;
        ulong reserved = header[2];
        if ((header[1] & Compacted) != 0)
            reserved |= header[3] | header[4] | header[5] | header[6] | header[7];
        return mask && (header[0] & ~known) == 0 && reserved == 0;
    }

    /// <summary>Requested components come from the image, or are reset where it has none.</summary>
    private static void Load(CpuState* s, Op* op, byte* image, ulong requested, ulong present)
    {
        bool code64 = s->CodeSize == CodeSize.Code64;
        if ((requested & present & CpuFeatures.X87) != 0)
            FxImage.LoadX87(s, image, op->Aux != 0);
        else if ((requested & CpuFeatures.X87) != 0)
            FxImage.ResetX87(s);
        for (int i = 0; (requested & CpuFeatures.Sse) != 0 && i < (code64 ? 32 : 16); i++)
            s->Xmm[i] = (present & CpuFeatures.Sse) != 0 ? *(ulong*)(image + 160 + (8 * i)) : 0;
        for (int i = 0; (requested & CpuFeatures.Avx) != 0 && i < (code64 ? 32 : 16); i++)
            s->YmmHigh[i] = (present & CpuFeatures.Avx) != 0 ? *(ulong*)(image + AvxOffset + (8 * i)) : 0;
    }
}
