namespace XenSim.Guest.Cpu;

/// <summary>DR0-DR3 and DR7, and what DR6 reports. SDM vol. 3B, 17.2.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class Breakpoints
{
    /// <summary>DR6: any of the four breakpoints; debug register access; single step.</summary>
    public const uint Any = 0xF, AccessDetected = 1u << 13, SingleStep = 1u << 14;

    /// <summary>DR7.GD.</summary>
    public const ulong GeneralDetect = 1ul << 13;

    private const uint Execute = 0, Write = 1, Port = 2;

    /// <summary>In <see cref="CpuState.CheckedAccess"/>.</summary>
    public const byte Alignment = 0x80;

    /// <summary>In <see cref="CpuState.CheckedAccess"/>: the debugger watches memory.</summary>
    public const byte Watched = 0x40;

    /// <summary>In <see cref="CpuState.Debugged"/>: a watched access waits to be reported.</summary>
    private const uint WatchHit = 1u << 31;

    /// <summary>To be called when DR0-DR3, DR7 or CR4.DE changed.</summary>
    public static void Update(CpuState* s)
    {
        byte execution = 0, data = 0, ports = 0;
        for (int n = 0; n < 4; n++)
        {
            if (((s->Debug[7] >> (2 * n)) & 3) == 0)
                continue;
            byte bit = (byte)(1 << n);
            switch (Kind(s, n))
            {
                case Execute:
                    execution |= bit;
                    break;
                case Port:
                    // Without CR4.DE the encoding is undefined: it never matches.
                    ports |= (s->Cr4 & Cr4Bits.De) != 0 ? bit : (byte)0;
                    break;
                default:
                    data |= bit;
                    break;
            }
        }

        bool dataChanges = data != 0 || s->DataBreakpoints != 0;
        s->ExecutionBreakpoints = execution;
        s->DataBreakpoints = data;
        s->PortBreakpoints = ports;
        s->CheckedAccess = (byte)((s->CheckedAccess & (Alignment | Watched)) | data);
        Arm(s);
        if (dataChanges)
            Tlb.Flush(s);
    }

    /// <summary>Derives <see cref="CpuState.Debugged"/>.</summary>
    public static void Arm(CpuState* s) =>
        s->Debugged = s->PendingDebug | s->ExecutionBreakpoints | s->DataBreakpoints | s->PortBreakpoints | (s->WatchHit != 0 ? WatchHit : 0);

    /// <summary>DR6 bits of the execution breakpoints at a linear address.</summary>
    public static uint AtInstruction(CpuState* s, ulong linear)
    {
        uint hit = 0;
        for (int n = 0; n < 4; n++)
        {
            if ((s->ExecutionBreakpoints & (1 << n)) != 0 && s->Debug[n] == linear)
                hit |= 1u << n;
        }

        return hit;
    }

    /// <summary>Records the data breakpoints that an access touches; they are reported after the instruction.</summary>
    public static void Touch(CpuState* s, ulong linear, int size, bool write)
    {
        for (int n = 0; n < 4; n++)
        {
            if ((s->DataBreakpoints & (1 << n)) == 0 || (Kind(s, n) == Write && !write))
                continue;
            ulong length = Length(s, n), from = s->Debug[n] & ~(length - 1);
            if (linear < from + length && from < linear + (ulong)size)
                s->PendingDebug |= 1u << n;
        }
    }

    /// <summary>DR6 bits of the I/O breakpoints that a port access touches.</summary>
    public static uint AtPort(CpuState* s, uint port, int size)
    {
        uint hit = 0;
        for (int n = 0; n < 4; n++)
        {
            ulong length = Length(s, n), from = s->Debug[n] & ~(length - 1);
            if ((s->PortBreakpoints & (1 << n)) != 0 && port < from + length && from < port + (ulong)size)
                hit |= 1u << n;
        }

        return hit;
    }

    /// <summary>A page whose accesses must not take the fast way.</summary>
    public static bool Guards(CpuState* s, ulong page, ulong frame)
    {
        if ((s->CheckedAccess & Alignment) != 0 || (s->Watched != 0 && VirtualCpu.Of(s).Memory.Traps.Guards(page, frame)))
            return true;
        for (int n = 0; n < 4; n++)
        {
            if ((s->DataBreakpoints & (1 << n)) != 0 && (s->Debug[n] & ~0xFFFul) == page)
                return true;
        }

        return false;
    }

    /// <summary>Sets DR6 for a #DB and clears DR7.GD, as its delivery does. SDM vol. 3B, 17.2.3 and 17.2.4.</summary>
    public static void Report(CpuState* s, uint bits)
    {
        if ((bits & Any) != 0)
            s->Debug[6] &= ~(ulong)Any;
        s->Debug[6] |= bits;
        s->Debug[7] &= ~GeneralDetect;
    }

    private static uint Kind(CpuState* s, int n) => (uint)(s->Debug[7] >> (16 + (4 * n))) & 3;

    private static ulong Length(CpuState* s, int n) => ((s->Debug[7] >> (18 + (4 * n))) & 3) switch { 0 => 1, 1 => 2, 2 => 8, _ => 4 };
}
