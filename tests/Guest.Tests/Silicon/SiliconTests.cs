using System.Globalization;
using System.Text;
using Iced.Intel;
using XenSim.Guest.Cpu;
using XenSim.Guest.Tests.Support;
using RflagsBits = Iced.Intel.RflagsBits;

namespace XenSim.Guest.Tests.Silicon;

/// <summary>Every unprivileged instruction form that is implemented does to the whole state what the host's CPU does.</summary>
public sealed class SiliconTests(ITestOutputHelper output)
{
    private const int InstancesPerForm = 200;
    private const int InstancesPerFloatForm = 600;
    private const ulong ArithmeticFlags = 0x8D5;
    private const ulong DirectionFlag = 0x400;

    /// <summary>Not for one-instruction runs in a user process: they leave to the kernel, read the clock, load descriptors, or differ by policy.</summary>
    private static readonly HashSet<Mnemonic> LeftOut =
    [
        Mnemonic.Syscall, Mnemonic.Sysenter, Mnemonic.Int, Mnemonic.Int1, Mnemonic.Int3, Mnemonic.Into, Mnemonic.Hlt, Mnemonic.Cpuid, Mnemonic.Rdtsc, Mnemonic.Rdtscp,
        Mnemonic.Rdpid, Mnemonic.Rdrand, Mnemonic.Rdseed, Mnemonic.Xgetbv, Mnemonic.Vmcall, Mnemonic.Vmmcall, Mnemonic.Vmgexit, Mnemonic.Monitorx, Mnemonic.Mwaitx, Mnemonic.Rdpmc, Mnemonic.Str, Mnemonic.Sldt, Mnemonic.Sgdt,
        Mnemonic.Sidt, Mnemonic.Smsw, Mnemonic.Lar, Mnemonic.Lsl, Mnemonic.Verr, Mnemonic.Verw, Mnemonic.Pushf, Mnemonic.Pushfq, Mnemonic.Popf, Mnemonic.Popfq,
        Mnemonic.Monitor, Mnemonic.Mwait, Mnemonic.Rdfsbase, Mnemonic.Rdgsbase, Mnemonic.Wrfsbase, Mnemonic.Wrgsbase,
        Mnemonic.Retf, Mnemonic.Iret, Mnemonic.Iretd, Mnemonic.Iretq, Mnemonic.Lss, Mnemonic.Lfs, Mnemonic.Lgs,
    ];

    private static readonly Code[] Approximations =
    [
        Code.Rcpps_xmm_xmmm128, Code.Rcpss_xmm_xmmm32, Code.Rsqrtps_xmm_xmmm128, Code.Rsqrtss_xmm_xmmm32, Code.VEX_Vrcpps_xmm_xmmm128, Code.VEX_Vrcpps_ymm_ymmm256,
        Code.VEX_Vrcpss_xmm_xmm_xmmm32, Code.VEX_Vrsqrtps_xmm_xmmm128, Code.VEX_Vrsqrtps_ymm_ymmm256, Code.VEX_Vrsqrtss_xmm_xmm_xmmm32,
    ];

    /// <summary>Vendors differ: near branches with an operand-size prefix in 64-bit mode (AMD cuts RIP to 16 bits), 0F 0D with a register; far transfers load descriptors.</summary>
    private static readonly HashSet<Code> LeftOutForms =
    [
        Code.Retnw, Code.Retnw_imm16, Code.Call_rm16, Code.Jmp_rm16, Code.Call_m1616, Code.Call_m1632, Code.Call_m1664, Code.Jmp_m1616, Code.Jmp_m1632, Code.Jmp_m1664,
        // Approximations: see Approximations_keep_to_the_bound_of_the_manual.
        .. Approximations,
        // Without user interrupts, AMD ignores the prefix and takes them for RDPKRU and WRPKRU.
        Code.Clui, Code.Stui,
        Code.Reservednop_rm16_r16_0F0D, Code.Reservednop_rm32_r32_0F0D, Code.Reservednop_rm64_r64_0F0D,
    ];

