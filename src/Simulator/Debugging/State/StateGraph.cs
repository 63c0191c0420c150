using System.Runtime.InteropServices;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;

namespace XenSim.Simulator.Debugging.State;

/// <summary>
/// Captures everything that can be reached from a session's roots, whatever its classes: nobody who adds one has to think of the debugger. What cannot be
/// captured is refused by name.
/// </summary>
internal sealed class StateGraph : StateWalk
{
    /// <summary>What copying an object costs besides its fields. Unit: bytes.</summary>
    private const int ObjectOverhead = 64;

    private readonly object[] _roots;
    private readonly Dictionary<object, Node> _nodes = new(ReferenceEqualityComparer.Instance);
    private List<(object Target, object Copy, ObjectShape Shape)> _objects = [];
    private List<(PhysicalMemory Memory, MemorySnapshot Snapshot)> _memories = [];
    private List<(VirtualCpu Cpu, CpuSnapshot Snapshot)> _cpus = [];
    private bool _constants;
    private int _round;
    private long _bytes;

    /// <param name="constants">What nothing changes any more, with all that it refers to: inputs and tables.</param>
    public StateGraph(IEnumerable<object> roots, IEnumerable<object> constants)
    {
        _roots = [.. roots];
        _constants = true;
        foreach (object o in constants)
            Push(o);
        WalkAll();
        _constants = false;
    }

    public StateCapture Capture()
    {
        _round++;
        _bytes = 0;
        _objects = new(_objects.Count + 64);
        _memories = [];
        _cpus = [];
        foreach (object root in _roots)
            Push(root);
        WalkAll();
        Purge();
        return new StateCapture(_objects, _memories, _cpus, _bytes);
    }

    protected override bool Enter(object o)
    {
        ref Node? node = ref CollectionsMarshal.GetValueRefOrAddDefault(_nodes, o, out _);
        node ??= new Node(o is Delegate or PhysicalMemory or VirtualCpu ? null : ObjectShape.Of(o.GetType())) { IsConstant = _constants };
        if (node.Round == _round && node.IsSeen || (node.IsConstant && !_constants))
            return false;
        node.IsSeen = true;
        node.Round = _round;
        if (_constants)
            return true;
        if (o is PhysicalMemory memory)
            Add(memory, memory.Capture());
        else if (o is VirtualCpu cpu)
            _cpus.Add((cpu, cpu.Capture()));
        else if (node.Shape is { IsMutable: true } shape)
            _objects.Add((o, node.Copy = CopyOf(o, shape, node.Copy), shape));
        return true;
    }

    private void Add(PhysicalMemory memory, MemorySnapshot snapshot)
    {
        _memories.Add((memory, snapshot));
        _bytes += snapshot.Bytes;
    }

    private object CopyOf(object o, ObjectShape shape, object? before)
    {
        if (shape.IsBytes)
        {
            ChunkedBytes chunks = ChunkedBytes.Of((Array)o, shape, before as ChunkedBytes, out long fresh);
            _bytes += fresh;
            return chunks;
        }

        if (o is Array array)
        {
            Span<byte> bytes = ChunkedBytes.BytesOf(array, shape);
            if (before is Array known && known.LongLength == array.LongLength && bytes.SequenceEqual(ChunkedBytes.BytesOf(known, shape)))
                return before;
            _bytes += ObjectOverhead + bytes.Length;
            return array.Clone();
        }

        if (before is not null && shape.Same?.Invoke(o, before) == true)
            return before;
        _bytes += ObjectOverhead + (8 * shape.Fields.Count);
        return ObjectShape.Clone(o);
    }

    /// <summary>Forgets objects that were not there any more, when they have become many.</summary>
    private void Purge()
    {
        if (_nodes.Count < 4096 || _nodes.Count < 2 * _objects.Count)
            return;
        foreach ((object o, Node node) in _nodes)
        {
            if (!node.IsConstant && node.Round != _round)
                _nodes.Remove(o);
        }
    }

    private sealed class Node(ObjectShape? shape)
    {
        public ObjectShape? Shape => shape;

        public object? Copy { get; set; }

        public int Round { get; set; }

        public bool IsSeen { get; set; }

        /// <summary>Reached from the constants.</summary>
        public bool IsConstant { get; init; }
    }
}
