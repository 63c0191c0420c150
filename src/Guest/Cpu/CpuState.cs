using System.Runtime.InteropServices;

namespace XenSim.Guest.Cpu;

/// <summary>A segment register with its hidden part and the limits that data accesses compare with.</summary>
internal struct SegmentState
{
    public ulong Base;
    public uint Limit;
    public ushort Selector;

    /// <summary>As <see cref="SegmentRegister.Access"/>.</summary>
    public ushort Access;

    /// <summary>Highest byte offset that a read may touch; -1: reads take the slow way (null, expand-down, execute-only).</summary>
    public long ReadMax;

    /// <summary>Highest byte offset that a write may touch; -1: writes take the slow way.</summary>
    public long WriteMax;
}

/// <summary>Why a handler returned to the run loop without a next block.</summary>
internal enum StopKind : byte
{
    /// <summary>RIP is right; the block there has to be looked up.</summary>
    None,

    /// <summary>An exception is pending in Fault*; RIP addresses the instruction.</summary>
    Fault,

    /// <summary><see cref="CpuState.Exit"/> is filled in.</summary>
    Exit,
}

/// <summary>When a single-step trap is decided. SDM vol. 3B, 17.3.1.4.</summary>
internal enum StepRule : byte
{
    /// <summary>By RFLAGS.TF as the instruction began.</summary>
    AtStart,

    /// <summary>Never: INT n, INT3, INTO clear TF on the way.</summary>
    Never,

    /// <summary>By RFLAGS.TF as the instruction left it: SYSCALL and SYSRET.</summary>
    AtEnd,
}

