using XenSim.Guest.Cpu;

namespace XenSim.Simulator.Session;

/// <summary>A vCPU's registers by the manuals' lower-case names.</summary>
public static class EntryRegisters
{
    private static readonly (string Name, Func<VirtualCpu, ulong> Read)[] s_registers =
    [
        .. Enum.GetValues<Gpr>().Select(g => (g.ToString().ToLowerInvariant(), (Func<VirtualCpu, ulong>)(c => c[g]))),
        ("rip", c => c.Rip),
        ("rflags", c => c.Rflags),
        .. Enum.GetValues<SegmentName>().Select(s => (s.ToString().ToLowerInvariant(), (Func<VirtualCpu, ulong>)(c => c.GetSegment(s).Selector))),
        ("cr0", c => c.Cr0),
        ("cr3", c => c.Cr3),
        ("cr4", c => c.Cr4),
        ("efer", c => c.Efer),
        ("cpl", c => (ulong)c.Cpl),
        ("dr6", c => c.GetDebugRegister(6)),
        ("dr7", c => c.GetDebugRegister(7)),
    ];

    public static IEnumerable<string> Names => s_registers.Select(r => r.Name);

    public static IReadOnlyDictionary<string, ulong> Capture(VirtualCpu cpu) => s_registers.ToDictionary(r => r.Name, r => r.Read(cpu));
}
