namespace XenSim.Guest.Cpu;

/// <summary>General registers in encoding order. SDM vol. 1, 3.4.1.</summary>
public enum Gpr : byte
{
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

/// <summary>Segment registers in encoding order, then the system segments. SDM vol. 3A, 3.4.2.</summary>
public enum SegmentName : byte
{
    Es,
    Cs,
    Ss,
    Ds,
    Fs,
    Gs,
    Ldtr,
    Tr,
}

/// <summary>A segment register with its hidden part.</summary>
/// <param name="Selector">Visible part.</param>
/// <param name="Base">Linear base. Unit: bytes.</param>
/// <param name="Limit">Last valid offset (already scaled by G). Unit: bytes.</param>
/// <param name="Access">Access rights as LAR gives them, shifted right by 8: bits 3:0 type, 4 S, 6:5 DPL, 7 P, 12 AVL, 13 L, 14 D/B, 15 G.</param>
public readonly record struct SegmentRegister(ushort Selector, ulong Base, uint Limit, ushort Access)
{
    public int Rpl => Selector & 3;

    public int Dpl => (Access >> 5) & 3;

    public bool Present => (Access & 0x80) != 0;

    public bool Long => (Access & 0x2000) != 0;

    public bool Default32 => (Access & 0x4000) != 0;
}

/// <summary>GDTR or IDTR.</summary>
public readonly record struct DescriptorTableRegister(ulong Base, ushort Limit);

/// <summary>Kind of a memory access, for translation.</summary>
public enum AccessKind : byte
{
    Read,
    Write,
    Execute,
}
