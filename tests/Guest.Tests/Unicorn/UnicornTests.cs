using System.Globalization;
using Iced.Intel;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using RflagsBits = Iced.Intel.RflagsBits;

namespace XenSim.Guest.Tests.Unicorn;

/// <summary>16-bit real mode, 32-bit code and page walks, which the host's 64-bit user mode cannot witness, against Unicorn.</summary>
public sealed class UnicornTests(ITestOutputHelper output)
{
    private const int Size = 0x40_0000;
    private const ulong ArithmeticFlags = 0x8D5;

    /// <summary>No control transfers to other segments, no system state, no devices, no floating point: those have tests of their own.</summary>
    private static readonly HashSet<Mnemonic> LeftOut =
    [
        Mnemonic.In, Mnemonic.Out, Mnemonic.Insb, Mnemonic.Insw, Mnemonic.Insd, Mnemonic.Outsb, Mnemonic.Outsw, Mnemonic.Outsd, Mnemonic.Int, Mnemonic.Int1, Mnemonic.Int3, Mnemonic.Into,
        Mnemonic.Hlt, Mnemonic.Iret, Mnemonic.Iretd, Mnemonic.Retf, Mnemonic.Cpuid, Mnemonic.Rdtsc, Mnemonic.Wait, Mnemonic.Bound, Mnemonic.Pushf, Mnemonic.Pushfd, Mnemonic.Popf, Mnemonic.Popfd,
        Mnemonic.Salc, Mnemonic.Sti, Mnemonic.Cli, Mnemonic.Enter, Mnemonic.Lahf, Mnemonic.Ud0, Mnemonic.Ud1, Mnemonic.Ud2, Mnemonic.Rdpid, Mnemonic.Prefetch, Mnemonic.Reservednop,
    ];

    private static readonly string[] Families = ["INTEL8086", "INTEL8086_ONLY", "INTEL186", "INTEL286", "INTEL386", "INTEL486", "CMOV"];

    // Deviations of QEMU 5.0's translator from the manuals, met here and left out:
    // - segment limits are not checked, so whatever faults here for a limit is skipped;
    // - BSF and BSR with a zero source write the destination in some operand sizes (the manual leaves it undefined, processors keep it);
    // - #DE ends the run without an error;
    // - TEST as F6 /1 and F7 /1 is #UD;
    // - a jump into its own bytes aborts the translator;
    // - OF of RCL and RCR by other counts than 1, which is undefined, is not kept;
    // - RET imm16 takes its immediate as signed;
    // - BSWAP of 16 bits is undefined;
    // - a 16-bit shift double by more than 16 is undefined;
    // - LOCK on forms that do not allow it, and MOV to CS, are #UD at another moment.
    [Theory]
    [InlineData(16)]
    [InlineData(32)]
    public void Random_instructions_do_what_Unicorn_does(int bits)
    {
        Assert.SkipWhen(UnicornCpu.Unavailable is not null, UnicornCpu.Unavailable ?? "");
        using UnicornCpu theirs = new(bits, Size);
        using PhysicalMemory memory = new(Size / 4096);
        using VirtualCpu ours = new(memory, new Support.FixedPolicy(), Intercepts.ParavirtualGuest);
        Random random = new(bits);
        List<string> differences = [];
        HashSet<Code> covered = [];
        int compared = 0;
        Dictionary<byte, int> skipped = [];
        for (int i = 0; i < 6000 && differences.Count < 20; i++)
        {
            byte[] code = Bytes(random, bits, out Instruction instruction);
            ulong address = 0x1_0000 + ((ulong)i * 16);
            Setup(theirs, ours, memory, random, bits, code, address);
            ulong[] before = [.. UnicornCpu.General.Select(r => theirs[r])];
            bool repeated = instruction.HasRepPrefix || instruction.HasRepnePrefix;
            CpuExit exit = ours.Run(1);
            // A long rep string is several steps here.
            while (repeated && exit.Reason == ExitReason.BudgetSpent && ours.Rip == (bits == 16 ? 0 : address))
                exit = ours.Run(1);
            if (exit.Reason == ExitReason.PhysicalAccess || (exit.Reason == ExitReason.Exception && exit.Vector is 0 or 12 or 13))
            {
                // Both memories must stay equal although Unicorn is not asked.
                Copy(memory, theirs);
                skipped[exit.Vector] = skipped.GetValueOrDefault(exit.Vector) + 1;
                continue;
            }

            ulong next = bits == 16 ? (ulong)code.Length : address + (ulong)code.Length;
            int error = theirs.Run(address, bits == 16 ? address + (ulong)code.Length : next, repeated ? 0 : 1);
            string? wrong = Compare(theirs, ours, memory, instruction, exit, error, before, bits, address);
            compared++;
            covered.Add(instruction.Code);
            if (wrong is null)
                continue;
            differences.Add($"{instruction} ({Convert.ToHexStringLower(code)}): {wrong}");
            Copy(memory, theirs);
        }

        output.WriteLine($"{bits} bits: {compared} instructions of {covered.Count} forms compared; skipped by vector: {string.Join(' ', skipped)}");
        Assert.True(differences.Count == 0, string.Join('\n', differences));
        Assert.True(covered.Count > 200, $"only {covered.Count} forms");
    }

