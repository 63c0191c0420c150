using XenSim.Guest.Cpu;
using XenSim.Guest.Tests.Support;

namespace XenSim.Guest.Tests;

/// <summary>
/// When vector instructions do not execute: control bits, XCR0, CPUID. Cases from SDM vol. 3A, table 2-2 (CR0.EM, CR0.TS), 2.5 (CR4), table 12-1 (MMX);
/// vol. 1, 13.5 and 14.3 (XSAVE, AVX); vol. 2, table 2-18 (exceptions of SSE).
/// </summary>
public sealed class VectorGateTests
{
    private const int Ud = 6, Nm = 7, Gp = 13, Mf = 16, Xm = 19, None = -1;
    private const ulong Em = 4, Ts = 8, OsFxsr = 0x200, OsXmmExcpt = 0x400, OsXsave = 0x40000;

    private static readonly byte[] Addps = [0x0F, 0x58, 0xC1];
    private static readonly byte[] Paddb = [0x66, 0x0F, 0xFC, 0xC1];
    private static readonly byte[] PaddbMmx = [0x0F, 0xFC, 0xC1];
    private static readonly byte[] Emms = [0x0F, 0x77];
    private static readonly byte[] Vpaddb = [0xC5, 0xF1, 0xFC, 0xC2];
    private static readonly byte[] Movdq2q = [0xF2, 0x0F, 0xD6, 0xC1];
    private static readonly byte[] Fxsave = [0x0F, 0xAE, 0x00];
    private static readonly byte[] Ldmxcsr = [0x0F, 0xAE, 0x10];
    private static readonly byte[] Xsave = [0x0F, 0xAE, 0x20];
    private static readonly byte[] Xgetbv = [0x0F, 0x01, 0xD0];
    private static readonly byte[] Xsetbv = [0x0F, 0x01, 0xD1];
    private static readonly byte[] Andn = [0xC4, 0xE2, 0x78, 0xF2, 0xC1];
    private static readonly byte[] Popcnt = [0xF3, 0x0F, 0xB8, 0xC1];
    private static readonly byte[] Lzcnt = [0xF3, 0x0F, 0xBD, 0xC1];
    private static readonly byte[] Endbr64 = [0xF3, 0x0F, 0x1E, 0xFA];

