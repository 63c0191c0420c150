using XenSim.Guest.Cpu;
using XenSim.Guest.Tests.Support;

namespace XenSim.Guest.Tests.Silicon;

/// <summary>The engine with the two pages of the native program at the same addresses, and the segments that its user code has.</summary>
internal sealed class SimulatedCpu : IDisposable
{
    private const ulong CodeFrame = 0x800, DataFrame = 0x801;
    private const ulong OsXmmExcptAndOsXsave = 0x4_0400, ProtectionKeys = 0x40_0000, X87SseAvx = 7;

    /// <summary>What Linux starts a process with: Documentation/core-api/protection-keys.rst, only key 0 may be used.</summary>
    private const uint PkruOfAProcess = 0x5555_5554;
    private readonly Machine _machine;
    private readonly int _bits;

    /// <summary>With the host's CPUID: the instructions that exist there.</summary>
    public static SimulatedCpu LikeHost(int bits)
    {
        SimulatedCpu cpu = new(bits, new HostPolicy());
        cpu.EnableVectors();
        cpu._machine.Cpu.Cr4 |= HostPolicy.HasProtectionKeys ? ProtectionKeys : 0;
        return cpu;
    }

    /// <summary>With every feature.</summary>
    public SimulatedCpu(int bits = 64)
        : this(bits, new FixedPolicy())
    {
    }

    private SimulatedCpu(int bits, ICpuPolicy policy)
    {
        _machine = new Machine(policy: policy);
        _bits = bits;
        _machine.Map(NativeCpu.CodeAddress, CodeFrame);
        _machine.Map(NativeCpu.DataPage, DataFrame);
        // Selectors and segments as mode() of native.c has them.
        VirtualCpu cpu = _machine.Cpu;
        cpu.SetSegment(SegmentName.Cs, bits switch
        {
            64 => new SegmentRegister(0x33, 0, uint.MaxValue, 0xA0FB),
            32 => new SegmentRegister(0x23, 0, uint.MaxValue, 0xC0FB),
            _ => new SegmentRegister(0x07, NativeCpu.CodeAddress, 0xFFFF, 0x00FB),
        });
        SegmentRegister flat = new(0x2B, 0, uint.MaxValue, 0xC0F3), none = default, page = new(0x0F, NativeCpu.DataPage, 0xFFFF, 0x00F3);
        cpu.SetSegment(SegmentName.Ss, bits == 16 ? page : flat);
        foreach (SegmentName name in new[] { SegmentName.Ds, SegmentName.Es })
            cpu.SetSegment(name, bits switch { 64 => none, 32 => flat, _ => page });
        cpu.SetSegment(SegmentName.Fs, none);
        cpu.SetSegment(SegmentName.Gs, none);
    }

    /// <summary>As the kernel of a process does: CR4.OSXMMEXCPT and CR4.OSXSAVE.</summary>
    public void EnableVectors() => _machine.Cpu.Cr4 |= OsXmmExcptAndOsXsave;

    /// <summary>Whether the instruction is #UD.</summary>
    public bool Refuses(in SiliconRequest request) => TryRun(request, out SiliconReply reply) && reply.Trap == Vectors.Ud;

    public string? UnimplementedText => _machine.Cpu.UnimplementedText;

    /// <summary>One instruction. False: it left for another reason than its end or an exception.</summary>
    public bool TryRun(in SiliconRequest request, out SiliconReply reply)
    {
        Assert.Equal(_bits, request.Bits);
        VirtualCpu cpu = _machine.Cpu;
        for (int i = 0; i < 16; i++)
            cpu[(Gpr)i] = request.In.Gpr[i];
        cpu.Rip = NativeCpu.CodeOffset(_bits);
        cpu.Rflags = request.In.Rflags;
        cpu.Xcr0 = X87SseAvx;
        cpu.Pkru = PkruOfAProcess;
        cpu.LoadYmmHigh(request.In.Ymm);
        cpu.LoadFx(request.In.Fx);
        Span<byte> data = _machine.Memory.Writable(DataFrame);
        data.Clear();
        ((ReadOnlySpan<byte>)request.In.Data).CopyTo(data[NativeCpu.Window..]);
        Span<byte> code = _machine.Memory.Writable(CodeFrame);
        code.Fill(0xCC);
        ((ReadOnlySpan<byte>)request.Code)[..(int)request.Length].CopyTo(code);
        CpuExit exit = cpu.Run(1);
        reply = default;
        if (exit.Reason is not (ExitReason.BudgetSpent or ExitReason.Exception))
            return false;
        reply.Trap = exit.Reason == ExitReason.Exception ? exit.Vector : -1;
        for (int i = 0; i < 16; i++)
            reply.Out.Gpr[i] = cpu[(Gpr)i];
        reply.Out.Rip = cpu.Rip;
        reply.Out.Rflags = cpu.Rflags;
        cpu.SaveFx(reply.Out.Fx);
        cpu.SaveYmmHigh(reply.Out.Ymm);
        _machine.Memory.Readable(DataFrame).Slice(NativeCpu.Window, ((Span<byte>)reply.Out.Data).Length).CopyTo(reply.Out.Data);
        return true;
    }

    public void Dispose() => _machine.Dispose();

    /// <summary>The host's own CPUID: the same instructions exist.</summary>
    private sealed class HostPolicy : ICpuPolicy
    {
        /// <summary>OSPKE: the kernel has set CR4.PKE, without which RDPKRU and WRPKRU are #UD.</summary>
        public static bool HasProtectionKeys
            => System.Runtime.Intrinsics.X86.X86Base.CpuId(0, 0).Eax >= 7 && (System.Runtime.Intrinsics.X86.X86Base.CpuId(7, 0).Ecx & 0x10) != 0;

        public CpuidResult Cpuid(uint leaf, uint subleaf)
        {
            (int a, int b, int c, int d) = System.Runtime.Intrinsics.X86.X86Base.CpuId((int)leaf, (int)subleaf);
            return new CpuidResult((uint)a, (uint)b, (uint)c, (uint)d);
        }

        public ulong ReadTsc(long retiredInstructions) => (ulong)retiredInstructions;
    }
}
