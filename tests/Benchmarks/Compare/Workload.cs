namespace XenSim.Benchmarks.Compare;

/// <summary>One part of image.S, by the number in its marks.</summary>
public sealed record Workload(int Number, string Name)
{
    /// <summary>Where an emulator without BIOS loads what follows the boot sector, and starts in real mode.</summary>
    public const ulong LoadAddress = 0x10000;

    /// <summary>Entry in long mode, for the workloads without system registers.</summary>
    public const ulong PlainEntry = 0x10010;

    public const int SectorSize = 512;

    /// <summary>The port that the marks are written to.</summary>
    public const uint MarkPort = 0xE9;

    private const int FirstMark = 0xF0;

    public static IReadOnlyList<Workload> All { get; } =
    [
        new(0, "(a) hot kernel loop"),
        new(1, "(b) cold, 54,000 instructions"),
        new(2, "(c) copies and strings"),
        new(3, "(d) SYSCALL round trip"),
        new(4, "(d) page-fault round trip"),
    ];

    /// <summary>What a byte on <see cref="MarkPort"/> says. False: something else was printed.</summary>
    public static bool TryMark(int value, out int number, out bool ends)
    {
        number = (value - FirstMark) >> 1;
        ends = (value & 1) != 0;
        return value >= FirstMark && number < All.Count;
    }
}

/// <summary>Something that runs the image.</summary>
public interface IEmulator
{
    string Name { get; }

    /// <summary>Processor time of every workload by its number; null: it cannot run that one. Unit: seconds.</summary>
    double?[] Run(byte[] image);
}
