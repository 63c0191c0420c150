using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;

namespace XenSim.Simulator.Debugging.State;

/// <summary>The state of a session at one moment: copies of what can change. What did not change since the capture before is shared with it.</summary>
internal sealed class StateCapture : IDisposable
{
    private readonly List<(object Target, object Copy, ObjectShape Shape)> _objects;
    private readonly List<(PhysicalMemory Memory, MemorySnapshot Snapshot)> _memories;
    private readonly List<(VirtualCpu Cpu, CpuSnapshot Snapshot)> _cpus;

    internal StateCapture(
        List<(object Target, object Copy, ObjectShape Shape)> objects, List<(PhysicalMemory Memory, MemorySnapshot Snapshot)> memories, List<(VirtualCpu Cpu, CpuSnapshot Snapshot)> cpus, long bytes)
        => (_objects, _memories, _cpus, Bytes) = (objects, memories, cpus, bytes);

    /// <summary>What it alone takes of managed memory, about. Unit: bytes.</summary>
    public long Bytes { get; }

    public int Objects => _objects.Count;

    /// <summary>Puts every object back to what it was, in place.</summary>
    public void Restore()
    {
        foreach ((object target, object copy, ObjectShape shape) in _objects)
        {
            if (copy is ChunkedBytes chunks)
                chunks.CopyTo((Array)target, shape);
            else if (target is Array array)
                Array.Copy((Array)copy, array, array.Length);
            else
                shape.CopyFields!(copy, target);
        }

        foreach ((VirtualCpu cpu, CpuSnapshot snapshot) in _cpus)
            cpu.Restore(snapshot);
        foreach ((PhysicalMemory memory, MemorySnapshot snapshot) in _memories)
            memory.Restore(snapshot);
    }

    public void Dispose()
    {
        foreach ((_, MemorySnapshot snapshot) in _memories)
            snapshot.Dispose();
    }
}