    [Fact]
    public void Every_implemented_form_does_what_the_host_cpu_does()
    {
        Assert.SkipWhen(NativeCpu.Unavailable is not null, NativeCpu.Unavailable ?? "");
        StringBuilder report = new();
        int covered = 0;
        int instances = 0;
        List<string> unimplemented = [];
        List<string> mismatches = [];
        using SimulatedCpu simulated = new();
        foreach (Code code in Forms())
        {
            (Instruction Instruction, SiliconRequest Request)[] cases = [.. Cases(code)];
            if (cases.Length == 0)
                continue;
            SiliconReply[] truth = Truth(cases);
            string? wrong = null;
            for (int i = 0; i < cases.Length && wrong is null; i++)
            {
                if (!simulated.TryRun(cases[i].Request, out SiliconReply ours))
                {
                    unimplemented.Add(code.ToString());
                    break;
                }

                instances++;
                wrong = Difference(cases[i].Instruction, cases[i].Request, truth[i], ours);
            }

            if (wrong is not null)
                mismatches.Add(wrong);
            covered++;
        }

        report.AppendLine(CultureInfo.InvariantCulture, $"{covered - unimplemented.Count} forms, {instances} instances compared; {unimplemented.Count} not implemented:");
        report.AppendJoin(' ', unimplemented);
        output.WriteLine(report.ToString());
        Assert.True(covered - unimplemented.Count > 300, report.ToString());
        Assert.True(mismatches.Count == 0, $"{mismatches.Count} forms differ\n" + string.Join('\n', mismatches.Take(60)));
    }

    [Fact]
    public void The_comparison_sees_a_wrong_flag_register_and_byte()
    {
        Assert.SkipWhen(NativeCpu.Unavailable is not null, NativeCpu.Unavailable ?? "");
        Assert.True(new InstructionGenerator(1).TryMake(Code.Add_rm32_r32, out Instruction add, out SiliconRequest request));
        SiliconReply truth = NativeCpu.Run([request])[0];
        Assert.Null(Difference(add, request, truth, truth));
        SiliconReply flag = truth;
        flag.Out.Rflags ^= 1;
        SiliconReply register = truth;
        register.Out.Gpr[9]++;
        SiliconReply memory = truth;
        memory.Out.Data[255]++;
        Assert.All([flag, register, memory], wrong => Assert.NotNull(Difference(add, request, truth, wrong)));
    }

    /// <summary>RCP and RSQRT: relative error below 1.5 × 2^-12 (SDM vol. 2), and the host's own bits where there is no choice.</summary>
    [Fact]
    public void Approximations_keep_to_the_bound_of_the_manual()
    {
        Assert.SkipWhen(NativeCpu.Unavailable is not null, NativeCpu.Unavailable ?? "");
        using SimulatedCpu simulated = new();
        foreach (Code code in Approximations)
        {
            (Instruction Instruction, SiliconRequest Request)[] cases = [.. Cases(code)];
            SiliconReply[] truth = NativeCpu.Run([.. cases.Select(c => c.Request)]);
            for (int i = 0; i < cases.Length; i++)
            {
                Assert.True(simulated.TryRun(cases[i].Request, out SiliconReply ours));
                Assert.Equal(truth[i].Trap, ours.Trap);
                ReadOnlySpan<byte> a = truth[i].Out.Fx, b = ours.Out.Fx;
                Assert.True(a[24..28].SequenceEqual(b[24..28]));
                ReadOnlySpan<byte> upper = truth[i].Out.Ymm, oursUpper = ours.Out.Ymm;
                for (int at = 0; at < 256; at += 4)
                    Assert.True(IsClose(BitConverter.ToSingle(upper[at..]), BitConverter.ToSingle(oursUpper[at..])), cases[i].Instruction.ToString());
                for (int at = 160; at < 416; at += 4)
                    Assert.True(IsClose(BitConverter.ToSingle(a[at..]), BitConverter.ToSingle(b[at..])), $"{cases[i].Instruction}: {BitConverter.ToSingle(b[at..]):R}, host {BitConverter.ToSingle(a[at..]):R}");
            }
        }
    }

    /// <summary>Either may be at its bound on its own side. A result about to become tiny may be flushed on one processor and not on another.</summary>
    private static bool IsClose(float truth, float ours)
    {
        const float SmallestNormal = 1.17549435E-38f;
        if (BitConverter.SingleToInt32Bits(truth) == BitConverter.SingleToInt32Bits(ours))
            return true;
        bool edge = truth == 0 && Math.Abs(ours) <= 1.001f * SmallestNormal;
        return edge || (float.IsFinite(truth) && float.IsFinite(ours) && Math.Abs((truth - ours) / (double)truth) < 3.0 / 4096);
    }

    private static SiliconReply[] Truth((Instruction Instruction, SiliconRequest Request)[] cases)
    {
        try
        {
            return NativeCpu.Run([.. cases.Select(c => c.Request)]);
        }
        catch (InvalidOperationException death)
        {
            throw new InvalidOperationException($"{cases[0].Instruction}: {death.Message}", death);
        }
    }

    private static IEnumerable<Code> Forms() => Enum.GetValues<Code>().Where(c =>
    {
        OpCodeInfo form = c.ToOpCode();
        return form.IsInstruction && form.Mode64 && form.Encoding is EncodingKind.Legacy or EncodingKind.VEX && !form.IsPrivileged && !form.Fwait
            && !LeftOut.Contains(c.Mnemonic()) && !LeftOutForms.Contains(c) && !IsX87(form);
    });

