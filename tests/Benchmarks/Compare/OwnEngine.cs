using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;

namespace XenSim.Benchmarks.Compare;

/// <summary>Our vCPU as a bare machine: real mode at the image's start, all exceptions through the guest's own IDT.</summary>
public sealed class OwnEngine : IEmulator
{
    private const ulong MemoryFrames = 64 << 8;

    private readonly long[] _instructions = new long[Workload.All.Count];

    public string Name => "XenSim";

    /// <summary>Instructions of each workload in the last run, exact.</summary>
    public IReadOnlyList<long> Instructions => _instructions;

    /// <summary>Bytes that the managed heap gave out during each workload of the last run.</summary>
    public long[] Allocated { get; } = new long[Workload.All.Count];

    public double?[] Run(byte[] image)
    {
        using PhysicalMemory memory = new(MemoryFrames);
        using VirtualCpu cpu = new(memory, new Policy(), Intercepts.Ports | Intercepts.Halt);
        if (!memory.TryWrite(new PhysicalAddress(Workload.LoadAddress), image.AsSpan(Workload.SectorSize)))
            throw new InvalidOperationException("the image does not fit");
        cpu.SetSegment(SegmentName.Cs, new SegmentRegister((ushort)(Workload.LoadAddress >> 4), Workload.LoadAddress, 0xFFFF, 0x9B));
        cpu.Rip = 0;
        double?[] times = new double?[Workload.All.Count];
        double begun = 0;
        for (; ; )
        {
            CpuExit exit = cpu.Run(long.MaxValue / 4);
            if (exit.Reason == ExitReason.Halt)
                return times;
            if (exit.Reason is not (ExitReason.PortIn or ExitReason.PortOut))
                throw new InvalidOperationException($"the image stopped with {exit.Reason} {cpu.UnimplementedText} at {cpu.Rip:x}");
            if (exit is { Reason: ExitReason.PortOut, Operand: Workload.MarkPort } && Workload.TryMark((byte)cpu[Gpr.Rax], out int number, out bool ends))
            {
                double now = ProcessorTime.OfThisThread();
                if (ends)
                {
                    times[number] = now - begun;
                    _instructions[number] = cpu.RetiredInstructions - _instructions[number];
                    Allocated[number] = GC.GetAllocatedBytesForCurrentThread() - Allocated[number];
                }
                else
                {
                    begun = now;
                    _instructions[number] = cpu.RetiredInstructions;
                    Allocated[number] = GC.GetAllocatedBytesForCurrentThread();
                }
            }

            cpu.Rip = exit.NextRip;
        }
    }

    private sealed class Policy : ICpuPolicy
    {
        // Everything: nothing in the image is refused for CPUID's sake.
        public CpuidResult Cpuid(uint leaf, uint subleaf) => new(uint.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue);

        public ulong ReadTsc(long retiredInstructions) => (ulong)retiredInstructions;
    }
}
