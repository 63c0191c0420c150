using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using XenSim.Guest.Memory;

namespace XenSim.Guest.Cpu;

/// <summary>One x86 logical processor: architectural state, and <see cref="Run"/>, which executes guest code until it must leave.</summary>
// SAFETY: _s and what it points to live from the constructor to Dispose; nobody else frees them.
public sealed unsafe partial class VirtualCpu : IDisposable
{
    private GCHandle _self;
    private CpuState* _s;
    private string _unimplemented = "";
    private (ulong Linear, long Retired) _passed = (0, -1);

    /// <summary>A vCPU in the reset state of 16-bit real mode. SDM vol. 3A, table 9-1.</summary>
    public VirtualCpu(PhysicalMemory memory, ICpuPolicy policy, Intercepts intercepts, IFrameMap? frames = null)
    {
        Memory = memory;
        Policy = policy;
        FrameMap = frames;
        Allocate();
        _s->Intercepts = (ulong)intercepts;
        ResetState();
        memory.Traps.Arm(_s);
    }

    public Intercepts Intercepts { get => (Intercepts)_s->Intercepts; set => _s->Intercepts = (ulong)value; }

    /// <summary>A far call to this selector leaves with <see cref="ExitReason.FarCallThroughGate"/> (a ring-0 guest's way into the hypervisor); 0: none.</summary>
    public ushort InterceptedFarCallSelector { get => _s->FarCallSelector; set => _s->FarCallSelector = value; }

    /// <summary>Instructions retired since creation. Virtual time is this count times a fixed rate. A string instruction with a rep prefix counts once per 4096 iterations begun.</summary>
    public long RetiredInstructions => _s->RetireLimit - _s->Remaining;

    /// <summary>Instruction pointer. Setting it drops RF, which was for the instruction that faulted.</summary>
    public ulong Rip
    {
        get => _s->Rip;
        set
        {
            _s->Rip = value;
            _s->Flags &= ~(ulong)RflagsBits.Rf;
        }
    }

    /// <summary>Linear address of the next instruction. Unit: bytes.</summary>
    public ulong LinearRip => _s->CodeSize == CodeSize.Code64 ? _s->Rip : (uint)(_s->Rip + _s->Cs.Base);

    /// <summary>Size of the code that is running: 16, 32 or 64. Unit: bits.</summary>
    public int CodeBits => 16 << (int)_s->CodeSize;

    /// <summary>RFLAGS, materialised.</summary>
    public ulong Rflags
    {
        get => _s->Flags | Flags.Get(_s);
        set
        {
            Flags.Set(_s, (uint)value);
            _s->Flags = (value & ~(ulong)RflagsBits.Arithmetic) | RflagsBits.Fixed;
            CpuMode.Update(_s);
        }
    }

    /// <summary>The instruction at RIP is covered by the shadow of STI or MOV SS: no interrupt may be delivered before it.</summary>
    public bool InterruptShadow { get => _s->ShadowAt == RetiredInstructions; set => (_s->ShadowAt, _s->ShadowBySs) = (value ? RetiredInstructions : -1, 0); }

    public ulong Cr0 { get => _s->Cr0; set => SystemRegisters.SetCr0(_s, value); }

    public ulong Cr2 { get => _s->Cr2; set => _s->Cr2 = value; }

    /// <summary>Setting it flushes the TLB.</summary>
    public ulong Cr3 { get => _s->Cr3; set => SystemRegisters.SetCr3(_s, value); }

    public ulong Cr4 { get => _s->Cr4; set => SystemRegisters.SetCr4(_s, value); }

    /// <summary>Task priority register.</summary>
    public ulong Cr8 { get => _s->Cr8; set => _s->Cr8 = value; }

    /// <summary>MAXPHYADDR: address bits of paging-structure entries from here to bit 51 are reserved. Unit: bits, 32 to 52.</summary>
    public int PhysicalAddressBits
    {
        get => System.Numerics.BitOperations.PopCount(_s->PhysicalMask);
        set
        {
            _s->PhysicalMask = (1ul << value) - 1;
            Tlb.Flush(_s);
        }
    }