    // SDM vol. 3A, chapter 4. Unicorn has QEMU's 40 physical address bits and checks reserved bits like the manual.
    [Theory]
    [InlineData("legacy")]
    [InlineData("pae")]
    [InlineData("long")]
    public void Page_walks_end_where_those_of_Unicorn_end(string paging)
    {
        Assert.SkipWhen(UnicornCpu.Unavailable is not null, UnicornCpu.Unavailable ?? "");
        List<string> differences = [];
        int mapped = 0, faults = 0;
        for (int seed = 0; seed < 400; seed++)
        {
            using WalkCase c = new(paging, new Random(seed));
            (string ours, string theirs, bool done) = c.Run();
            mapped += done ? 1 : 0;
            faults += done ? 0 : 1;
            if (ours != theirs)
                differences.Add($"case {seed}: {ours}, not {theirs}: {c.Text}");
        }

        output.WriteLine($"{paging}: {mapped} accesses, {faults} faults");
        Assert.True(mapped > 40 && faults > 40);
        Assert.True(differences.Count == 0, $"{differences.Count}\n" + string.Join('\n', differences.Take(20)));
    }

    private static byte[] Bytes(Random random, int bits, out Instruction instruction)
    {
        byte[] raw = new byte[15];
        while (true)
        {
            random.NextBytes(raw);
            int at = 0;
            if (random.Next(3) == 0)
                raw[at++] = 0x66;
            if (random.Next(4) == 0)
                raw[at++] = 0x67;
            if (random.Next(6) == 0)
                raw[at++] = (byte)(random.Next(2) == 0 ? 0xF2 : 0xF3);
            if (random.Next(3) == 0)
                raw[at++] = 0x0F;
            Decoder decoder = Decoder.Create(bits, raw);
            instruction = decoder.Decode();
            if (instruction.IsInvalid || !Suitable(instruction))
                continue;
            return raw[..instruction.Length];
        }
    }

    private static bool Suitable(in Instruction i)
    {
        OpCodeInfo form = i.Code.ToOpCode();
        if (LeftOut.Contains(i.Mnemonic) || form.IsPrivileged || form.Encoding != EncodingKind.Legacy || i.HasLockPrefix)
            return false;
        if (!i.Code.CpuidFeatures().All(f => Families.Contains(f.ToString())))
            return false;
        // Selectors need tables; far transfers have their own tests.
        if (i.Op0Kind is OpKind.FarBranch16 or OpKind.FarBranch32 || i.MemorySize is MemorySize.SegPtr16 or MemorySize.SegPtr32 or MemorySize.Fword6)
            return false;
        for (int k = 0; k < i.OpCount; k++)
        {
            if (i.GetOpKind(k) == OpKind.Register && (i.GetOpRegister(k).IsSegmentRegister() || i.GetOpRegister(k).IsCR() || i.GetOpRegister(k).IsDR() || i.GetOpRegister(k).IsTR()))
                return false;
        }

        if ((i.Mnemonic == Mnemonic.Bswap && i.Op0Register.GetSize() == 2) || (i.Mnemonic == Mnemonic.Ret && i.OpCount > 0 && i.Immediate16 >= 0x8000))
            return false;
        bool intoItself = i.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 && i.NearBranchTarget > 0 && i.NearBranchTarget < (ulong)i.Length;
        if (intoItself || i.Code is Code.Test_rm8_imm8_F6r1 or Code.Test_rm16_imm16_F7r1 or Code.Test_rm32_imm32_F7r1)
            return false;
        // REPNE has a meaning for CMPS and SCAS only.
        bool compares = i.Mnemonic is Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd;
        bool repeatsNothing = (i.HasRepPrefix && !i.IsStringInstruction) || (i.HasRepnePrefix && !compares);
        return !repeatsNothing && i.Mnemonic is not (Mnemonic.Shld or Mnemonic.Shrd or Mnemonic.Bsf or Mnemonic.Bsr or Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr
            or Mnemonic.Verw or Mnemonic.Arpl or Mnemonic.Sgdt or Mnemonic.Sidt or Mnemonic.Sldt or Mnemonic.Str or Mnemonic.Smsw);
    }

