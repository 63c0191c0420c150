using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using XenSim.Guest.Cpu;
using XenSim.Guest.Tests.Support;
using static Iced.Intel.AssemblerRegisters;

namespace XenSim.Guest.Tests;

/// <summary>VEX forms against the host's own AVX2, and their faults by SDM vol. 2, tables 2-18 to 2-25.</summary>
public sealed class AvxTests : IDisposable
{
    private const ulong Code = 0x1000, Data = 0x2000, Result = 0x3000;
    private const byte InvalidOpcode = 6, DeviceNotAvailable = 7, GeneralProtection = 13;
    private const ulong OsXsave = 1 << 18, TaskSwitched = 8;
    private const ulong X87SseAvx = 7;

    private readonly Machine _machine = new();

    public AvxTests()
    {
        foreach (ulong page in new[] { Code, Data, Result })
            _machine.Map(page, (page >> 12) + 0x100);
        _machine.Cpu.Cr4 |= OsXsave;
        _machine.Cpu.Xcr0 = X87SseAvx;
    }

    public void Dispose() => _machine.Dispose();

    public static TheoryData<string> Operations => [.. Table.Keys];

    private static readonly Dictionary<string, (Action<Assembler, bool> Emit, Func<Vector256<byte>, Vector256<byte>, Vector256<byte>> Host)> Table = new()
    {
        ["vpand"] = (Two((a, d, x, y) => a.vpand(d, x, y), (a, d, x, y) => a.vpand(d, x, y)), Avx2.And),
        ["vpandn"] = (Two((a, d, x, y) => a.vpandn(d, x, y), (a, d, x, y) => a.vpandn(d, x, y)), Avx2.AndNot),
        ["vpor"] = (Two((a, d, x, y) => a.vpor(d, x, y), (a, d, x, y) => a.vpor(d, x, y)), Avx2.Or),
        ["vpxor"] = (Two((a, d, x, y) => a.vpxor(d, x, y), (a, d, x, y) => a.vpxor(d, x, y)), Avx2.Xor),
        ["vpaddb"] = (Two((a, d, x, y) => a.vpaddb(d, x, y), (a, d, x, y) => a.vpaddb(d, x, y)), Avx2.Add),
        ["vpsubb"] = (Two((a, d, x, y) => a.vpsubb(d, x, y), (a, d, x, y) => a.vpsubb(d, x, y)), Avx2.Subtract),
        ["vpcmpeqb"] = (Two((a, d, x, y) => a.vpcmpeqb(d, x, y), (a, d, x, y) => a.vpcmpeqb(d, x, y)), Avx2.CompareEqual),
        ["vpcmpeqd"] = (Two((a, d, x, y) => a.vpcmpeqd(d, x, y), (a, d, x, y) => a.vpcmpeqd(d, x, y)), (x, y) => Avx2.CompareEqual(x.AsInt32(), y.AsInt32()).AsByte()),
        ["vpcmpgtb"] = (Two((a, d, x, y) => a.vpcmpgtb(d, x, y), (a, d, x, y) => a.vpcmpgtb(d, x, y)), (x, y) => Avx2.CompareGreaterThan(x.AsSByte(), y.AsSByte()).AsByte()),
        ["vpminub"] = (Two((a, d, x, y) => a.vpminub(d, x, y), (a, d, x, y) => a.vpminub(d, x, y)), Avx2.Min),
        ["vpminud"] = (Two((a, d, x, y) => a.vpminud(d, x, y), (a, d, x, y) => a.vpminud(d, x, y)), (x, y) => Avx2.Min(x.AsUInt32(), y.AsUInt32()).AsByte()),
        ["vpshufb"] = (Two((a, d, x, y) => a.vpshufb(d, x, y), (a, d, x, y) => a.vpshufb(d, x, y)), Avx2.Shuffle),
        ["vpunpcklbw"] = (Two((a, d, x, y) => a.vpunpcklbw(d, x, y), (a, d, x, y) => a.vpunpcklbw(d, x, y)), Avx2.UnpackLow),
    };

    [Theory]
    [MemberData(nameof(Operations))]
    public void An_operation_on_two_registers_gives_what_the_host_gives_in_both_lengths(string name)
    {
        Assert.SkipUnless(Avx2.IsSupported, "the host has no AVX2");
        Random random = new(1);
        byte[] data = new byte[64];
        for (int round = 0; round < 50; round++)
        {
            random.NextBytes(data);

            // Equal bytes happen too: comparisons would never see them otherwise.
            data.AsSpan(0, 8).CopyTo(data.AsSpan(32));
            Vector256<byte> expected = Table[name].Host(Vector256.Create(data.AsSpan(0, 32)), Vector256.Create(data.AsSpan(32, 32)));
            Assert.Equal(expected, RunOn(data, wide: true, Table[name].Emit));
            Assert.Equal(expected.GetLower().ToVector256(), RunOn(data, wide: false, Table[name].Emit));
        }
    }

