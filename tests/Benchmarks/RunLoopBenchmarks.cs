using BenchmarkDotNet.Attributes;
using Iced.Intel;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using static Iced.Intel.AssemblerRegisters;

namespace XenSim.Benchmarks;

/// <summary>A million instructions of a warm loop with a load, a store and two branches: the run loop must not allocate. The peer is the same loop in C#.</summary>
[MemoryDiagnoser]
[Config(typeof(WarmCode))]
public class RunLoopBenchmarks : IDisposable
{
    private const long Instructions = 1_000_000;
    private const int InstructionsPerRound = 8;
    private const ulong Code = 0x1000;
    private const ushort Data = 0x2000;

    private readonly ushort[] _words = new ushort[1];
    private PhysicalMemory? _memory;
    private VirtualCpu? _cpu;

    [GlobalSetup]
    public void Prepare()
    {
        Assembler a = new(16);
        Label again = a.CreateLabel(), even = a.CreateLabel();
        a.Label(ref again);
        a.mov(ax, __word_ptr[Data]);
        a.add(ax, 3);
        a.test(al, 1);
        a.je(even);
        a.xor(ax, 0x55);
        a.Label(ref even);
        a.mov(__word_ptr[Data], ax);
        a.inc(bx);
        a.jmp(again);
        using MemoryStream code = new();
        a.Assemble(new StreamCodeWriter(code), Code);
        _memory = new PhysicalMemory(16);
        _memory.TryWrite(new PhysicalAddress(Code), code.ToArray());
        _cpu = new VirtualCpu(_memory, new NoPolicy(), Intercepts.None);
        _cpu.SetSegment(SegmentName.Cs, new SegmentRegister(0, 0, 0xFFFF, 0x9B));
        _cpu.Rip = Code;
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _cpu?.Dispose();
        _memory?.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark(Baseline = true, Description = "the loop in C#")]
    public int Native()
    {
        int count = 0;
        for (long i = 0; i < Instructions / InstructionsPerRound; i++)
        {
            ushort x = (ushort)(Volatile.Read(ref _words[0]) + 3);
            if ((x & 1) != 0)
                x ^= 0x55;
            Volatile.Write(ref _words[0], x);
            count++;
        }

        return count;
    }

    [Benchmark(Description = "a million guest instructions")]
    public CpuExit Guest()
    {
        CpuExit exit = _cpu!.Run(Instructions);
        return exit.Reason == ExitReason.BudgetSpent ? exit : throw new InvalidOperationException($"the loop left with {exit.Reason}");
    }

    private sealed class NoPolicy : ICpuPolicy
    {
        public CpuidResult Cpuid(uint leaf, uint subleaf) => default;

        public ulong ReadTsc(long retiredInstructions) => 0;
    }
}