    private static void Setup(UnicornCpu theirs, VirtualCpu ours, PhysicalMemory memory, Random random, int bits, byte[] code, ulong address)
    {
        code.CopyTo(theirs.Memory[(int)address..]);
        theirs.Forget(address);
        memory.TryWrite(new PhysicalAddress(address), code);
        theirs[UnicornCpu.Cr0] = bits == 16 ? 0x10u : 0x11u;
        ours.Cr0 = theirs[UnicornCpu.Cr0];
        for (int s = 0; s < 6; s++)
        {
            ushort selector = bits == 16 ? (ushort)(s == 1 ? address >> 4 : 0x5000 + ((ulong)s * 0x800)) : (ushort)0;
            if (bits == 16)
                theirs[UnicornCpu.Segments[s]] = selector;
            ulong @base = bits == 16 ? (ulong)selector << 4 : 0;
            ours.SetSegment((SegmentName)s, new SegmentRegister(selector, @base, bits == 16 ? 0xFFFF : uint.MaxValue, (ushort)((s == 1 ? 0x9B : 0x93) | (bits == 16 ? 0 : 0xC000))));
        }

        ours.Cpl = 0;
        for (int r = 0; r < 8; r++)
        {
            uint value = random.Next(3) switch { 0 => (uint)random.Next(), 1 => (uint)random.Next(0x1000, 0x8000), _ => 0x20_0000u + (uint)random.Next(0x1000) };
            if (r == 4)
                value = bits == 16 ? 0x8000u : 0x30_0000;
            if (r == 1 && random.Next(2) == 0)
                value = (uint)random.Next(40);
            theirs[UnicornCpu.General[r]] = value;
            ours[(Gpr)r] = value;
        }

        ulong flags = 2 | ((ulong)random.Next() & (ArithmeticFlags | 0x400));
        theirs[UnicornCpu.Eflags] = flags;
        ours.Rflags = flags;
        ours.Rip = bits == 16 ? 0 : address;
    }

    private static string? Compare(UnicornCpu theirs, VirtualCpu ours, PhysicalMemory memory, in Instruction i, in CpuExit exit, int error, ulong[] before, int bits, ulong address)
    {
        // 8: the target of a jump is not mapped, which is the next instruction's business.
        const int fetchUnmapped = 8;
        error = error == fetchUnmapped ? 0 : error;
        bool fault = exit.Reason != ExitReason.BudgetSpent;
        if (fault != (error != 0))
            return $"{exit.Reason} {exit.Vector} {ours.UnimplementedText}, Unicorn's error {error}";
        if (fault)
            return null;
        List<string> d = [];
        for (int r = 0; r < 8; r++)
        {
            if ((uint)theirs[UnicornCpu.General[r]] != (uint)ours[(Gpr)r])
                d.Add($"{(Gpr)r} {ours[(Gpr)r]:x}, not {theirs[UnicornCpu.General[r]]:x} (was {before[r]:x})");
        }

        ulong undefined = 0;
        RflagsBits u = i.RflagsUndefined;
        undefined |= (u.HasFlag(RflagsBits.CF) ? 1u : 0) | (u.HasFlag(RflagsBits.PF) ? 4u : 0) | (u.HasFlag(RflagsBits.AF) ? 0x10u : 0)
            | (u.HasFlag(RflagsBits.ZF) ? 0x40u : 0) | (u.HasFlag(RflagsBits.SF) ? 0x80u : 0) | (u.HasFlag(RflagsBits.OF) ? 0x800u : 0);
        if (i.Mnemonic is Mnemonic.Rcl or Mnemonic.Rcr)
            undefined |= 0x800;
        if (((theirs[UnicornCpu.Eflags] ^ ours.Rflags) & (ArithmeticFlags | 0x400) & ~undefined) != 0)
            d.Add($"flags {ours.Rflags:x}, not {theirs[UnicornCpu.Eflags]:x}");
        ulong rip = theirs[UnicornCpu.Eip];
        // After a branch in real mode the library shows the linear address.
        if (rip != ours.Rip && rip != ours.Rip + ours.GetSegment(SegmentName.Cs).Base)
            d.Add($"rip {ours.Rip:x}, not {rip:x}");
        for (ulong f = 0; f < memory.FrameCount; f++)
        {
            if (!memory.Readable(f).SequenceEqual(theirs.Memory.Slice((int)f * 4096, 4096)))
                d.Add($"memory at {(f << 12) + (ulong)memory.Readable(f).CommonPrefixLength(theirs.Memory.Slice((int)f * 4096, 4096)):x}");
        }

        return d.Count == 0 ? null : string.Join("; ", d) + string.Create(CultureInfo.InvariantCulture, $" [{bits} bits at {address:x}]");
    }

    private static void Copy(PhysicalMemory memory, UnicornCpu theirs)
    {
        for (ulong f = 0; f < memory.FrameCount; f++)
            memory.Readable(f).CopyTo(theirs.Memory[((int)f * 4096)..]);
    }
}
