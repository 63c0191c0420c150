using Iced.Intel;

namespace XenSim.Guest.Tests.Silicon;

/// <summary>
/// Iced's metadata as a witness for every form, also of those that the host lacks: nothing outside an instruction's write set changes,
/// and what it writes without condition does not depend on the old value.
/// </summary>
public sealed class MetadataTests(ITestOutputHelper output)
{
    private const int Instances = 12;

    /// <summary>They leave to whoever decides, or read what changes by itself.</summary>
    private static readonly HashSet<Mnemonic> LeftOut =
    [
        Mnemonic.Syscall, Mnemonic.Sysenter, Mnemonic.Int, Mnemonic.Int1, Mnemonic.Int3, Mnemonic.Cpuid, Mnemonic.Rdtsc, Mnemonic.Rdtscp, Mnemonic.Rdrand, Mnemonic.Rdseed,
        Mnemonic.Xgetbv, Mnemonic.Retf,
        // No-operations without CET; and the metadata of FXRSTOR does not list the registers it loads.
        Mnemonic.Rdsspd, Mnemonic.Rdsspq, Mnemonic.Fxrstor, Mnemonic.Fxrstor64,
        Mnemonic.Iret, Mnemonic.Iretd, Mnemonic.Iretq,
    ];

    [Fact]
    public void Nothing_outside_the_write_set_changes_and_every_unconditional_write_happens()
    {
        using SimulatedCpu machine = new();
        InstructionInfoFactory factory = new();
        List<string> wrong = [];
        int forms = 0, checks = 0;
        foreach (Code code in Enum.GetValues<Code>())
        {
            OpCodeInfo form = code.ToOpCode();
            if (!form.IsInstruction || !form.Mode64 || form.Encoding != EncodingKind.Legacy || form.IsPrivileged || form.Fwait || LeftOut.Contains(code.Mnemonic()))
                continue;
            InstructionGenerator generator = new((int)code + 1);
            bool counted = false;
            for (int i = 0; i < Instances; i++)
            {
                if (!generator.TryMake(code, out Instruction instruction, out SiliconRequest request) || !machine.TryRun(request, out SiliconReply reply) || reply.Trap >= 0)
                    continue;
                counted = true;
                checks++;
                string? difference = Check(machine, factory.GetInfo(instruction), instruction, request, reply);
                if (difference is not null)
                    wrong.Add($"{code}: {instruction}: {difference}");
            }

            forms += counted ? 1 : 0;
        }

        output.WriteLine($"{forms} forms, {checks} instances");
        Assert.True(forms > 400, $"{forms} forms");
        Assert.True(wrong.Count == 0, $"{wrong.Count}\n" + string.Join('\n', wrong.Take(40)));
    }

    private static string? Check(SimulatedCpu machine, in InstructionInfo info, in Instruction instruction, in SiliconRequest request, in SiliconReply reply)
    {
        HashSet<Register> written = [], read = [];
        foreach (UsedRegister u in info.GetUsedRegisters())
        {
            Register full = u.Register.IsVectorRegister() ? Register.XMM0 + u.Register.GetNumber() : u.Register.GetFullRegister();
            if (u.Access is OpAccess.Write or OpAccess.ReadWrite or OpAccess.CondWrite or OpAccess.ReadCondWrite)
                written.Add(full);
            if (u.Access is not OpAccess.Write || (u.Register.IsGPR() && u.Register.GetSize() < 4))
                read.Add(full);
        }

        for (int r = 0; r < 16; r++)
        {
            if (!written.Contains(Register.RAX + r) && reply.Out.Gpr[r] != request.In.Gpr[r])
                return $"{Register.RAX + r} changed";
            if (!written.Contains(Register.XMM0 + r) && !Xmm(reply.Out, r).SequenceEqual(Xmm(request.In, r)))
                return $"xmm{r} changed";
        }

        bool memory = info.GetUsedMemory().Any(m => m.Access is not (OpAccess.Read or OpAccess.CondRead or OpAccess.NoMemAccess));
        ReadOnlySpan<byte> before = request.In.Data, after = reply.Out.Data;
        if (!memory && !before.SequenceEqual(after))
            return "memory changed";
        // OF of a rotation by another count than 1 is undefined, which the metadata says for some forms only. SDM vol. 2, RCL.
        ulong mayChange = Flags(instruction.RflagsModified) | Flags(instruction.RflagsUndefined) | (instruction.Mnemonic is Mnemonic.Rcl or Mnemonic.Rcr ? 0x800u : 0);
        if (((request.In.Rflags ^ reply.Out.Rflags) & 0xCD5 & ~mayChange) != 0)
            return $"flags {request.In.Rflags ^ reply.Out.Rflags:x} changed";
        foreach (UsedRegister u in info.GetUsedRegisters())
        {
            if (u.Access != OpAccess.Write || !u.Register.IsGPR() || read.Contains(u.Register.GetFullRegister()))
                continue;
            // Another old value must not be seen in the result.
            int n = u.Register.GetFullRegister() - Register.RAX;
            SiliconRequest other = request;
            other.In.Gpr[n] = ~request.In.Gpr[n];
            if (!machine.TryRun(other, out SiliconReply second) || second.Trap >= 0 || second.Out.Gpr[n] != reply.Out.Gpr[n])
                return $"{u.Register} keeps its old value";
        }

        return null;
    }

    private static ReadOnlySpan<byte> Xmm(in SiliconState s, int n)
    {
        ReadOnlySpan<byte> fx = s.Fx;
        return fx.Slice(160 + (n * 16), 16).ToArray();
    }

    private static ulong Flags(Iced.Intel.RflagsBits u) => (u.HasFlag(Iced.Intel.RflagsBits.CF) ? 1u : 0) | (u.HasFlag(Iced.Intel.RflagsBits.PF) ? 4u : 0)
        | (u.HasFlag(Iced.Intel.RflagsBits.AF) ? 0x10u : 0) | (u.HasFlag(Iced.Intel.RflagsBits.ZF) ? 0x40u : 0) | (u.HasFlag(Iced.Intel.RflagsBits.SF) ? 0x80u : 0)
        | (u.HasFlag(Iced.Intel.RflagsBits.OF) ? 0x800u : 0) | (u.HasFlag(Iced.Intel.RflagsBits.DF) ? 0x400u : 0);
}