    /// <summary>NMIs are held back until the next IRET; set by injecting vector 2.</summary>
    public bool NmiBlocked { get => _s->NmiBlocked != 0; set => _s->NmiBlocked = value ? (byte)1 : (byte)0; }

    /// <summary>Set unchecked; LMA is whatever the caller gives (a hypervisor's state load sets it along with LME).</summary>
    public ulong Efer { get => _s->Efer; set => SystemRegisters.SetEfer(_s, value); }

    /// <summary>IA32_STAR.</summary>
    public ulong Star { get => _s->Star; set => _s->Star = value; }

    /// <summary>IA32_LSTAR.</summary>
    public ulong LStar { get => _s->LStar; set => _s->LStar = value; }

    /// <summary>IA32_CSTAR.</summary>
    public ulong CStar { get => _s->CStar; set => _s->CStar = value; }

    /// <summary>IA32_FMASK.</summary>
    public ulong SyscallMask { get => _s->SyscallMask; set => _s->SyscallMask = value; }

    /// <summary>IA32_KERNEL_GS_BASE.</summary>
    public ulong KernelGsBase { get => _s->KernelGsBase; set => _s->KernelGsBase = value; }

    public ulong SysenterCs { get => _s->SysenterCs; set => _s->SysenterCs = value; }

    public ulong SysenterEsp { get => _s->SysenterEsp; set => _s->SysenterEsp = value; }

    public ulong SysenterEip { get => _s->SysenterEip; set => _s->SysenterEip = value; }

    /// <summary>IA32_TSC_AUX.</summary>
    public ulong TscAux { get => _s->TscAux; set => _s->TscAux = value; }

    public DescriptorTableRegister Gdtr
    {
        get => new(_s->GdtBase, _s->GdtLimit);
        set => (_s->GdtBase, _s->GdtLimit) = (value.Base, value.Limit);
    }

    public DescriptorTableRegister Idtr
    {
        get => new(_s->IdtBase, _s->IdtLimit);
        set => (_s->IdtBase, _s->IdtLimit) = (value.Base, value.Limit);
    }

    /// <summary>Current privilege level, 0..3.</summary>
    public int Cpl
    {
        get => _s->Cpl;
        set
        {
            _s->Cpl = (byte)value;
            CpuMode.Update(_s);
        }
    }

    /// <summary>After <see cref="ExitReason.Unimplemented"/> or an <see cref="PrivilegedOperation.Other"/>: the instruction's name and bytes, e.g. <c>vpaddd ymm0,ymm1,ymm2 (c5 f5 fe c2)</c>.</summary>
    public string UnimplementedText => _unimplemented;

    internal PhysicalMemory Memory { get; }

    internal ICpuPolicy Policy { get; }

    internal IFrameMap? FrameMap { get; }

    /// <summary>Machine frame that stands in for every physical address without memory while one instruction that touches one runs; -1: none.</summary>
    public long StandInForHoles { get; set; } = -1;

    public ulong this[Gpr register] { get => _s->Gpr[(int)register]; set => _s->Gpr[(int)register] = value; }

    public SegmentRegister GetSegment(SegmentName name)
    {
        SegmentState* g = Operand.Segment(_s, (int)name);
        return new SegmentRegister(g->Selector, g->Base, g->Limit, g->Access);
    }

    /// <summary>Sets a segment register with its hidden part, unchecked (what VMRUN or a hypervisor's state load does). CPL is set separately.</summary>
    public void SetSegment(SegmentName name, SegmentRegister value)
    {
        Segments.SetHidden(_s, Operand.Segment(_s, (int)name), value.Selector, value.Base, value.Limit, value.Access);
        if (name is SegmentName.Cs or SegmentName.Ss)
        {
            CpuMode.NewCodeSegment(_s);
        }
    }

    /// <summary>Loads a selector from the GDT/LDT as MOV Sreg does, with all checks; false means #GP/#NP/#SS (or #PF) with that error code.</summary>
    public bool TryLoadSegment(SegmentName name, ushort selector, out byte vector, out uint errorCode)
    {
        bool loaded = name switch
        {
            SegmentName.Ldtr => Segments.LoadLdt(_s, selector),
            SegmentName.Tr => Segments.LoadTask(_s, selector),
            _ => Segments.Load(_s, name, selector),
        };
        vector = loaded ? (byte)0 : (byte)Math.Min(_s->FaultVector, 255);
        errorCode = loaded ? 0 : _s->FaultError;
        return loaded;
    }

