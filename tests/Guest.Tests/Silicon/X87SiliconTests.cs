using System.Globalization;
using System.Text;
using Iced.Intel;

namespace XenSim.Guest.Tests.Silicon;

/// <summary>
/// The whole x87 opcode space, D8 to DF with every register form and every memory form, does what the host's CPU does: over corner values,
/// all rounding and precision controls, masked and unmasked exceptions, full and empty registers, pending errors.
/// </summary>
public sealed class X87SiliconTests(ITestOutputHelper output)
{

    /// <summary>XENSIM_SILICON_X87: instances for each opcode; the default keeps CI short.</summary>
    private static readonly int Instances = int.TryParse(Environment.GetEnvironmentVariable("XENSIM_SILICON_X87"), NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n : 250;

    /// <summary>Computed by microcode to less than one unit of the last place, not to the nearest value: one unit and C1 may differ. SDM vol. 1, 8.3.10.</summary>
    private static readonly HashSet<Mnemonic> Approximate =
        [Mnemonic.Fsin, Mnemonic.Fcos, Mnemonic.Fsincos, Mnemonic.Fptan, Mnemonic.Fpatan, Mnemonic.F2xm1, Mnemonic.Fyl2x, Mnemonic.Fyl2xp1];

    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    [InlineData(16)]
    public void Every_x87_opcode_does_what_the_host_cpu_does(int bits)
    {
        Assert.SkipWhen(NativeCpu.Unavailable is not null, NativeCpu.Unavailable ?? "");
        using SimulatedCpu simulated = new(bits);
        int instances = bits == 64 ? Instances : Instances / 5;
        List<string> mismatches = [];
        Dictionary<Mnemonic, (int Cases, int LastBit)> approximations = [];
        int compared = 0, opcodes = 0;
        foreach (byte[] code in Opcodes(bits))
        {
            X87Cases cases = new((code[^2] << 8) | code[^1], bits);
            SiliconRequest[] requests = [.. Enumerable.Range(0, instances).Select(_ => cases.Make(code))];
            SiliconReply[] truth = NativeCpu.Run(requests);
            Instruction i = Iced.Intel.Decoder.Create(bits, code, NativeCpu.CodeOffset(bits)).Decode();
            int wrong = 0;
            opcodes++;
            for (int k = 0; k < requests.Length && wrong < 2; k++)
            {
                if (Undefined(i, requests[k]))
                    continue;
                Assert.True(simulated.TryRun(requests[k], out SiliconReply ours), simulated.UnimplementedText);
                compared++;
                bool approximate = Approximate.Contains(i.Mnemonic);
                string? difference = X87Difference.Of(i, requests[k], truth[k], ours, approximate, out bool lastBit);
                if (approximate)
                {
                    (int all, int off) = approximations.GetValueOrDefault(i.Mnemonic);
                    approximations[i.Mnemonic] = (all + 1, off + (lastBit ? 1 : 0));
                }

                if (difference is null)
                    continue;
                wrong++;
                mismatches.Add(difference);
            }
        }

        output.WriteLine($"{opcodes} opcodes, {compared} instances; off by one in the last place:");
        foreach ((Mnemonic m, (int all, int off)) in approximations)
            output.WriteLine($"  {m}: {off} of {all}");
        Assert.True(mismatches.Count == 0, $"{mismatches.Count} differ\n" + string.Join('\n', mismatches.Take(100)));
    }

    /// <summary>Register forms have all 64 bytes above C0; a memory operand is where BX points. The environment has another shape for each operand size.</summary>
    private static IEnumerable<byte[]> Opcodes(int bits)
    {
        byte baseIsBx = (byte)(bits == 16 ? 7 : 3);
        for (int first = 0xD8; first <= 0xDF; first++)
        {
            for (int reg = 0; reg < 8; reg++)
            {
                byte modrm = (byte)((reg << 3) | baseIsBx);
                yield return [(byte)first, modrm];
                if (first is 0xD9 or 0xDD)
                    yield return [0x66, (byte)first, modrm];
            }

            for (int modrm = 0xC0; modrm <= 0xFF; modrm++)
                yield return [(byte)first, (byte)modrm];
        }
    }

    /// <summary>Operands for which the manual defines no result: F2XM1 and FYL2XP1 outside their domains, BCD digits above 9.</summary>
    private static bool Undefined(Instruction i, in SiliconRequest request)
    {
        ReadOnlySpan<byte> fx = request.In.Fx;
        ReadOnlySpan<byte> data = request.In.Data;
        int exponent = BitConverter.ToUInt16(fx[40..]) & 0x7FFF;
        ulong significand = BitConverter.ToUInt64(fx[32..]);
        return i.Mnemonic switch
        {
            Mnemonic.F2xm1 => exponent is >= 0x3FFF and < 0x7FFF && (exponent > 0x3FFF || significand << 1 != 0),
            Mnemonic.Fyl2xp1 => exponent is >= 0x3FFD and < 0x7FFF,
            Mnemonic.Fbld => data[..9].ToArray().Any(b => b >> 4 > 9 || (b & 15) > 9),
            _ => false,
        };
    }
}

/// <summary>Random states with the corner values of the 80-bit format in all places.</summary>
internal sealed class X87Cases(int seed, int bits)
{
    private static readonly (ushort High, ulong Low)[] Corners =
    [
        (0, 0), (0x8000, 0), (0x3FFF, 1ul << 63), (0xBFFF, 1ul << 63), (0x4000, 1ul << 63), (0x3FFE, 1ul << 63), (0x7FFF, 1ul << 63), (0xFFFF, 1ul << 63),
        (0x7FFF, 0xC000000000000000), (0xFFFF, 0xC000000000000000), (0x7FFF, 0xA000000000000001), (0xFFFF, 0x8000000000000001), (0x7FFF, 0xFFFFFFFFFFFFFFFF),
        (0, 1), (0x8000, 0x7FFFFFFFFFFFFFFF), (0, 0x8000000000000000), (0x0001, 0x8000000000000000), (0x8001, 0xFFFFFFFFFFFFFFFF), (0x7FFE, 0xFFFFFFFFFFFFFFFF),
        (0xFFFE, 0x8000000000000000), (0x7FFF, 0), (0x7FFF, 0x4000000000000000), (0x3FFF, 0x4000000000000000), (0x1234, 1), (0x4000, 0xC90FDAA22168C235),
        (0x3FFE, 0xC90FDAA22168C235), (0x403D, 0xFFFFFFFFFFFFFFFF), (0x403E, 0x8000000000000000), (0xC03E, 0x8000000000000000), (0x401E, 0x8000000000000000),
        (0xC01E, 0x8000000000000001), (0x400E, 0x8000000000000000), (0x3FFF, 0xC000000000000000), (0x4000, 0xA000000000000000), (0x3FFD, 0x9A209A84FBCFF799),
    ];

