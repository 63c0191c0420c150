using System.Buffers.Binary;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;

namespace XenSim.Guest.Tests.Support;

/// <summary>A vCPU with flat page tables for tests: linear pages are mapped one by one to chosen frames.</summary>
internal sealed class Machine : IDisposable
{
    public const ulong Root = 1;
    private ulong _nextTable = 2;

    public Machine(int bits = 64, int cpl = 3, Intercepts intercepts = Intercepts.ParavirtualGuest, ulong frames = 4096, ICpuPolicy? policy = null)
    {
        Memory = new PhysicalMemory(frames);
        Cpu = new VirtualCpu(Memory, policy ?? new FixedPolicy(), intercepts);
        bool longMode = bits == 64;
        ushort code = (ushort)(longMode ? 0xA09B : bits == 32 ? 0xC09B : 0x009B);
        ushort data = (ushort)(bits == 16 ? 0x0093 : 0xC093);
        uint limit = bits == 16 ? 0xFFFF : uint.MaxValue;
        int dpl = cpl << 5;
        Cpu.Cr4 = 0x20 | 0x200 | 0x10000;
        Cpu.Efer = longMode ? 0xD01u : 0x800u;
        Cpu.Cr3 = Root << 12;
        Cpu.Cr0 = 0x8001_0033;
        Cpu.SetSegment(SegmentName.Cs, new SegmentRegister((ushort)(0x08 | cpl), 0, limit, (ushort)(code | dpl)));
        foreach (SegmentName name in new[] { SegmentName.Ss, SegmentName.Ds, SegmentName.Es, SegmentName.Fs, SegmentName.Gs })
            Cpu.SetSegment(name, new SegmentRegister((ushort)(0x10 | cpl), 0, limit, (ushort)(data | dpl)));
        Cpu.Cpl = cpl;
        Cpu.Rflags = 0x202;
        LongMode = longMode;
    }

    public PhysicalMemory Memory { get; }

    public VirtualCpu Cpu { get; }

    public bool LongMode { get; }

    /// <summary>Maps a linear page. Flags are those of the leaf; upper levels allow everything.</summary>
    public void Map(ulong linear, ulong frame, ulong flags = 7)
    {
        ulong table = Root;
        for (int level = LongMode ? 4 : 3; level > 1; level--)
        {
            int index = (int)(linear >> (12 + ((level - 1) * 9))) & (level == 3 && !LongMode ? 3 : 511);
            ulong entry = Entry(table, index);
            if ((entry & 1) == 0)
            {
                entry = (_nextTable++ << 12) | (level == 3 && !LongMode ? 1u : 7u);
                SetEntry(table, index, entry);
            }

            table = (entry >> 12) & 0xFF_FFFF_FFFF;
        }

        SetEntry(table, (int)(linear >> 12) & 511, (frame << 12) | flags);
        Cpu.FlushTlb();
    }

    public ulong Entry(ulong table, int index) => BinaryPrimitives.ReadUInt64LittleEndian(Memory.Readable(table)[(index * 8)..]);

    public void SetEntry(ulong table, int index, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Memory.Writable(table)[(index * 8)..], value);

    /// <summary>Writes code into a frame mapped at 0x10000 + frame.</summary>
    public void Code(ulong linear, params ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            if (!Cpu.TryTranslate(new LinearAddress(linear + (ulong)i), AccessKind.Read, 0, out PhysicalAddress p, out _))
                throw new InvalidOperationException("not mapped");
            Memory.TryWrite(p, bytes.Slice(i, 1));
        }
    }

    public void Dispose()
    {
        Cpu.Dispose();
        Memory.Dispose();
    }
}

/// <summary>Every feature, told to the guest too: nothing is refused for CPUID's sake, no bit of CR4 either.</summary>
internal sealed class EveryFeaturePolicy : ICpuPolicy
{
    public CpuidResult Cpuid(uint leaf, uint subleaf) => new FixedPolicy().Hardware(leaf, subleaf);

    public ulong ReadTsc(long retiredInstructions) => (ulong)retiredInstructions;
}

/// <summary>CPUID answers its leaf back; the TSC is the instruction count.</summary>
internal sealed class FixedPolicy : ICpuPolicy
{
    public CpuidResult Cpuid(uint leaf, uint subleaf) => new(leaf, subleaf, 0x1234, 0x5678);

    /// <summary>Every feature, so that nothing is refused for CPUID's sake.</summary>
    public CpuidResult Hardware(uint leaf, uint subleaf) => new(leaf == 0xD && subleaf == 0 ? 7 : uint.MaxValue, uint.MaxValue, uint.MaxValue, leaf == 0xD ? 0 : uint.MaxValue);

    public ulong ReadTsc(long retiredInstructions) => (ulong)retiredInstructions;
}