    /// <summary>DR0-DR3, DR6, DR7.</summary>
    public ulong GetDebugRegister(int number) => _s->Debug[number];

    public void SetDebugRegister(int number, ulong value)
    {
        _s->Debug[number] = value;
        Breakpoints.Update(_s);
    }

    /// <summary>Drops every translation, the latched PAE directory pointers included: what loading CR3 with its own value does.</summary>
    public void FlushTlb() => SystemRegisters.SetCr3(_s, _s->Cr3);

    public void FlushTlb(LinearAddress address) => Tlb.Flush(_s, address.Value);

    /// <summary>Walks the page tables as an access from privilege level <paramref name="cpl"/> would, without side effects.</summary>
    /// <param name="errorCode">When false: the #PF error code.</param>
    public bool TryTranslate(LinearAddress address, AccessKind access, int cpl, out PhysicalAddress physical, out uint errorCode)
    {
        physical = default;
        errorCode = 0;
        if (!PageWalk.Walk(this, _s, address.Value, access, cpl, false, out Translation t))
        {
            errorCode = _s->FaultError;
            return false;
        }

        physical = new PhysicalAddress((t.Frame << 12) | (address.Value & 0xFFF));
        return true;
    }

    /// <summary>Reads guest memory as code at privilege level <paramref name="cpl"/> would; sets accessed bits.</summary>
    public bool TryRead(LinearAddress address, Span<byte> destination, int cpl, out LinearAddress fault, out uint errorCode)
    {
        fault = default;
        errorCode = 0;
        ulong a = address.Value;
        while (destination.Length > 0)
        {
            if (!PageWalk.Walk(this, _s, a, AccessKind.Read, cpl, true, out Translation t))
                return Failed(a, out fault, out errorCode);
            int offset = (int)(a & 0xFFF);
            int n = Math.Min(destination.Length, 4096 - offset);
            Memory.Readable(t.Frame).Slice(offset, n).CopyTo(destination);
            destination = destination[n..];
            a += (ulong)n;
        }

        return true;
    }

    /// <summary>Writes guest memory as code at privilege level <paramref name="cpl"/> would; a fault leaves a prefix written.</summary>
    public bool TryWrite(LinearAddress address, ReadOnlySpan<byte> source, int cpl, out LinearAddress fault, out uint errorCode)
    {
        fault = default;
        errorCode = 0;
        ulong a = address.Value;
        while (source.Length > 0)
        {
            if (!PageWalk.Walk(this, _s, a, AccessKind.Write, cpl, true, out Translation t))
                return Failed(a, out fault, out errorCode);
            int offset = (int)(a & 0xFFF);
            int n = Math.Min(source.Length, 4096 - offset);
            source[..n].CopyTo(Memory.Writable(t.Frame)[offset..]);
            source = source[n..];
            a += (ulong)n;
        }

        return true;
    }

    /// <summary>Counts the instruction behind an exit as retired and goes on after it: what a hypervisor does that has emulated it.</summary>
    /// <param name="nextRip">Usually <see cref="CpuExit.NextRip"/>.</param>
    public void CompleteInstruction(ulong nextRip)
    {
        _s->Rip = nextRip;
        _s->RetireLimit++;
        _s->PendingDebug |= _s->PortDebug | ((_s->Flags & RflagsBits.Tf) != 0 ? Breakpoints.SingleStep : 0);
        _s->PortDebug = 0;
        _s->Flags &= ~(ulong)RflagsBits.Rf;
        Breakpoints.Arm(_s);
    }

    /// <summary>The instruction at RIP is executed although a debugger's breakpoint may be there: the debugger has been here.</summary>
    public void PassBreakpoint() => _passed = (LinearRip, RetiredInstructions);

    internal bool Passes(ulong linear) => _passed == (linear, RetiredInstructions);

    /// <summary>The architectural state, for a snapshot.</summary>
    public CpuSnapshot Capture() => new(*_s);