    public static TheoryData<string, byte[], ulong, ulong, ulong, int> Cases => new()
    {
        // instruction, bits flipped in CR0, bits flipped in CR4, XCR0, vector
        { "addps", Addps, 0, 0, 7, None },
        { "addps", Addps, Em, 0, 7, Ud },
        { "addps", Addps, Ts, 0, 7, Nm },
        { "addps", Addps, Em | Ts, 0, 7, Ud },
        { "addps", Addps, 0, OsFxsr, 7, Ud },
        { "addps", Addps, Ts, OsFxsr, 7, Ud },
        { "paddb", Paddb, 0, OsFxsr, 7, Ud },
        { "paddb mm", PaddbMmx, 0, OsFxsr, 7, None },
        { "paddb mm", PaddbMmx, Em, 0, 7, Ud },
        { "paddb mm", PaddbMmx, Ts, 0, 7, Nm },
        { "emms", Emms, Ts, 0, 7, Nm },
        { "movdq2q", Movdq2q, 0, OsFxsr, 7, Ud },
        { "vpaddb", Vpaddb, 0, 0, 7, None },
        { "vpaddb", Vpaddb, 0, OsXsave, 7, Ud },
        { "vpaddb", Vpaddb, 0, 0, 3, Ud },
        { "vpaddb", Vpaddb, 0, 0, 5, Ud },
        { "vpaddb", Vpaddb, Ts, 0, 7, Nm },
        { "vpaddb", Vpaddb, Em, 0, 7, None },
        { "vpaddb", Vpaddb, 0, OsFxsr, 7, None },
        { "andn", Andn, Ts, OsXsave, 1, None },
        { "fxsave", Fxsave, Ts, 0, 7, Nm },
        { "fxsave", Fxsave, Em, 0, 7, Nm },
        { "ldmxcsr", Ldmxcsr, Em, 0, 7, Ud },
        { "xsave", Xsave, 0, 0, 7, None },
        { "xsave", Xsave, Ts, 0, 7, Nm },
        { "xsave", Xsave, Em, 0, 7, None },
        { "xsave", Xsave, 0, OsXsave, 7, Ud },
        { "xgetbv", Xgetbv, 0, 0, 7, None },
        { "xgetbv", Xgetbv, 0, OsXsave, 7, Ud },
        { "xgetbv", Xgetbv, Ts | Em, 0, 7, None },
        { "xsetbv", Xsetbv, 0, 0, 7, Gp },
        { "xsetbv", Xsetbv, 0, OsXsave, 7, Ud },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Control_bits_decide_which_fault_comes_first(string name, byte[] code, ulong cr0, ulong cr4, ulong xcr0, int vector)
    {
        using Machine m = Prepared(new FixedPolicy());
        m.Cpu.Cr0 ^= cr0;
        m.Cpu.Cr4 ^= cr4;
        m.Cpu.Xcr0 = xcr0;
        Assert.True(Run(m, code) == vector, name);
    }

    [Fact]
    public void A_pending_x87_exception_comes_before_an_MMX_instruction()
    {
        using Machine m = Prepared(new FixedPolicy());
        byte[] fx = new byte[512];
        (fx[0], fx[1], fx[2]) = (0x7E, 0x03, 0x01);
        m.Cpu.LoadFx(fx);
        Assert.Equal(Mf, Run(m, PaddbMmx));
        Assert.Equal(None, Run(m, Paddb));
    }

    [Theory]
    [InlineData(0ul, Xm)]
    [InlineData(OsXmmExcpt, Ud)]
    public void An_unmasked_exception_is_XM_or_without_OSXMMEXCPT_UD_and_leaves_its_flag(ulong cr4, int vector)
    {
        using Machine m = Prepared(new FixedPolicy());
        m.Cpu.Cr4 ^= cr4;
        byte[] fx = new byte[512];
        // MXCSR: divide-by-zero unmasked; XMM0 = 1, XMM1 = 0.
        BitConverter.TryWriteBytes(fx.AsSpan(24), 0x1F80u & ~0x200u);
        BitConverter.TryWriteBytes(fx.AsSpan(160), 1f);
        m.Cpu.LoadFx(fx);
        Assert.Equal(vector, Run(m, 0xF3, 0x0F, 0x5E, 0xC1)); // divss %xmm1,%xmm0
        m.Cpu.SaveFx(fx);
        Assert.Equal(4u, BitConverter.ToUInt32(fx, 24) & 0x3F);
        Assert.Equal(1f, BitConverter.ToSingle(fx, 160));
    }

    [Fact]
    public void What_CPUID_does_not_advertise_is_undefined_or_the_older_meaning_of_its_encoding()
    {
        using Machine m = Prepared(new BarePolicy());
        Assert.Equal(None, Run(m, Addps));
        Assert.Equal(Ud, Run(m, Popcnt));
        Assert.Equal(Ud, Run(m, Vpaddb));
        Assert.Equal(Ud, Run(m, Andn));
        Assert.Equal(Ud, Run(m, Xsave));
        Assert.Equal(Ud, Run(m, 0x0F, 0xC7, 0xF0)); // rdrand %eax
        Assert.Equal(Ud, Run(m, 0x66, 0x0F, 0x38, 0x00, 0xC1)); // pshufb %xmm1,%xmm0
        Assert.Equal(None, Run(m, Endbr64));
        // F3 0F BD: BSR of 0x10 is 4, LZCNT would be 27.
        m.Cpu[Gpr.Rcx] = 0x10;
        Assert.Equal(None, Run(m, Lzcnt));
        Assert.Equal(4ul, m.Cpu[Gpr.Rax]);
    }

    [Fact]
    public void MXCSR_MASK_has_bit_17_only_where_CPUID_says_misaligned_SSE()
    {
        byte[] fx = new byte[512];
        using Machine all = Prepared(new FixedPolicy()), bare = Prepared(new BarePolicy());
        all.Cpu.SaveFx(fx);
        Assert.Equal(0x2FFFFu, BitConverter.ToUInt32(fx, 28));
        bare.Cpu.SaveFx(fx);
        Assert.Equal(0xFFFFu, BitConverter.ToUInt32(fx, 28));
    }

    [Theory]
    [InlineData(0u, 7ul, true)]
    [InlineData(0u, 3ul, true)]
    [InlineData(0u, 1ul, true)]
    [InlineData(0u, 6ul, false)]
    [InlineData(0u, 5ul, false)]
    [InlineData(0u, 15ul, false)]
    [InlineData(1u, 7ul, false)]
    public void XSETBV_takes_what_the_processor_has_in_a_consistent_set(uint index, ulong value, bool accepted)
    {
        using Machine m = Prepared(new FixedPolicy());
        m.Cpu.Xcr0 = 1;
        Assert.Equal(accepted, m.Cpu.TrySetXcr0(index, value));
        Assert.Equal(accepted ? value : 1, m.Cpu.Xcr0);
    }

    [Fact]
    public void RDRAND_repeats_by_its_seed_and_differs_by_another()
    {
        Assert.Equal(Random(new FixedPolicy()), Random(new FixedPolicy()));
        Assert.NotEqual(Random(new FixedPolicy()), Random(new SeededPolicy()));

        static (ulong, ulong) Random(ICpuPolicy policy)
        {
            using Machine m = Prepared(policy);
            Assert.Equal(None, Run(m, 0x48, 0x0F, 0xC7, 0xF0)); // rdrand %rax
            Assert.Equal(1ul, m.Cpu.Rflags & 1);
            ulong first = m.Cpu[Gpr.Rax];
            Assert.Equal(None, Run(m, 0x48, 0x0F, 0xC7, 0xF8)); // rdseed %rax
            return (first, m.Cpu[Gpr.Rax]);
        }
    }

    private const ulong Code = 0x10000, Data = 0x20000;

    private static Machine Prepared(ICpuPolicy policy)
    {
        var m = new Machine(policy: policy);
        m.Map(Code, 0x40);
        m.Map(Data, 0x50);
        m.Cpu.Cr4 |= OsFxsr | OsXmmExcpt | OsXsave;
        m.Cpu.Xcr0 = 7;
        return m;
    }

    /// <summary>Executes one instruction with RAX at the data page; the vector, or -1.</summary>
    private static int Run(Machine m, params ReadOnlySpan<byte> code)
    {
        m.Code(Code, code);
        m.Cpu.Rip = Code;
        m.Cpu[Gpr.Rax] = Data;
        m.Cpu[Gpr.Rdx] = 0;
        if (code.SequenceEqual(Xgetbv))
            m.Cpu[Gpr.Rcx] = 0;
        CpuExit exit = m.Cpu.Run(1);
        Assert.True(exit.Reason is ExitReason.Exception or ExitReason.BudgetSpent);
        return exit.Reason == ExitReason.Exception ? exit.Vector : None;
    }

    /// <summary>The first x86-64 processors: SSE2 and FXSR, nothing later (leaf 1 EDX of the Opteron, without ECX).</summary>
    private sealed class BarePolicy : ICpuPolicy
    {
        public CpuidResult Cpuid(uint leaf, uint subleaf) => leaf switch
        {
            0 => new CpuidResult(1, 0, 0, 0),
            1 => new CpuidResult(0xF51, 0, 0, 0x078B_FBFF),
            0x8000_0000 => new CpuidResult(0x8000_0001, 0, 0, 0),
            0x8000_0001 => new CpuidResult(0xF51, 0, 0, 0x2191_ABFF),
            _ => default,
        };

        public ulong ReadTsc(long retiredInstructions) => (ulong)retiredInstructions;
    }

    private sealed class SeededPolicy : ICpuPolicy
    {
        private readonly FixedPolicy _all = new();

        public ulong RandomSeed => 12345;

        public CpuidResult Cpuid(uint leaf, uint subleaf) => _all.Cpuid(leaf, subleaf);

        public CpuidResult Hardware(uint leaf, uint subleaf) => _all.Hardware(leaf, subleaf);

        public ulong ReadTsc(long retiredInstructions) => _all.ReadTsc(retiredInstructions);
    }
}
