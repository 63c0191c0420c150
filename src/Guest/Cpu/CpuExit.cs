namespace XenSim.Guest.Cpu;

/// <summary>Why <see cref="VirtualCpu.Run"/> came back, in hardware words. What it means is the hypervisor's business.</summary>
public enum ExitReason
{
    /// <summary>The instruction budget is spent; RIP is the next instruction.</summary>
    BudgetSpent,

    /// <summary>An exception that is intercepted: vector, error code, fault address.</summary>
    Exception,

    /// <summary><c>int n</c> (also int3, into) that is intercepted: vector.</summary>
    SoftwareInterrupt,

    Syscall,
    Sysenter,
    FarCallThroughGate,
    Vmcall,
    Vmmcall,
    Halt,
    PortIn,
    PortOut,
    ReadMsr,
    WriteMsr,
    Cpuid,
    ReadTsc,

    /// <summary>CR or DR access, descriptor-table load, INVLPG … that is intercepted.</summary>
    PrivilegedInstruction,

    /// <summary>An instruction or data breakpoint of the debugger was reached; nothing of the instruction has happened.</summary>
    Breakpoint,

    /// <summary>A watched access happened; the instruction is complete.</summary>
    Watchpoint,

    TripleFault,

    /// <summary>An unmasked x87 error waits and CR0.NE is clear: the FERR# pin is raised, and what a platform does about it decides. RIP is the waiting instruction.</summary>
    FloatingPointError,

    /// <summary>Memory that does not exist, or a device register, was accessed: physical address, size (0: a fetch), direction (<see cref="AccessKind"/> in Vector).</summary>
    PhysicalAccess,

    /// <summary>An instruction that is ours to have and that we lack. <see cref="VirtualCpu.UnimplementedText"/> names it.</summary>
    Unimplemented,
}

/// <summary>The privileged or sensitive operation behind an exit, decoded, so that nobody decodes twice.</summary>
public enum PrivilegedOperation : byte
{
    None,
    Cli,
    Sti,
    Hlt,
    In,
    Out,
    Ins,
    Outs,
    MovFromCr,
    MovToCr,
    MovFromDr,
    MovToDr,
    Clts,
    Lmsw,
    Rdmsr,
    Wrmsr,
    Rdtsc,
    Rdtscp,
    Rdpmc,
    Cpuid,
    Invlpg,
    Invd,
    Wbinvd,
    Lgdt,
    Lidt,
    Lldt,
    Ltr,
    Swapgs,
    Iret,
    Sysret,
    Xsetbv,
    Monitor,
    Mwait,

    /// <summary>A far CALL whose selector names a gate that this privilege level may not use, or that is none; <see cref="CpuExit.Operand"/> is the selector.</summary>
    CallFar,

    /// <summary>The same of a far JMP.</summary>
    JmpFar,

    /// <summary>Anything else that needs privilege; named by <see cref="VirtualCpu.UnimplementedText"/>.</summary>
    Other,
}

/// <summary>
/// One exit. On every exit but <see cref="ExitReason.BudgetSpent"/> and <see cref="ExitReason.Watchpoint"/> RIP still
/// addresses the instruction and nothing of it has happened; <see cref="NextRip"/> is where it would continue.
/// </summary>
public readonly record struct CpuExit
{
    public required ExitReason Reason { get; init; }

    /// <summary>Vector of an exception or software interrupt.</summary>
    public byte Vector { get; init; }

    /// <summary>Error code as the CPU would push it; valid if <see cref="HasErrorCode"/>.</summary>
    public uint ErrorCode { get; init; }

    public bool HasErrorCode { get; init; }

    /// <summary>#PF: linear address (CR2); <see cref="ExitReason.PhysicalAccess"/>: physical address; far call: the offset.</summary>
    public ulong Address { get; init; }

    /// <summary>RIP after the instruction.</summary>
    public ulong NextRip { get; init; }

    /// <summary>The operation, also when the exit is the #GP or #UD that the CPU raises for it at this privilege level.</summary>
    public PrivilegedOperation Operation { get; init; }

    /// <summary>CR/DR number, or the general register of In/Out data is always the accumulator.</summary>
    public byte SystemRegister { get; init; }

    /// <summary>General register operand (0 = RAX … 15 = R15).</summary>
    public byte GeneralRegister { get; init; }

    /// <summary>Operand size in bytes (1, 2, 4, 8).</summary>
    public byte Size { get; init; }

    /// <summary>Port number, MSR index, selector of a far call, or linear address operand of Invlpg, Lgdt, Lidt.</summary>
    public ulong Operand { get; init; }

    /// <summary>A rep prefix is present (Ins, Outs).</summary>
    public bool Repeated { get; init; }

    /// <summary>Size of the address and of the counter (Ins, Outs). Unit: bytes (2, 4, 8).</summary>
    public byte AddressSize { get; init; }

    /// <summary>Segment of the memory operand: ES of Ins, DS or the override of Outs.</summary>
    public SegmentName Segment { get; init; }
}
