using XenSim.Guest.Cpu.FloatingPoint;

namespace XenSim.Guest.Cpu.Instructions.X87Fpu;

/// <summary>FNSTENV, FLDENV, FNSAVE, FRSTOR in their 14/94- and 28/108-byte forms. SDM vol. 1, 8.1.10 and figures 8-9 to 8-12.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe partial class X87
{
    private static Block* Fnstenv(CpuState* s, Op* op)
    {
        if ((s->Cr0 & (Cr0Bits.Em | Cr0Bits.Ts)) != 0)
            return Faults.Raise(s, op, Vectors.Nm);
        int size = op->Aux;
        byte* image = stackalloc byte[28];
        Image(s, image, size);
        byte* p = Tlb.Modify(s, AnyAddress.Write(s, op, 7 * size), 7 * size);
        if (p == null)
            return Faults.Raise(s, op);
        Buffer.MemoryCopy(image, p, 28, 7 * size);
        Tlb.Commit(s, p);
        // All exceptions are masked from here on.
        s->X87Control |= 0x3F;
        Summarise(s);
        return Next(s, op);
    }

    private static Block* Fldenv(CpuState* s, Op* op)
    {
        if (!ReadyToLoad(s, op))
            return null;
        int size = op->Aux;
        byte* p = Tlb.Read(s, AnyAddress.Read(s, op, 7 * size), 7 * size);
        if (p == null)
            return Faults.Raise(s, op);
        Load(s, p, size);
        return Next(s, op);
    }

    private static Block* Fnsave(CpuState* s, Op* op)
    {
        if ((s->Cr0 & (Cr0Bits.Em | Cr0Bits.Ts)) != 0)
            return Faults.Raise(s, op, Vectors.Nm);
        int size = op->Aux, total = (7 * size) + 80;
        byte* image = stackalloc byte[108];
        Image(s, image, size);
        for (int i = 0; i < 8; i++)
        {
            int r = Physical(s, i) * 2;
            *(ulong*)(image + (7 * size) + (i * 10)) = s->X87[r];
            *(ushort*)(image + (7 * size) + (i * 10) + 8) = (ushort)s->X87[r + 1];
        }

        if (!CopyOut(s, op, image, total))
            return Faults.Raise(s, op);
        ulong* registers = stackalloc ulong[16];
        for (int i = 0; i < 16; i++)
            registers[i] = s->X87[i];
        FxImage.ResetX87(s);
        // FNINIT leaves the registers' contents.
        for (int i = 0; i < 16; i++)
            s->X87[i] = registers[i];
        return Next(s, op);
    }

    private static Block* Frstor(CpuState* s, Op* op)
    {
        if (!ReadyToLoad(s, op))
            return null;
        int size = op->Aux, total = (7 * size) + 80;
        byte* image = stackalloc byte[108];
        ulong linear = AnyAddress.Read(s, op, total);
        for (int i = 0; i < total; i++)
        {
            byte* p = Tlb.Read(s, linear == Tlb.NoAddress ? linear : (linear + (ulong)i) & s->LinearMask, 1);
            if (p == null)
                return Faults.Raise(s, op);
            image[i] = *p;
        }

        Load(s, image, size);
        for (int i = 0; i < 8; i++)
        {
            int r = Physical(s, i) * 2;
            s->X87[r] = *(ulong*)(image + (7 * size) + (i * 10));
            s->X87[r + 1] = *(ushort*)(image + (7 * size) + (i * 10) + 8);
        }

        return Next(s, op);
    }

    private static bool ReadyToLoad(CpuState* s, Op* op)
    {
        if ((s->Cr0 & (Cr0Bits.Em | Cr0Bits.Ts)) == 0)
            return !Pending(s, op);
        Faults.Raise(s, op, Vectors.Nm);
        return false;
    }

    /// <summary>Bytes that may cross a page: all are probed before any is written.</summary>
    private static bool CopyOut(CpuState* s, Op* op, byte* image, int total)
    {
        ulong linear = AnyAddress.Write(s, op, total);
        for (int pass = 0; pass < 2; pass++)
        {
            for (int i = 0; i < total; i++)
            {
                byte* p = Tlb.Modify(s, linear == Tlb.NoAddress ? linear : (linear + (ulong)i) & s->LinearMask, 1);
                if (p == null)
                    return false;
                if (pass == 1)
                    *p = image[i];
            }
        }

        return true;
    }

    /// <summary>Control, status, tag, then pointers; selectors read as 0 (CPUID 7 EBX bit 13). In real and virtual-8086 mode: linear addresses.</summary>
    private static void Image(CpuState* s, byte* image, int size)
    {
        if (size == 2)
        {
            ushort* words = (ushort*)image;
            (words[0], words[1], words[2]) = (s->X87Control, s->X87Status, FullTags(s));
            (words[3], words[4]) = ((ushort)s->X87InstructionPointer, 0);
            (words[5], words[6]) = ((ushort)s->X87DataPointer, 0);
            return;
        }

        uint* doublewords = (uint*)image;
        (doublewords[0], doublewords[1], doublewords[2]) = (0xFFFF_0000u | s->X87Control, 0xFFFF_0000u | s->X87Status, 0xFFFF_0000u | FullTags(s));
        (doublewords[3], doublewords[4]) = ((uint)s->X87InstructionPointer, (uint)s->X87Opcode << 16);
        (doublewords[5], doublewords[6]) = ((uint)s->X87DataPointer, 0xFFFF_0000);
    }

    private static void Load(CpuState* s, byte* image, int size)
    {
        s->X87Control = (ushort)(*(ushort*)image & 0x1F7F | 0x40);
        s->X87Status = *(ushort*)(image + size);
        ushort tags = *(ushort*)(image + (2 * size));
        s->X87Tags = 0;
        for (int r = 0; r < 8; r++)
        {
            if (((tags >> (2 * r)) & 3) != 3)
                s->X87Tags |= (ushort)(1 << r);
        }

        s->X87InstructionPointer = size == 2 ? *(ushort*)(image + 6) : *(uint*)(image + 12);
        s->X87Opcode = size == 2 ? (ushort)0 : (ushort)((*(uint*)(image + 16) >> 16) & 0x7FF);
        s->X87DataPointer = size == 2 ? *(ushort*)(image + 10) : *(uint*)(image + 20);
        Summarise(s);
    }

    /// <summary>Two bits for each physical register: valid, zero, special, empty. SDM vol. 1, 8.1.7.</summary>
    private static ushort FullTags(CpuState* s)
    {
        int tags = 0;
        for (int r = 0; r < 8; r++)
        {
            int tag = 3;
            if ((s->X87Tags & (1 << r)) != 0)
            {
                FloatValue v = FloatValue.UnpackExtended((ushort)s->X87[(r * 2) + 1], s->X87[r * 2]);
                tag = v.Class switch { FloatClass.Zero => 1, FloatClass.Finite when !v.Denormal => 0, _ => 2 };
            }

            tags |= tag << (2 * r);
        }

        return (ushort)tags;
    }
}
