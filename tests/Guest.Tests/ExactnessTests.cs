using System.Globalization;
using System.Text;
using XenSim.Guest.Cpu;
using XenSim.Guest.Tests.Support;

namespace XenSim.Guest.Tests;

/// <summary>
/// Stopping anywhere changes nothing: random programs of stores into their own code, accesses across pages that end in a read-only and
/// a missing page, strings that fault half-way and read-modify-writes, cut at random points with TLB flushes, end as in single steps.
/// </summary>
public sealed class ExactnessTests
{
    private const ulong Code = 0x40_0000, Data = 0x50_0000, Stack = 0x60_0000;
    private const int Instructions = 400;

    /// <summary>XENSIM_EXACTNESS: programs for each mode; the default keeps CI short.</summary>
    private static readonly int Programs = int.TryParse(Environment.GetEnvironmentVariable("XENSIM_EXACTNESS"), NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n : 60;

    /// <summary>32- and 64-bit code alike; EBX, ESI, EDI, EBP point to interesting places.</summary>
    private static readonly byte[][] Templates =
    [
        [0x01, 0x03], [0x31, 0x4B, 0x04], [0x87, 0x03], [0x0F, 0xB1, 0x0B], [0x0F, 0xC1, 0x13], [0xFF, 0x03], [0xF7, 0x1B], [0xC1, 0x03, 0x05], [0x0F, 0xAB, 0x03],
        [0x11, 0x43, 0xFD], [0x8B, 0x53, 0x01], [0x89, 0x0B], [0x66, 0x89, 0x03], [0x88, 0x13], [0x0F, 0xA4, 0x03, 0x03], [0xA4], [0xA5], [0xAA], [0xAB], [0xA7], [0xAF], [0xAC],
        [0xF3, 0xA4], [0xF3, 0xA5], [0xF3, 0xAA], [0xF3, 0xAB], [0xF3, 0xA6], [0xF2, 0xAE], [0x50], [0x51], [0x58], [0x5A], [0x9C], [0xFC], [0xFD],
        [0xC6, 0x45, 0x00, 0x90], [0x88, 0x45, 0x03], [0xC7, 0x45, 0x00, 0x90, 0x90, 0x90, 0x90], [0xFF, 0x45, 0x01],
        [0x75, 0x03], [0x72, 0x02], [0xEB, 0x01], [0x78, 0xF6], [0xE2, 0xFA], [0xF7, 0xF1], [0xF7, 0xE2], [0x0F, 0xAF, 0xC2], [0x99], [0xD1, 0xD8], [0x0F, 0xB6, 0xC0], [0xF8], [0xF5],
        [0xD9, 0x03], [0xDD, 0x1B], [0xDB, 0x3B], [0xD8, 0xC1], [0xD9, 0xE8],
    ];

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void A_program_cut_anywhere_ends_as_in_single_steps(int bits)
    {
        int faults = 0;
        for (int seed = 0; seed < Programs; seed++)
        {
            byte[] program = Make(new Random(seed));
            string expected = Run(bits, program, _ => 1, null, out int faulted);
            faults += faulted;
            for (int cut = 0; cut < 3; cut++)
            {
                Random random = new((seed * 3) + cut);
                int longest = 1 << random.Next(1, 9);
                string ours = Run(bits, program, left => random.Next(1, Math.Min(left, longest) + 1), random, out _);
                Assert.True(expected == ours, $"program {seed}, cut {cut}:\n{expected}\n{ours}");
            }
        }

        // The programs must reach what they are for.
        Assert.True(faults > Programs, $"{faults} faults in {Programs} programs");
    }

    private static byte[] Make(Random random)
    {
        List<byte> code = [];
        while (code.Count < 0x1F80)
        {
            if (random.Next(4) == 0)
            {
                // mov $address,%reg: near the ends of the data pages, or into the code.
                int register = random.Next(5) switch { 0 => 3, 1 => 6, 2 => 7, 3 => 5, _ => 1 };
                uint value = register switch
                {
                    1 => (uint)random.Next(1, 40),
                    5 => (uint)Code + (uint)random.Next(0x1FF0),
                    _ => (uint)Data + (uint)((0x1000 * random.Next(1, 4)) - random.Next(-2, 24)),
                };
                code.Add((byte)(0xB8 + register));
                code.AddRange(BitConverter.GetBytes(value));
            }
            else
            {
                code.AddRange(Templates[random.Next(Templates.Length)]);
            }
        }

        return [.. code];
    }

    private static string Run(int bits, byte[] program, Func<int, int> slice, Random? flushes, out int faults)
    {
        using Machine m = new(bits);
        for (ulong i = 0; i < 2; i++)
        {
            m.Map(Code + (i * 0x1000), 0x200 + i);
            m.Map(Data + (i * 0x1000), 0x210 + i);
            m.Map(Stack + (i * 0x1000), 0x220 + i);
        }

        m.Map(Data + 0x2000, 0x212, 5);
        m.Code(Code, program);
        foreach (Gpr g in new[] { Gpr.Rbx, Gpr.Rsi, Gpr.Rdi })
            m.Cpu[g] = Data + 0xFFC;
        (m.Cpu[Gpr.Rbp], m.Cpu[Gpr.Rsp], m.Cpu[Gpr.Rcx]) = (Code + 0x800, Stack + 0x1000, 5);
        m.Cpu.Rip = Code;
        StringBuilder log = new();
        faults = 0;
        while (m.Cpu.RetiredInstructions < Instructions)
        {
            CpuExit exit = m.Cpu.Run(slice(Instructions - (int)m.Cpu.RetiredInstructions));
            if (flushes?.Next(4) == 0)
                m.Cpu.FlushTlb();
            if (exit.Reason == ExitReason.BudgetSpent)
                continue;
            faults++;
            log.Append(CultureInfo.InvariantCulture, $"{m.Cpu.RetiredInstructions}:{exit.Reason}.{exit.Vector}.{exit.ErrorCode:x}@{m.Cpu.Rip:x},{exit.Address:x} ");
            bool lost = m.Cpu.Rip < Code || m.Cpu.Rip >= Code + 0x1F80 || exit.NextRip == m.Cpu.Rip;
            m.Cpu.CompleteInstruction(lost ? Code + 0x10 : exit.NextRip);
            // Out of the way of what faulted.
            (m.Cpu[Gpr.Rsp], m.Cpu[Gpr.Rdi], m.Cpu[Gpr.Rsi]) = (Stack + 0x1000, Data + 0xFF0, Data + 0x1FF0);
        }

        byte[] fx = new byte[512];
        m.Cpu.SaveFx(fx);
        log.Append(CultureInfo.InvariantCulture, $"| {m.Cpu.RetiredInstructions} {m.Cpu.Rip:x} {m.Cpu.Rflags:x}");
        for (int r = 0; r < 16; r++)
            log.Append(CultureInfo.InvariantCulture, $" {m.Cpu[(Gpr)r]:x}");
        foreach (ulong f in new ulong[] { 0x200, 0x201, 0x210, 0x211, 0x212, 0x220, 0x221 })
            log.Append(' ').Append(Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(m.Memory.Readable(f)))[..8]);
        log.Append(' ').Append(Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(fx))[..8]);
        return log.ToString();
    }
}
