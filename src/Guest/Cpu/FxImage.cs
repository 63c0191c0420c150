namespace XenSim.Guest.Cpu;

/// <summary>The 512 bytes of FXSAVE, which are also the legacy region of XSAVE. SDM vol. 1, 10.5.1.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class FxImage
{
    public const int Size = 512;
    public const uint MxcsrReset = 0x1F80;
    private const int XmmOffset = 160;

    // SAFETY (all methods): p has Size bytes, as each caller allocates; register numbers are masked to 0-7.

    /// <param name="widePointers">REX.W: 64-bit instruction and data pointers; else 32 bits and selectors, which read as 0 (CPUID 7 EBX bit 13).</param>
    /// <param name="allXmm">XMM8-15 too (64-bit mode).</param>
    public static void Save(CpuState* s, byte* p, bool widePointers, bool allXmm)
    {
        SaveX87(s, p, widePointers);
        *(uint*)(p + 24) = s->Mxcsr;
        SaveXmm(s, p, allXmm);
    }

    public static void Load(CpuState* s, byte* p, bool widePointers, bool allXmm)
    {
        LoadX87(s, p, widePointers);
        s->Mxcsr = *(uint*)(p + 24);
        LoadXmm(s, p, allXmm);
    }

    public static void SaveX87(CpuState* s, byte* p, bool widePointers)
    {
        *(ushort*)p = s->X87Control;
        *(ushort*)(p + 2) = s->X87Status;
        *(ushort*)(p + 4) = (byte)s->X87Tags;
        *(ushort*)(p + 6) = s->X87Opcode;
        *(ulong*)(p + 8) = widePointers ? s->X87InstructionPointer : (uint)s->X87InstructionPointer;
        *(ulong*)(p + 16) = widePointers ? s->X87DataPointer : (uint)s->X87DataPointer;
        // ST(0) first: physical register TOP. Each takes 16 bytes of which 10 count.
        int top = (s->X87Status >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            int r = (top + i) & 7;
            *(ulong*)(p + 32 + (i * 16)) = s->X87[r * 2];
            *(ulong*)(p + 40 + (i * 16)) = (ushort)s->X87[(r * 2) + 1];
        }
    }

    public static void LoadX87(CpuState* s, byte* p, bool widePointers)
    {
        // Reserved control bits do not exist (bit 6 reads 1); ES and B follow from flags and masks.
        s->X87Control = (ushort)((*(ushort*)p & 0x1F3F) | 0x40);
        int status = *(ushort*)(p + 2) & 0x7F7F;
        s->X87Status = (ushort)((status & ~s->X87Control & 0x3F) != 0 ? status | 0x8080 : status);
        s->X87Tags = p[4];
        s->X87Opcode = (ushort)(*(ushort*)(p + 6) & 0x7FF);
        s->X87InstructionPointer = widePointers ? *(ulong*)(p + 8) : *(uint*)(p + 8);
        s->X87DataPointer = widePointers ? *(ulong*)(p + 16) : *(uint*)(p + 16);
        int top = (s->X87Status >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            int r = (top + i) & 7;
            s->X87[r * 2] = *(ulong*)(p + 32 + (i * 16));
            s->X87[(r * 2) + 1] = *(ushort*)(p + 40 + (i * 16));
        }
    }

    public static void SaveXmm(CpuState* s, byte* p, bool allXmm)
    {
        for (int i = 0; i < (allXmm ? 32 : 16); i++)
            *(ulong*)(p + XmmOffset + (i * 8)) = s->Xmm[i];
    }

    public static void LoadXmm(CpuState* s, byte* p, bool allXmm)
    {
        for (int i = 0; i < (allXmm ? 32 : 16); i++)
            s->Xmm[i] = *(ulong*)(p + XmmOffset + (i * 8));
    }

    /// <summary>The state after FNINIT, registers cleared: what XRSTOR sets a component to that the image does not have. SDM vol. 1, 13.6.</summary>
    public static void ResetX87(CpuState* s)
    {
        s->X87Control = 0x37F;
        s->X87Status = 0;
        s->X87Tags = 0;
        s->X87Opcode = 0;
        s->X87InstructionPointer = 0;
        s->X87DataPointer = 0;
        for (int i = 0; i < 16; i++)
            s->X87[i] = 0;
    }

    public static bool IsX87Reset(CpuState* s)
    {
        ulong any = (ulong)(uint)(s->X87Control ^ 0x37F) | s->X87Status | (byte)s->X87Tags | s->X87Opcode | s->X87InstructionPointer | s->X87DataPointer;
        for (int i = 0; i < 16; i++)
            any |= s->X87[i];
        return any == 0;
    }
}
