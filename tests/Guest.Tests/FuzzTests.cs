using System.Diagnostics;
using System.Globalization;
using XenSim.Guest.Cpu;
using XenSim.Guest.Tests.Structure;

namespace XenSim.Guest.Tests;

/// <summary>Random bytes as code in every mode, with random system state: never an exception out of the engine, never a hang.</summary>
public sealed class FuzzTests
{
    private const int Budget = 200;

    /// <summary>XENSIM_FUZZ_SECONDS: for each mode; the default keeps CI short.</summary>
    private static readonly int Seconds = int.TryParse(Environment.GetEnvironmentVariable("XENSIM_FUZZ_SECONDS"), NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n : 0;

    [Theory]
    [InlineData(16, 0, false)]
    [InlineData(32, 0, false)]
    [InlineData(32, 3, false)]
    [InlineData(32, 0, true)]
    [InlineData(32, 3, true)]
    [InlineData(64, 0, true)]
    [InlineData(64, 3, true)]
    public void Random_code_in_a_random_state_always_comes_back(int bits, int cpl, bool paging)
    {
        Stopwatch clock = Stopwatch.StartNew();
        Random random = new(bits + cpl);
        byte[] bytes = new byte[256];
        for (int i = 0; i < 1500 || clock.Elapsed.TotalSeconds < Seconds; i += 50)
        {
            using SystemMachine m = new(bits, cpl);
            if (paging && bits == 32)
                m.PagingPae();
            for (int k = 0; k < 50; k++)
            {
                random.NextBytes(bytes);
                m.Write(SystemMachine.Code + (ulong)random.Next(0x1000), bytes);
                Disturb(m, random);
                long before = m.Cpu.RetiredInstructions;
                for (int step = 0; step < 8; step++)
                {
                    CpuExit exit = m.Cpu.Run(Budget);
                    Assert.True(Enum.IsDefined(exit.Reason));
                    if (exit.Reason is ExitReason.TripleFault or ExitReason.BudgetSpent)
                        break;
                    m.Cpu.CompleteInstruction(exit.NextRip);
                }

                Assert.InRange(m.Cpu.RetiredInstructions - before, 0, (Budget + 1) * 8);
            }
        }
    }

    private static void Disturb(SystemMachine m, Random random)
    {
        for (int r = 0; r < 16; r++)
            m[(Gpr)r] = random.Next(4) == 0 ? (ulong)random.NextInt64() : SystemMachine.Data + (ulong)random.Next(0x1_0000);
        m.Cpu.Rip = SystemMachine.Code + (ulong)random.Next(0x1000);
        if (m.Bits == 16)
            m.Cpu.SetSegment(SegmentName.Cs, new SegmentRegister(0x1000, 0x10000, 0xFFFF, 0x9B));
        if (m.Bits == 16)
            m.Cpu.Rip &= 0xFFF;
        uint flags = (uint)random.Next() & 0x47CD5;
        // TF and NT now and then; virtual-8086 mode is reached through IRET only.
        m.Cpu.Rflags = 2 | (random.Next(4) == 0 ? flags : flags & ~0x4100u);
        if (random.Next(4) == 0)
        {
            m.Cpu.SetDebugRegister(random.Next(4), SystemMachine.Data + (ulong)random.Next(0x1000));
            m.Cpu.SetDebugRegister(7, (ulong)random.Next() | 0x400);
        }

        if (random.Next(8) == 0)
            m.Cpu.Inject((byte)random.Next(256));
        if (random.Next(6) == 0)
            m.Write(SystemMachine.Gdt + (ulong)random.Next(0x100), [(byte)random.Next(256)]);
        if (random.Next(6) == 0)
            m.Write(SystemMachine.Idt + (ulong)random.Next(0x1000), [(byte)random.Next(256)]);
        if (random.Next(6) == 0)
            m.Write(0x5000 + (ulong)random.Next(0x6000), [(byte)random.Next(256)]);
        if (random.Next(8) == 0)
            m.Cpu.FlushTlb();
    }
}