    [Fact]
    public void Moves_and_broadcasts_clear_what_they_do_not_write()
    {
        byte[] data = [.. Enumerable.Range(1, 64).Select(i => (byte)i)];
        Vector256<byte> source = Vector256.Create(data.AsSpan(0, 32));
        Assert.Equal(source.GetLower().ToVector256(), RunOn(data, true, (a, _) => a.vmovdqa(xmm0, xmm1)));
        Assert.Equal(Vector256.Create((byte)1), RunOn(data, true, (a, _) => a.vpbroadcastb(ymm0, xmm1)));
        Assert.Equal(Vector256.Create(0x04030201).AsByte(), RunOn(data, true, (a, _) => a.vpbroadcastd(ymm0, __dword_ptr[rsi])));
        Assert.Equal(Vector256.CreateScalar(0x0807060504030201ul).AsByte(), RunOn(data, true, (a, _) => a.vmovq(xmm0, xmm1)));
        Assert.Equal(Vector256.CreateScalar(0x04030201u).AsByte(), RunOn(data, true, (a, _) => a.vmovd(xmm0, __dword_ptr[rsi])));
        Assert.Equal(source.GetLower().ToVector256(), RunOn(data, true, (a, _) => { a.vmovdqa(ymm0, ymm1); a.vzeroupper(); }, 5));
    }

    [Fact]
    public void The_mask_of_32_bytes_has_32_bits()
    {
        byte[] data = new byte[64];
        data[0] = data[31] = data[17] = 0x80;
        RunOn(data, true, (a, _) => a.vpmovmskb(eax, ymm1));
        Assert.Equal(0x8002_0001u, _machine.Cpu[Gpr.Rax]);
    }

    [Fact]
    public void An_aligned_move_faults_on_an_address_that_its_length_does_not_divide_and_the_others_do_not()
    {
        Assert.Equal(GeneralProtection, FaultOf(a => a.vmovdqa(ymm0, __ymmword_ptr[rsi + 16])));
        Assert.Null(FaultOf(a => a.vmovdqa(xmm0, __xmmword_ptr[rsi + 16])));
        Assert.Null(FaultOf(a => a.vmovdqu(ymm0, __ymmword_ptr[rsi + 1])));
        Assert.Null(FaultOf(a => a.vpand(ymm0, ymm1, __ymmword_ptr[rsi + 1])));
    }

    [Fact]
    public void Without_its_state_enabled_AVX_is_undefined_and_with_TS_set_unavailable()
    {
        _machine.Cpu.Cr0 |= TaskSwitched;
        Assert.Equal(DeviceNotAvailable, FaultOf(a => a.vpxor(ymm0, ymm0, ymm0)));
        _machine.Cpu.Xcr0 = 3;
        Assert.Equal(InvalidOpcode, FaultOf(a => a.vpxor(ymm0, ymm0, ymm0)));
        _machine.Cpu.Xcr0 = X87SseAvx;
        _machine.Cpu.Cr4 &= ~OsXsave;
        Assert.Equal(InvalidOpcode, FaultOf(a => a.vzeroupper()));
    }

    // What a Zen 5 made of these operands: gcc 12 -mgfni -mavxvnni, the intrinsics of the same names. Hosts without the features cannot witness them.
    private const string X = "0b3055009fc4e90effffffff008000805b00a5caef14395e83a8cdf2173c6186", Y = "c8237ed9348fea457f7f7f7f0080008078d32e89e43f9af550ab0661bc1772cd";
    private const string Sums = "80b5ea7f5489be80ffffff7fffffff7fd0053a6fa4d90e4378ade2174c81b6eb";

