using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;

namespace XenSim.Simulator.Debugging.State;

/// <summary>The state of a session at one moment: copies of what can change. What did not change since the capture before is shared with it.</summary>
internal sealed class StateCapture : IDisposable
{
    private readonly StateGraph _graph;
    private readonly List<(object Target, SharedCopy Copy, ObjectShape Shape)> _objects;
    private readonly List<(PhysicalMemory Memory, MemorySnapshot Snapshot)> _memories;
    private readonly List<(VirtualCpu Cpu, CpuSnapshot Snapshot)> _cpus;

    private bool _disposed;

    internal StateCapture(
        StateGraph graph, List<(object Target, SharedCopy Copy, ObjectShape Shape)> objects, List<(PhysicalMemory Memory, MemorySnapshot Snapshot)> memories,
        List<(VirtualCpu Cpu, CpuSnapshot Snapshot)> cpus)
        => (_graph, _objects, _memories, _cpus) = (graph, objects, memories, cpus);

    public int Objects => _objects.Count;

    /// <summary>Puts every object back to what it was, in place.</summary>
    public void Restore()
    {
        foreach ((object target, SharedCopy copy, ObjectShape shape) in _objects)
        {
            if (copy is ChunkedBytes chunks)
                chunks.CopyTo((Array)target, shape);
            else if (target is Array array)
                Array.Copy((Array)((ObjectCopy)copy).Value, array, array.Length);
            else
                shape.CopyFields!(((ObjectCopy)copy).Value, target);
        }

        foreach ((VirtualCpu cpu, CpuSnapshot snapshot) in _cpus)
            cpu.Restore(snapshot);
        foreach ((PhysicalMemory memory, MemorySnapshot snapshot) in _memories)
            memory.Restore(snapshot);
    }

    /// <summary>Its copies, those that others hold as well included.</summary>
    internal IEnumerable<SharedCopy> Copies => _objects.Select(o => o.Copy);

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _graph.LetGo(this);
        foreach ((_, MemorySnapshot snapshot) in _memories)
            snapshot.Dispose();
    }
}
