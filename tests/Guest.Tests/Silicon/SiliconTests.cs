using System.Globalization;
using System.Text;
using Iced.Intel;
using XenSim.Guest.Cpu;
using RflagsBits = Iced.Intel.RflagsBits;

namespace XenSim.Guest.Tests.Silicon;

/// <summary>Every unprivileged instruction form that is implemented does to the whole state what the host's CPU does.</summary>
public sealed class SiliconTests(ITestOutputHelper output)
{
    private const ulong ArithmeticFlags = 0x8D5;
    private const ulong DirectionFlag = 0x400;
    private const string NotImplemented = "not implemented";

    /// <summary>XENSIM_SILICON: a factor for the number of instances of each form; the default keeps CI short.</summary>
    private static readonly int Factor = int.TryParse(Environment.GetEnvironmentVariable("XENSIM_SILICON"), NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n : 1;

    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    [InlineData(16)]
    public void Every_implemented_form_does_what_the_host_cpu_does(int bits)
    {
        Assert.SkipWhen(NativeCpu.Unavailable is not null, NativeCpu.Unavailable ?? "");
        using SimulatedCpu simulated = SimulatedCpu.LikeHost(bits), complete = new(bits);
        complete.EnableVectors();
        Comparison result = new();
        foreach (Code code in LeftOutForms.Unprivileged(bits))
        {
            if (LeftOutForms.Reason(code, bits) is { } reason)
                result.LeaveOut(code, reason);
            else
                Compare(code, bits, simulated, complete, result);
        }

        output.WriteLine(result.Text());
        Assert.True(result.Forms > 1000, result.Text());
        Assert.True(result.Mismatches.Count == 0, $"{result.Mismatches.Count} forms differ\n" + string.Join('\n', result.Mismatches.Take(200)));
    }

    private static void Compare(Code code, int bits, SimulatedCpu simulated, SimulatedCpu complete, Comparison result)
    {
        (Instruction Instruction, SiliconRequest Request)[] cases = [.. Cases(code, bits)];
        if (cases.Length == 0)
        {
            result.Mismatches.Add($"{code}: no instance can be made of it, and there is no reason to leave it out");
            return;
        }

        SiliconReply[] truth = Truth(cases);
        string? wrong = FirstDifference(cases, truth, simulated);
        // A host under a hypervisor may execute what its CPUID denies; it is still a witness.
        if (wrong is not null && wrong != NotImplemented && truth.All(t => t.Trap != 6) && simulated.Refuses(cases[0].Request))
        {
            result.Denied.Add(code);
            wrong = FirstDifference(cases, truth, complete);
        }

        if (wrong == NotImplemented)
        {
            // What the host has and the engine has not is left out by its name; anything else would be ours to have.
            result.LeaveOut(code, NotImplemented);
            return;
        }

        if (wrong is not null)
        {
            result.Mismatches.Add(wrong);
            return;
        }

        result.Forms++;
        result.Instances += cases.Length;
        result.Refused += truth.All(t => t.Trap == 6) ? 1 : 0;
    }

    /// <summary>Null: all are as on the host.</summary>
    private static string? FirstDifference((Instruction Instruction, SiliconRequest Request)[] cases, SiliconReply[] truth, SimulatedCpu simulated)
    {
        for (int i = 0; i < cases.Length; i++)
        {
            if (!simulated.TryRun(cases[i].Request, out SiliconReply ours))
                return NotImplemented;
            if (Difference(cases[i].Instruction, cases[i].Request, truth[i], ours) is { } wrong)
                return wrong;
        }

        return null;
    }

    private sealed class Comparison
    {
        private readonly SortedDictionary<string, List<Code>> _leftOut = [];

        public int Forms { get; set; }

        public int Instances { get; set; }

        /// <summary>Forms that are #UD on the host: it lacks the feature.</summary>
        public int Refused { get; set; }

        /// <summary>Forms that the host executes although its CPUID has not got them: compared with a processor that has everything.</summary>
        public List<Code> Denied { get; } = [];

        public List<string> Mismatches { get; } = [];

        public void LeaveOut(Code code, string reason)
        {
            if (!_leftOut.TryGetValue(reason, out List<Code>? forms))
                _leftOut.Add(reason, forms = []);
            forms.Add(code);
        }

        public string Text()
        {
            StringBuilder text = new();
            text.AppendLine(CultureInfo.InvariantCulture, $"{Forms} forms, {Instances} instances compared, of which {Refused} forms are #UD on this host; {_leftOut.Sum(r => r.Value.Count)} forms left out:");
            if (Denied.Count > 0)
                text.AppendLine(CultureInfo.InvariantCulture, $"  (compared, although the host's CPUID denies them: {string.Join(' ', Denied)})");
            foreach ((string reason, List<Code> forms) in _leftOut)
                text.AppendLine(CultureInfo.InvariantCulture, $"  {reason}: {string.Join(' ', forms)}");
            return text.ToString();
        }
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
        using SimulatedCpu simulated = SimulatedCpu.LikeHost(64);
        foreach (Code code in LeftOutForms.Approximations)
        {
            (Instruction Instruction, SiliconRequest Request)[] cases = [.. Cases(code, 64)];
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

    private static IEnumerable<(Instruction Instruction, SiliconRequest Request)> Cases(Code code, int bits)
    {
        InstructionGenerator generator = new((int)code, bits);
        // Semantics do not depend on the mode, sizes and addresses do.
        int instances = Factor * (bits != 64 ? 60 : InstructionGenerator.IsFloat(code) ? 600 : 200);
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
            // Beyond 64-bit mode: what KeepLowHalves says.
            if (request.Bits == 64 ? truth.Out.Gpr[i] != ours.Out.Gpr[i] : i < 8 && (uint)truth.Out.Gpr[i] != (uint)ours.Out.Gpr[i])
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
}