/// <summary>
/// Everything of one logical processor that instructions touch, in native memory: handlers get its address. The part before
/// <see cref="Tlb"/> is architectural and is what a snapshot keeps; the rest is caches.
/// </summary>
// SAFETY: plain data in native memory; its owner (VirtualCpu, BlockCache) allocates, aligns and frees it.
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CpuState
{
    public const int ZeroOffset = 16 * 8;
    public const int RipOffset = 17 * 8;

    /// <summary>In encoding order; byte registers are byte offsets into this.</summary>
    public fixed ulong Gpr[16];

    /// <summary>Always 0: stands for an absent base or index register.</summary>
    public ulong Zero;

    /// <summary>RIP of the first instruction of the block being executed; exact between blocks.</summary>
    public ulong Rip;

    // Lazy arithmetic flags: see Flags.
    public ulong Result;
    public ulong X;
    public ulong Y;
    public uint FlagKind;
    public byte Cpl;
    public CodeSize CodeSize;
    public StopKind Stop;
    public byte FaultHasError;

    /// <summary>RFLAGS without the six arithmetic flags.</summary>
    public ulong Flags;

    /// <summary>Instructions that may still be started before the run loop is asked again. A block subtracts its length at its head.</summary>
    public long Remaining;

    /// <summary>Retired count when <see cref="Remaining"/> reaches zero.</summary>
    public long RetireLimit;

    public fixed ulong Xmm[32];
    public fixed ulong X87[16];
    public uint Mxcsr;
    public ushort X87Control;
    public ushort X87Status;

    /// <summary>Abridged tag word: bit n set = physical register n in use (FXSAVE form).</summary>
    public ushort X87Tags;
    public ushort X87Opcode;
    public ulong X87InstructionPointer;
    public ulong X87DataPointer;

    /// <summary>Bits 255:128 of YMM0-15.</summary>
    public fixed ulong YmmHigh[32];
    public ulong Xcr0;

    /// <summary>Rights of user-page protection keys. SDM vol. 3A, 4.6.2.</summary>
    public uint Pkru;

    public SegmentState Es;
    public SegmentState Cs;
    public SegmentState Ss;
    public SegmentState Ds;
    public SegmentState Fs;
    public SegmentState Gs;
    public SegmentState Ldtr;
    public SegmentState Tr;

    /// <summary>Mask of the stack pointer: 16, 32 or 64 bits by SS.B and mode.</summary>
    public ulong StackMask;

    /// <summary>Mask of a linear address: 32 bits outside 64-bit mode.</summary>
    public ulong LinearMask;

    public ulong Cr0;
    public ulong Cr2;
    public ulong Cr3;
    public ulong Cr4;
    public ulong Efer;
    public ulong GdtBase;
    public ulong IdtBase;
    public ushort GdtLimit;
    public ushort IdtLimit;

    public ulong Star;
    public ulong LStar;
    public ulong CStar;
    public ulong SyscallMask;
    public ulong KernelGsBase;
    public ulong SysenterCs;
    public ulong SysenterEsp;
    public ulong SysenterEip;
    public ulong TscAux;
    public fixed ulong Debug[8];

    /// <summary>The page-directory-pointer entries that PAE paging latched at the last load of CR3. SDM vol. 3A, 4.4.1.</summary>
    public fixed ulong Pdpte[4];

    /// <summary>Task priority, as MOV CR8 sees it.</summary>
    public ulong Cr8;

    /// <summary>Address bits that a paging-structure entry may have: MAXPHYADDR ones.</summary>
    public ulong PhysicalMask;

    /// <summary>DR6 bits of a trap that the next instruction boundary reports.</summary>
    public uint PendingDebug;

    /// <summary>DR6 bits of an I/O breakpoint that the port access last left with.</summary>
    public uint PortDebug;

    /// <summary>Not 0: instructions are executed one by one, because of breakpoints or a pending trap; or a watched access waits to be reported.</summary>
    public uint Debugged;

    /// <summary>Bit n: DRn is armed for execution, for data, for ports.</summary>
    public byte ExecutionBreakpoints;
    public byte DataBreakpoints;
    public byte PortBreakpoints;

    /// <summary>Not 0: every data access takes the slow way: alignment is checked (bit 7), the debugger watches memory (bit 6), or data breakpoints are armed.</summary>
    public byte CheckedAccess;

    /// <summary><see cref="Breakpoints.Watched"/> while the debugger watches memory.</summary>
    public byte Watched;

    /// <summary>A watched access was made by the instruction being executed, or the last one.</summary>
    public byte WatchHit;

    /// <summary>When the instruction being stepped looks at RFLAGS.TF.</summary>
    public StepRule StepRule;

    /// <summary>An instruction is being stepped: a rep string does one iteration.</summary>
    public byte Stepping;

    /// <summary>A rep string was left with iterations to do.</summary>
    public byte MidString;

    /// <summary>NMIs are blocked until IRET. SDM vol. 3A, 6.7.1.</summary>
    public byte NmiBlocked;

    /// <summary>The shadow at <see cref="ShadowAt"/> is that of MOV SS or POP SS, which holds back debug traps too.</summary>
    public byte ShadowBySs;

    /// <summary>The interrupt shadow covers the instruction that is next when this many have retired; -1: none.</summary>
    public long ShadowAt;

    /// <summary>State of the deterministic RDRAND sequence.</summary>
    public ulong RandomState;

    // Pending fault.
    public int FaultVector;
    public uint FaultError;
    public ulong FaultAddress;
    public ulong NextRip;

    /// <summary>Bytes of the access that is being translated.</summary>
    public int AccessSize;

    /// <summary>A far call to this selector leaves; 0: none (see VirtualCpu.InterceptedFarCallSelector).</summary>
    public ushort FarCallSelector;
    public ulong Intercepts;

    // ---- caches from here on ----
    public TlbEntry* Tlb;
    public TlbEntry* TlbSets;

    /// <summary>Bit n: set n of <see cref="TlbSets"/> has entries.</summary>
    public uint TlbUsed;

    /// <summary>Bit n: a 4 KiB entry of a large page is cached whose address has n in bits 27:22, so INVLPG there must flush everything.</summary>
    public ulong TlbLarge;

    /// <summary>What a block's <see cref="Block.VerifiedKey"/> must be for a link to it to hold: epoch, mode, CPL.</summary>
    public ulong CodeKey;
    public ulong Epoch;

    /// <summary>Base and limit of CS for which code outside 64-bit mode was verified in this epoch.</summary>
    public ulong VerifiedBase;
    public uint VerifiedLimit;

    /// <summary>Pages, by bits 21:12 of their address, that code was verified in during this epoch.</summary>
    public fixed ulong VerifiedPages[VerifiedPageWords];
    public const int VerifiedPageWords = 16;

    /// <summary>Retired instructions when the last exception went to the guest's handler, and how many did since.</summary>
    public long FaultedAt;
    public int FaultsInARow;

    public Block* Current;
    public Block** JumpCache;
    public Op* Scratch;

    /// <summary>A page-crossing read-modify-write works here; <see cref="SplitFirst"/> bytes belong to A, the rest to B.</summary>
    public fixed byte SplitBuffer[64];
    public byte* SplitA;
    public byte* SplitB;
    public int SplitFirst;
    public int SplitSize;

    public nint Owner;
    public CpuExit Exit;
}