    /// <summary>Sets the architectural state; every cached translation is dropped. A vCPU that was disposed after the snapshot lives again.</summary>
    public void Restore(CpuSnapshot snapshot)
    {
        if (_s == null)
            Allocate();
        _passed = (0, -1);
        CpuState old = *_s;
        *_s = snapshot.State;
        _s->TlbSets = old.TlbSets;
        _s->TlbUsed = old.TlbUsed;
        _s->JumpCache = old.JumpCache;
        _s->Scratch = old.Scratch;
        _s->Current = old.Current;
        _s->Owner = old.Owner;
        Tlb.Flush(_s);
        CpuMode.Update(_s);
        Memory.Traps.Arm(_s);
    }

    public void Dispose()
    {
        if (_s == null)
            return;
        Memory.Detach(_s);
        // SAFETY: allocated in the constructor, freed once.
        NativeMemory.AlignedFree(_s->TlbSets);
        NativeMemory.Free(_s->JumpCache);
        NativeMemory.AlignedFree(_s->Scratch);
        NativeMemory.AlignedFree(_s);
        _s = null;
        _self.Free();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static VirtualCpu Of(CpuState* s) => Unsafe.As<VirtualCpu>(GCHandle.FromIntPtr(s->Owner).Target!);

    private bool Failed(ulong address, out LinearAddress fault, out uint errorCode)
    {
        fault = new LinearAddress(address);
        errorCode = _s->FaultVector == Vectors.Pf ? _s->FaultError : 0;
        return false;
    }

    private void Allocate()
    {
        // SAFETY: every block is owned by this object until Dispose.
        _s = (CpuState*)NativeMemory.AlignedAlloc((nuint)sizeof(CpuState), 64);
        *_s = default;
        _s->TlbSets = (TlbEntry*)NativeMemory.AlignedAlloc(Tlb.Sets * Tlb.SetBytes, 64);
        NativeMemory.Fill(_s->TlbSets, Tlb.Sets * Tlb.SetBytes, 0x01);
        _s->JumpCache = (Block**)NativeMemory.Alloc((nuint)(BlockCache.JumpEntries * sizeof(Block*)));
        _s->Scratch = (Op*)NativeMemory.AlignedAlloc(BlockCache.ScratchBytes, 64);
        _self = GCHandle.Alloc(this, GCHandleType.Weak);
        _s->Owner = GCHandle.ToIntPtr(_self);
        Memory.Code.ClearJumpCache(_s);
        Memory.Attach(_s);
    }

    private void ResetState()
    {
        CpuState* s = _s;
        s->Rip = 0xFFF0;
        s->Gpr[(int)Gpr.Rdx] = 0x600;
        s->Flags = RflagsBits.Fixed;
        Flags.Set(s, 0);
        s->Cr0 = Cr0Bits.Et | Cr0Bits.Cd | Cr0Bits.Nw;
        s->ShadowAt = -1;
        s->PhysicalMask = (1ul << 52) - 1;
        s->Mxcsr = 0x1F80;
        s->X87Control = 0x40;
        s->Debug[6] = 0xFFFF0FF0;
        s->Debug[7] = 0x400;
        s->RandomState = Policy.RandomSeed;
        s->Xcr0 = CpuFeatures.X87;
        for (int i = 0; i < 6; i++)
            Segments.SetHidden(s, Operand.Segment(s, i), 0, 0, 0xFFFF, 0x93);
        Segments.SetHidden(s, &s->Cs, 0xF000, 0xFFFF_0000, 0xFFFF, 0x9B);
        Segments.SetHidden(s, &s->Ldtr, 0, 0, 0xFFFF, 0x82);
        Segments.SetHidden(s, &s->Tr, 0, 0, 0xFFFF, 0x8B);
        s->GdtLimit = s->IdtLimit = 0xFFFF;
        CpuMode.NewEpoch(s);
        CpuMode.Update(s);
    }
}

/// <summary>The architectural state of a <see cref="VirtualCpu"/> at one moment.</summary>
public sealed class CpuSnapshot
{
    private CpuState _state;

    internal CpuSnapshot(CpuState state) => _state = state;

    internal ref readonly CpuState State => ref _state;
}