    private readonly Random _random = new(seed);

    public SiliconRequest Make(byte[] code)
    {
        SiliconRequest r = default;
        code.CopyTo((Span<byte>)r.Code);
        r.Length = (uint)code.Length;
        r.Bits = bits;
        r.In.Rip = NativeCpu.CodeOffset(bits);
        for (int i = 0; i < 16; i++)
            r.In.Gpr[i] = (ulong)_random.NextInt64() & (bits == 64 ? ulong.MaxValue : uint.MaxValue);
        r.In.Gpr[3] = NativeCpu.WindowAddress(bits);
        r.In.Gpr[4] = NativeCpu.WindowAddress(bits) + 0xF0;
        r.In.Rflags = 0x202 | ((ulong)_random.Next() & 0x8D5);
        State(r.In.Fx);
        Memory(r.In.Data);
        return r;
    }

    private void State(Span<byte> fx)
    {
        fx.Clear();
        int control = 0x40 | (_random.Next(4) << 10) | (_random.Next(4) switch { 0 => 0, 1 => 2, _ => 3 } << 8);
        control |= _random.Next(3) switch { 0 => _random.Next(64), 1 => 0x3F & ~(1 << _random.Next(6)), _ => 0x3F };
        int status = (_random.Next(8) << 11) | (_random.Next() & 0x4700);
        if (_random.Next(8) == 0)
            status |= _random.Next(0x80);
        // A consistent summary; one in sixteen states has an error waiting.
        int errors = status & ~control & 0x3F;
        if (errors != 0)
            status = _random.Next(2) == 0 ? status & ~0x7F : status | 0x8080;
        int tags = _random.Next(4) switch { 0 => _random.Next(256), 1 => 0x7F << _random.Next(2), 2 => 0xFF & ~(1 << _random.Next(8)), _ => 0xFF };
        BitConverter.TryWriteBytes(fx, (ushort)control);
        BitConverter.TryWriteBytes(fx[2..], (ushort)status);
        fx[4] = (byte)tags;
        BitConverter.TryWriteBytes(fx[24..], 0x1F80u);
        for (int i = 0; i < 8; i++)
        {
            (ushort high, ulong low) = Register();
            BitConverter.TryWriteBytes(fx[(32 + (i * 16))..], low);
            BitConverter.TryWriteBytes(fx[(40 + (i * 16))..], high);
        }
    }