    private static bool IsX87(OpCodeInfo form)
        => form.Code.CpuidFeatures().Any(f => f is CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387 or CpuidFeature.D3NOW or CpuidFeature.D3NOWEXT);

    private static IEnumerable<(Instruction Instruction, SiliconRequest Request)> Cases(Code code)
    {
        InstructionGenerator generator = new((int)code);
        int instances = InstructionGenerator.IsFloat(code) ? InstancesPerFloatForm : InstancesPerForm;
        for (int i = 0; i < instances; i++)
        {
            if (generator.TryMake(code, out Instruction instruction, out SiliconRequest request) && !HasUndefinedResult(instruction, request))
                yield return (instruction, request);
        }
    }

    /// <summary>SHLD and SHRD of 16 bits by more than 16: the destination is undefined. SDM vol. 2.</summary>
    private static bool HasUndefinedResult(Instruction i, SiliconRequest request) => i.Code switch
    {
        Code.Shld_rm16_r16_imm8 or Code.Shrd_rm16_r16_imm8 => (i.Immediate8 & 31) > 16,
        Code.Shld_rm16_r16_CL or Code.Shrd_rm16_r16_CL => (request.In.Gpr[1] & 31) > 16,
        _ => false,
    };

    private static string? Difference(Instruction instruction, SiliconRequest request, SiliconReply truth, SiliconReply ours)
    {
        List<string> d = [];
        int trap = truth.Trap;
        ulong rip = truth.Out.Rip;
        // A taken branch lands on the int3 that fills the code page: that is where RIP is after one instruction.
        if (trap == 3)
            (trap, rip) = (-1, rip - 1);
        if (trap != ours.Trap)
            d.Add($"exception {ours.Trap}, not {trap}");
        if (rip != ours.Out.Rip)
            d.Add($"rip {ours.Out.Rip:x}, not {rip:x}");
        for (int i = 0; i < 16; i++)
        {
            if (truth.Out.Gpr[i] != ours.Out.Gpr[i])
                d.Add($"{(Gpr)i} {ours.Out.Gpr[i]:x}, not {truth.Out.Gpr[i]:x} (was {request.In.Gpr[i]:x})");
        }

        ulong defined = (ArithmeticFlags | DirectionFlag) & ~(trap >= 0 ? 0 : Undefined(instruction));
        if (((truth.Out.Rflags ^ ours.Out.Rflags) & defined) != 0)
            d.Add($"rflags {ours.Out.Rflags & defined:x}, not {truth.Out.Rflags & defined:x} (was {request.In.Rflags:x})");
        ReadOnlySpan<byte> fx = truth.Out.Fx;
        ReadOnlySpan<byte> oursFx = ours.Out.Fx;
        if (!fx[160..416].SequenceEqual(oursFx[160..416]))
            d.Add(XmmDifference(request, fx[160..416], oursFx[160..416]));
        ReadOnlySpan<byte> ymm = truth.Out.Ymm;
        ReadOnlySpan<byte> oursYmm = ours.Out.Ymm;
        if (!ymm.SequenceEqual(oursYmm))
            d.Add($"ymm{ymm.CommonPrefixLength(oursYmm) / 16} upper {Convert.ToHexStringLower(oursYmm.Slice(ymm.CommonPrefixLength(oursYmm) / 16 * 16, 16))}, not {Convert.ToHexStringLower(ymm.Slice(ymm.CommonPrefixLength(oursYmm) / 16 * 16, 16))}");
        if (X87Difference(fx, oursFx) is { } x87)
            d.Add(x87);
        if (!fx[24..28].SequenceEqual(oursFx[24..28]))
            d.Add($"mxcsr {BitConverter.ToUInt32(oursFx[24..28]):x}, not {BitConverter.ToUInt32(fx[24..28]):x} (was {BitConverter.ToUInt32(((ReadOnlySpan<byte>)request.In.Fx)[24..28]):x})");
        ReadOnlySpan<byte> data = truth.Out.Data;
        ReadOnlySpan<byte> oursData = ours.Out.Data;
        if (!data.SequenceEqual(oursData))
            d.Add($"memory at window+{data.CommonPrefixLength(oursData)}");
        ReadOnlySpan<byte> code = request.Code;
        return d.Count == 0 ? null : $"{instruction.Code}: {instruction} ({Convert.ToHexStringLower(code[..(int)request.Length])}): {string.Join("; ", d)}";
    }

