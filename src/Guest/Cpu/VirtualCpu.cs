using XenSim.Guest.Memory;

namespace XenSim.Guest.Cpu;

/// <summary>One x86 logical processor: architectural state, and <see cref="Run"/>, which executes guest code until it must leave.</summary>
public sealed class VirtualCpu : IDisposable
{
    public VirtualCpu(PhysicalMemory memory, ICpuPolicy policy, Intercepts intercepts, IFrameMap? frames = null)
        => throw new NotImplementedException();

    public Intercepts Intercepts { get; set; }

    /// <summary>Instructions retired since creation. Virtual time is this count times a fixed rate.</summary>
    public long RetiredInstructions => throw new NotImplementedException();

    public ulong Rip { get => throw new NotImplementedException(); set => throw new NotImplementedException(); }

    /// <summary>RFLAGS, materialised.</summary>
    public ulong Rflags { get => throw new NotImplementedException(); set => throw new NotImplementedException(); }

    public ulong Cr0 { get; set; }

    public ulong Cr2 { get; set; }

    /// <summary>Setting it flushes non-global TLB entries.</summary>
    public ulong Cr3 { get; set; }

    public ulong Cr4 { get; set; }

    public ulong Efer { get; set; }

    public DescriptorTableRegister Gdtr { get; set; }

    public DescriptorTableRegister Idtr { get; set; }

    /// <summary>Current privilege level, 0..3.</summary>
    public int Cpl { get; set; }

    public ulong this[Gpr register] { get => throw new NotImplementedException(); set => throw new NotImplementedException(); }

    public SegmentRegister GetSegment(SegmentName name) => throw new NotImplementedException();

    /// <summary>Sets a segment register with its hidden part, unchecked (what VMRUN or a hypervisor's state load does).</summary>
    public void SetSegment(SegmentName name, SegmentRegister value) => throw new NotImplementedException();

    /// <summary>Loads a selector from the GDT/LDT as MOV Sreg does, with all checks; false means #GP/#NP/#SS with that error code.</summary>
    public bool TryLoadSegment(SegmentName name, ushort selector, out byte vector, out uint errorCode) => throw new NotImplementedException();

    /// <summary>DR0-DR3, DR6, DR7.</summary>
    public ulong GetDebugRegister(int number) => throw new NotImplementedException();

    public void SetDebugRegister(int number, ulong value) => throw new NotImplementedException();

    /// <summary>The 512-byte FXSAVE image of x87, MMX and SSE state.</summary>
    public void SaveFx(Span<byte> image) => throw new NotImplementedException();

    public void LoadFx(ReadOnlySpan<byte> image) => throw new NotImplementedException();

    /// <summary>Executes at most <paramref name="instructionBudget"/> instructions.</summary>
    public CpuExit Run(long instructionBudget) => throw new NotImplementedException();

    /// <summary>After <see cref="ExitReason.Unimplemented"/>: the instruction's name and bytes, e.g. <c>vpaddd ymm0, ymm1, ymm2 (c5 f5 fe c2)</c>.</summary>
    public string UnimplementedText => throw new NotImplementedException();

    /// <summary>Delivers an event through the guest's own IDT (event injection of VMX and SVM). False: triple fault.</summary>
    public bool Inject(byte vector, bool hasErrorCode = false, uint errorCode = 0) => throw new NotImplementedException();

    public void FlushTlb() => throw new NotImplementedException();

    public void FlushTlb(LinearAddress address) => throw new NotImplementedException();

    /// <summary>Walks the page tables as an access from privilege level <paramref name="cpl"/> would, without side effects.</summary>
    /// <param name="errorCode">When false: the #PF error code.</param>
    public bool TryTranslate(LinearAddress address, AccessKind access, int cpl, out PhysicalAddress physical, out uint errorCode)
        => throw new NotImplementedException();

    /// <summary>Reads guest memory as code at privilege level <paramref name="cpl"/> would; sets accessed bits.</summary>
    public bool TryRead(LinearAddress address, Span<byte> destination, int cpl, out LinearAddress fault, out uint errorCode)
        => throw new NotImplementedException();

    /// <summary>Writes guest memory as code at privilege level <paramref name="cpl"/> would; a fault leaves a prefix written.</summary>
    public bool TryWrite(LinearAddress address, ReadOnlySpan<byte> source, int cpl, out LinearAddress fault, out uint errorCode)
        => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