/// <summary>Default operand and address size of code.</summary>
internal enum CodeSize : byte
{
    Code16,
    Code32,
    Code64,
}

/// <summary>A predecoded instruction. 32 bytes, so two share a cache line; the next one follows in memory.</summary>
// SAFETY: as above.
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Op
{
    public delegate*<CpuState*, Op*, Block*> Handler;

    /// <summary>Bytes from the first instruction of the block.</summary>
    public ushort Offset;
    public byte Length;

    /// <summary>Instructions of the block before this one.</summary>
    public byte Index;

    /// <summary>Byte offset of a register in <see cref="CpuState"/> (XMM: register number).</summary>
    public byte Dst;
    public byte Src;
    public byte Base;
    public byte IndexReg;

    /// <summary>Displacement; of a branch: target relative to the first instruction of the block.</summary>
    public int Disp;
    public byte Scale;
    public byte Segment;
    public AddressForm Form;

    /// <summary>Meaning is the handler's own.</summary>
    public byte Aux;

    /// <summary>Immediate (sign-extended), 64-bit displacement, or the <see cref="Block"/> linked to.</summary>
    public ulong Imm;
}

/// <summary>How an operand's effective and linear address come about.</summary>
internal enum AddressForm : byte
{
    /// <summary>64-bit address, segment base 0.</summary>
    Flat64,

    /// <summary>32-bit address in a segment with limit checks.</summary>
    Segment32,

    /// <summary>64-bit address in FS or GS.</summary>
    Based64,

    /// <summary>32-bit address in 64-bit mode.</summary>
    Short64,

    /// <summary>16-bit address in a segment.</summary>
    Segment16,

    /// <summary>64-bit displacement only (moffs), in Imm.</summary>
    Absolute64,
}

/// <summary>A run of instructions decoded from one physical page (or one instruction that crosses into a second), followed by its ops.</summary>
// SAFETY: as above.
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Block
{
    /// <summary>RIP and key for which the mapping to this block was last checked. A link to the block holds while both match.</summary>
    public ulong VerifiedRip;
    public ulong VerifiedKey;

    /// <summary>Always <see cref="BlockCache.BlockHeader"/> bytes after the block.</summary>
    public Op* Ops;
    public int Count;
    public ushort PageOffset;
    public ushort Bytes;
    public long Frame;

    /// <summary>-1, or the frame of the second page.</summary>
    public long SecondFrame;
    public Block* NextInBucket;
    public Block* NextCrosser;

    /// <summary>The handlers that set every flag, for a copy that may be left between any two instructions; null: the ops have them.</summary>
    public nint* Plain;
    public int OpCount;
    public CodeSize CodeSize;
    public byte Dead;

    /// <summary>Not 0: it may begin at a breakpoint of the debugger, so no link to it holds.</summary>
    public byte Guarded;
}

/// <summary>Blocks of one frame.</summary>
// SAFETY: as above.
internal unsafe struct FrameCode
{
    public const int Buckets = 64;
    public fixed ulong Heads[Buckets];

    /// <summary>Blocks of the page before, whose only instruction ends in this one.</summary>
    public Block* Crossers;
}

/// <summary>One translation. A tag is a page address, or 1 (invalid): the access is then checked the slow way.</summary>
internal struct TlbEntry
{
    public ulong ReadTag;
    public ulong WriteTag;
    public ulong ExecTag;

    /// <summary>Host address of the page minus its linear address.</summary>
    public ulong Addend;
}