    [Theory]
    [InlineData("vgf2p8mulb", "590a8e001ff13c9b76767676009a009a8d00cb601b218321655598492c592f95")]
    [InlineData("vgf2p8affineqb", "20f756a5a3ad095850505050a5a0a5a02ea52be7324f2c56dfff4ecd351539a7")]
    [InlineData("vgf2p8affineinvqb", "8054e2a5db68eb9255555555a5a0a5a05da52298a7dab794ecb4cf38effcba3a")]
    [InlineData("vpdpbusd", "7ee3ea7fdc42be8003fa0180ff7fff7f38f0396faca90e4320ffe2171491b6eb")]
    [InlineData("vpdpbusds", "7ee3ea7fdc42be80ffffff7fff7fff7f38f0396faca90e4320ffe2171491b6eb")]
    [InlineData("vpdpwssd", "eef594869ab8fa9e0101ff7fffffffff1ee8ed87ca8a74443635d32f62374d09")]
    [InlineData("vpdpwssds", "ffffff7f9ab8fa9e0101ff7fffffff7fffffff7fca8a74443635d32f62374d09")]
    public void Bytes_as_polynomials_and_sums_of_products_are_a_Zen_5s(string name, string expected)
    {
        byte[] data = Convert.FromHexString(X + Y + Sums);
        Vector256<byte> result = RunOn(data, true, (a, _) =>
        {
            a.vmovdqu(ymm0, __ymmword_ptr[rsi + 64]);
            switch (name)
            {
                case "vgf2p8mulb": a.vgf2p8mulb(ymm0, ymm1, ymm2); break;
                case "vgf2p8affineqb": a.vgf2p8affineqb(ymm0, ymm1, ymm2, 0xa5); break;
                case "vgf2p8affineinvqb": a.vgf2p8affineinvqb(ymm0, ymm1, ymm2, 0xa5); break;
                case "vpdpbusd": a.vex.vpdpbusd(ymm0, ymm1, ymm2); break;
                case "vpdpbusds": a.vex.vpdpbusds(ymm0, ymm1, ymm2); break;
                case "vpdpwssd": a.vex.vpdpwssd(ymm0, ymm1, ymm2); break;
                default: a.vex.vpdpwssds(ymm0, ymm1, ymm2); break;
            }
        }, 5);
        byte[] bytes = new byte[32];
        result.CopyTo(bytes);
        Assert.Equal(expected, Convert.ToHexStringLower(bytes));
    }

    // SDM vol. 2, MOVDIR64B: the destination has to be aligned, the source need not be.
    [Fact]
    public void Sixty_four_bytes_move_at_once_to_an_aligned_address_only()
    {
        byte[] data = [.. Enumerable.Range(1, 200).Select(i => (byte)i)];
        RunOn(data, true, (a, _) => a.movdir64b(rdi, __[rsi + 3]), 3);
        Assert.Equal(data[3..67], _machine.Memory.Readable((Result >> 12) + 0x100)[..64].ToArray());
        _machine.Cpu[Gpr.Rdi] = Result + 32;
        Assert.Equal(GeneralProtection, FaultOf(a => a.movdir64b(rdi, __[rsi])));
    }

    private static Action<Assembler, bool> Two(
        Action<Assembler, AssemblerRegisterYMM, AssemblerRegisterYMM, AssemblerRegisterYMM> wide,
        Action<Assembler, AssemblerRegisterXMM, AssemblerRegisterXMM, AssemblerRegisterXMM> narrow)
        => (a, isWide) =>
        {
            if (isWide)
                wide(a, ymm0, ymm1, ymm2);
            else
                narrow(a, xmm0, xmm1, xmm2);
        };

    /// <summary>ymm0 after the operation on ymm1 and ymm2, with ymm0 full of ones before.</summary>
    private Vector256<byte> RunOn(byte[] data, bool wide, Action<Assembler, bool> emit, int instructions = 4)
    {
        _machine.Cpu[Gpr.Rsi] = Data;
        _machine.Cpu[Gpr.Rdi] = Result;
        _machine.Memory.Writable((Data >> 12) + 0x100).Clear();
        data.CopyTo(_machine.Memory.Writable((Data >> 12) + 0x100));
        Load(a =>
        {
            a.vmovdqu(ymm1, __ymmword_ptr[rsi]);
            a.vmovdqu(ymm2, __ymmword_ptr[rsi + 32]);
            emit(a, wide);
            a.vmovdqu(__ymmword_ptr[rdi], ymm0);
        });
        CpuExit exit = _machine.Cpu.Run(instructions);
        Assert.Equal(ExitReason.BudgetSpent, exit.Reason);
        return Vector256.Create((ReadOnlySpan<byte>)_machine.Memory.Readable((Result >> 12) + 0x100)[..32]);
    }

    private byte? FaultOf(Action<Assembler> emit)
    {
        _machine.Cpu[Gpr.Rsi] = Data;
        Load(emit);
        CpuExit exit = _machine.Cpu.Run(1);
        return exit.Reason == ExitReason.Exception ? exit.Vector : null;
    }

    private void Load(Action<Assembler> emit)
    {
        Assembler a = new(64);
        emit(a);
        using MemoryStream bytes = new();
        a.Assemble(new StreamCodeWriter(bytes), Code);
        Span<byte> page = _machine.Memory.Writable((Code >> 12) + 0x100);
        page.Fill(0xF4);
        bytes.ToArray().CopyTo(page);
        _machine.Cpu.Rip = Code;
    }
}