    /// <summary>Control, status, tags and registers; not the last instruction's pointers, which processors keep differently.</summary>
    private static string? X87Difference(ReadOnlySpan<byte> truth, ReadOnlySpan<byte> ours)
    {
        if (!truth[..5].SequenceEqual(ours[..5]))
            return $"x87 control, status, tags {Convert.ToHexStringLower(ours[..5])}, not {Convert.ToHexStringLower(truth[..5])}";
        for (int i = 0; i < 8; i++)
        {
            if (!truth.Slice(32 + (16 * i), 10).SequenceEqual(ours.Slice(32 + (16 * i), 10)))
                return $"st{i} {Convert.ToHexStringLower(ours.Slice(32 + (16 * i), 10))}, not {Convert.ToHexStringLower(truth.Slice(32 + (16 * i), 10))}";
        }

        return null;
    }

    private static string XmmDifference(SiliconRequest request, ReadOnlySpan<byte> truth, ReadOnlySpan<byte> ours)
    {
        int n = truth.CommonPrefixLength(ours) / 16;
        string before = Convert.ToHexStringLower(((ReadOnlySpan<byte>)request.In.Fx).Slice(160 + (16 * n), 16));
        return $"xmm{n} {Convert.ToHexStringLower(ours.Slice(16 * n, 16))}, not {Convert.ToHexStringLower(truth.Slice(16 * n, 16))} (was {before})";
    }

    private static ulong Undefined(Instruction instruction)
    {
        RflagsBits u = instruction.RflagsUndefined;
        return (u.HasFlag(RflagsBits.CF) ? 1u : 0) | (u.HasFlag(RflagsBits.PF) ? 4u : 0) | (u.HasFlag(RflagsBits.AF) ? 0x10u : 0)
            | (u.HasFlag(RflagsBits.ZF) ? 0x40u : 0) | (u.HasFlag(RflagsBits.SF) ? 0x80u : 0) | (u.HasFlag(RflagsBits.OF) ? 0x800u : 0);
    }

    /// <summary>The engine, with the same two pages at the same addresses.</summary>
    private sealed class SimulatedCpu : IDisposable
    {
        private const ulong CodeFrame = 0x800;
        private const ulong DataFrame = 0x801;
        private const ulong OsXmmExcptAndOsXsave = 0x4_0400;
        private const ulong ProtectionKeys = 0x40_0000;

        /// <summary>What Linux starts a process with: Documentation/core-api/protection-keys.rst, only key 0 may be used.</summary>
        private const uint PkruOfAProcess = 0x5555_5554;
        private const ulong X87SseAvx = 7;
        private readonly Machine _machine = new(policy: new HostPolicy());

        public SimulatedCpu()
        {
            _machine.Map(NativeCpu.CodeAddress, CodeFrame);
            _machine.Map(NativeCpu.DataPage, DataFrame);
            _machine.Cpu.Cr4 |= OsXmmExcptAndOsXsave | (HostPolicy.HasProtectionKeys ? ProtectionKeys : 0);
        }

        /// <summary>False: not implemented.</summary>
        public bool TryRun(SiliconRequest request, out SiliconReply reply)
        {
            VirtualCpu cpu = _machine.Cpu;
            for (int i = 0; i < 16; i++)
                cpu[(Gpr)i] = request.In.Gpr[i];
            cpu.Rip = NativeCpu.CodeAddress;
            cpu.Rflags = request.In.Rflags;
            cpu.Xcr0 = X87SseAvx;
            cpu.Pkru = PkruOfAProcess;
            cpu.LoadYmmHigh(request.In.Ymm);
            cpu.LoadFx(request.In.Fx);
            Span<byte> data = _machine.Memory.Writable(DataFrame);
            data.Clear();
            ((ReadOnlySpan<byte>)request.In.Data).CopyTo(data[NativeCpu.Window..]);
            Span<byte> code = _machine.Memory.Writable(CodeFrame);
            code[..0x100].Fill(0xCC);
            ((ReadOnlySpan<byte>)request.Code)[..(int)request.Length].CopyTo(code);
            CpuExit exit = cpu.Run(1);
            reply = default;
            if (exit.Reason == ExitReason.Unimplemented)
                return false;
            reply.Trap = exit.Reason == ExitReason.Exception ? exit.Vector : -1;
            for (int i = 0; i < 16; i++)
                reply.Out.Gpr[i] = cpu[(Gpr)i];
            reply.Out.Rip = cpu.Rip;
            reply.Out.Rflags = cpu.Rflags;
            cpu.SaveFx(reply.Out.Fx);
            cpu.SaveYmmHigh(reply.Out.Ymm);
            _machine.Memory.Readable(DataFrame).Slice(NativeCpu.Window, 1024).CopyTo(reply.Out.Data);
            return true;
        }

        public void Dispose() => _machine.Dispose();
    }

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
