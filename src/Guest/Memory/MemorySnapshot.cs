namespace XenSim.Guest.Memory;

/// <summary>The contents of a <see cref="PhysicalMemory"/> at one moment: references to its pages. Dispose gives them back.</summary>
public sealed class MemorySnapshot : IDisposable
{
    private PhysicalMemory? _memory;

    internal MemorySnapshot(PhysicalMemory memory, int[] frames, nint[] pages)
    {
        _memory = memory;
        Frames = frames;
        Pages = pages;
    }

    internal int[] Frames { get; }

    internal nint[] Pages { get; private set; }

    public void Dispose()
    {
        _memory?.Release(Pages);
        _memory = null;
        Pages = [];
    }

    internal bool IsOf(PhysicalMemory memory) => ReferenceEquals(_memory, memory);
}
