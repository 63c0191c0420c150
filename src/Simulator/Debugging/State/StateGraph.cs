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
    /// <summary>What copying an object costs besides its fields, and what a capture notes of each object. Unit: bytes.</summary>
    private const int ObjectOverhead = 88, NoteBytes = 24;

    private readonly object[] _roots;
    private readonly Dictionary<object, Node> _nodes = new(ReferenceEqualityComparer.Instance);
    private List<(object Target, SharedCopy Copy, ObjectShape Shape)> _objects = [];
    private List<(PhysicalMemory Memory, MemorySnapshot Snapshot)> _memories = [];
    private List<(VirtualCpu Cpu, CpuSnapshot Snapshot)> _cpus = [];
    private bool _constants;
    private int _round;

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

    /// <summary>What the captures that are not disposed take of managed memory together, about: what they share counts once. Pages and their tables do not belong to it. Unit: bytes.</summary>
    public long Bytes { get; private set; }

    public StateCapture Capture()
    {
        _round++;
        _objects = new(_objects.Count + 64);
        _memories = [];
        _cpus = [];
        foreach (object root in _roots)
            Push(root);
        WalkAll();
        Purge();
        StateCapture capture = new(this, _objects, _memories, _cpus);
        Bytes += NotesOf(capture) + capture.Copies.Sum(c => c.Hold());
        return capture;
    }

    internal void LetGo(StateCapture capture) => Bytes -= NotesOf(capture) + capture.Copies.Sum(c => c.LetGo());

    private static long NotesOf(StateCapture capture) => (long)capture.Objects * NoteBytes;

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
            _memories.Add((memory, memory.Capture()));
        else if (o is VirtualCpu cpu)
            _cpus.Add((cpu, cpu.Capture()));
        else if (node.Shape is { IsMutable: true } shape)
            _objects.Add((o, node.Copy = CopyOf(o, shape, node.Copy), shape));
        return true;
    }

    private static SharedCopy CopyOf(object o, ObjectShape shape, SharedCopy? before)
    {
        if (shape.IsBytes)
            return ChunkedBytes.Of((Array)o, shape, before as ChunkedBytes);
        object? last = (before as ObjectCopy)?.Value;

        if (o is Array array)
        {
            Span<byte> bytes = ChunkedBytes.BytesOf(array, shape);
            if (last is Array known && known.LongLength == array.LongLength && bytes.SequenceEqual(ChunkedBytes.BytesOf(known, shape)))
                return before!;
            return new ObjectCopy(array.Clone(), ObjectOverhead + bytes.Length);
        }

        if (last is not null && shape.Same?.Invoke(o, last) == true)
            return before!;
        return new ObjectCopy(ObjectShape.Clone(o), ObjectOverhead + (8 * shape.Fields.Count));
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

        public SharedCopy? Copy { get; set; }

        public int Round { get; set; }

        public bool IsSeen { get; set; }

        /// <summary>Reached from the constants.</summary>
        public bool IsConstant { get; init; }
    }
}