    private (ushort High, ulong Low) Register()
    {
        ulong random = ((ulong)_random.NextInt64() << 1) | (uint)_random.Next(2);
        ushort sign = (ushort)(_random.Next(2) << 15);
        return _random.Next(6) switch
        {
            0 or 1 => Corners[_random.Next(Corners.Length)],
            2 => ((ushort)(sign | (0x3FFF + _random.Next(-70, 70))), random | (1ul << 63)),
            // Few significant bits: exact results and ties.
            3 => ((ushort)(sign | (0x3FFF + _random.Next(-3, 30))), (random & (ulong.MaxValue << _random.Next(24, 63))) | (1ul << 63)),
            4 => ((ushort)(sign | _random.Next(0x7FFF)), random | (1ul << 63)),
            _ => ((ushort)(sign | (0x3FFF + _random.Next(-2, 2))), random | (1ul << 63)),
        };
    }

    private void Memory(Span<byte> data)
    {
        _random.NextBytes(data);
        ReadOnlySpan<ulong> doubles = [0, 1ul << 63, 0x3FF0000000000000, 0x7FF0000000000000, 0xFFF8000000000000, 0x7FF4000000000001, 1, 0x800FFFFFFFFFFFFF, 0x7FEFFFFFFFFFFFFF];
        ReadOnlySpan<uint> singles = [0, 1u << 31, 0x3F800000, 0x7F800000, 0xFFC00000, 0x7FA00001, 1, 0x807FFFFF, 0x7F7FFFFF, 0x7FFF8000];
        switch (_random.Next(6))
        {
            case 0: BitConverter.TryWriteBytes(data, doubles[_random.Next(doubles.Length)]); break;
            case 1: BitConverter.TryWriteBytes(data, singles[_random.Next(singles.Length)]); break;
            case 2: BitConverter.TryWriteBytes(data, BitConverter.DoubleToUInt64Bits(_random.Next(-1000, 1000) / 8.0)); break;
            case 3: BitConverter.TryWriteBytes(data, BitConverter.SingleToUInt32Bits(_random.Next(-1000, 1000) / 8f)); break;
            case 4:
                (ushort high, ulong low) = Register();
                BitConverter.TryWriteBytes(data, low);
                BitConverter.TryWriteBytes(data[8..], high);
                break;
            default:
                // Packed decimal.
                for (int i = 0; i < 9; i++)
                    data[i] = (byte)((_random.Next(10) << 4) | _random.Next(10));
                data[9] = (byte)(_random.Next(2) << 7);
                break;
        }
    }
}

/// <summary>Compares x87 state: control, status, tags, registers, memory, flags.</summary>
internal static class X87Difference
{
    public static string? Of(Instruction i, in SiliconRequest request, in SiliconReply truth, in SiliconReply ours, bool approximate, out bool lastBit)
    {
        List<string> d = [];
        lastBit = false;
        if (truth.Trap != ours.Trap)
            d.Add($"exception {ours.Trap}, not {truth.Trap}");
        ReadOnlySpan<byte> t = truth.Out.Fx, o = ours.Out.Fx, was = request.In.Fx, td = truth.Out.Data, od = ours.Out.Data;
        ushort status = BitConverter.ToUInt16(t[2..]), ourStatus = BitConverter.ToUInt16(o[2..]);
        if (!t[..2].SequenceEqual(o[..2]))
            d.Add($"control {BitConverter.ToUInt16(o):x}, not {BitConverter.ToUInt16(t):x}");
        if (((status ^ ourStatus) & ~(approximate ? 0x200 : 0)) != 0)
            d.Add($"status {ourStatus:x}, not {status:x}");
        lastBit |= status != ourStatus;
        if (t[4] != o[4])
            d.Add($"tags {o[4]:x}, not {t[4]:x}");
        for (int r = 0; r < 8; r++)
        {
            ReadOnlySpan<byte> a = t.Slice(32 + (r * 16), 10), b = o.Slice(32 + (r * 16), 10);
            if (a.SequenceEqual(b))
                continue;
            if (approximate && Close(a, b))
                lastBit = true;
            else
                d.Add($"st{r} {Text(b)}, not {Text(a)}");
        }

        if (truth.Out.Gpr[0] != ours.Out.Gpr[0])
            d.Add($"rax {ours.Out.Gpr[0]:x}, not {truth.Out.Gpr[0]:x}");
        if (((truth.Out.Rflags ^ ours.Out.Rflags) & 0x8D5) != 0)
            d.Add($"rflags {ours.Out.Rflags & 0x8D5:x}, not {truth.Out.Rflags & 0x8D5:x}");
        for (int k = 0; k < td.Length; k++)
        {
            if (td[k] != od[k] && !IsPointer(i.Mnemonic, k))
            {
                d.Add($"memory {Convert.ToHexString(od[..28])}, not {Convert.ToHexString(td[..28])}");
                break;
            }
        }

        if (d.Count == 0)
            return null;
        StringBuilder state = new();
        for (int r = 0; r < 8; r++)
            state.Append(CultureInfo.InvariantCulture, $" {Text(was.Slice(32 + (r * 16), 10))}");
        ReadOnlySpan<byte> data = request.In.Data;
        return $"{i}: {string.Join("; ", d)} | cw {BitConverter.ToUInt16(was):x} sw {BitConverter.ToUInt16(was[2..]):x} tags {was[4]:x} mem {Convert.ToHexString(data[..10])} st{state}";
    }

    /// <summary>The last instruction and operand are kept on an error only, or always: processors differ.</summary>
    private static bool IsPointer(Mnemonic m, int offset) => m is Mnemonic.Fnstenv or Mnemonic.Fnsave && offset is >= 12 and < 28;

    private static bool Close(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        UInt128 x = Ordered(a), y = Ordered(b);
        return (x > y ? x - y : y - x) <= 1;
    }

    /// <summary>Magnitudes as consecutive integers: the leading bit is implied by the exponent.</summary>
    private static UInt128 Ordered(ReadOnlySpan<byte> v) => ((UInt128)BitConverter.ToUInt16(v[8..]) << 63) + (BitConverter.ToUInt64(v) & 0x7FFF_FFFF_FFFF_FFFF);

    private static string Text(ReadOnlySpan<byte> v) => $"{BitConverter.ToUInt16(v[8..]):x4}:{BitConverter.ToUInt64(v):x16}";
}
