using XenSim.Simulator.Debugging.State;

namespace XenSim.Simulator.Tests.Debugging;

/// <summary>Captured objects: what is kept, put back, shared and refused.</summary>
public sealed class StateTests
{
    [Fact]
    public void Everything_that_can_be_reached_is_put_back_in_place()
    {
        Node root = Node.Filled();
        StateGraph graph = new([root], []);
        using StateCapture capture = graph.Capture();
        string before = StateDigest.Of([root]);
        Node inner = root.Next!;
        root.Spoil();
        Assert.NotEqual(before, StateDigest.Of([root]));
        capture.Restore();
        Assert.Equal(before, StateDigest.Of([root]));
        Assert.Same(inner, root.Next);
        Assert.Equal(7, root.Captured());
    }

    [Fact]
    public void A_capture_outlives_later_ones_and_can_be_put_back_twice()
    {
        Node root = Node.Filled();
        StateGraph graph = new([root], []);
        using StateCapture first = graph.Capture();
        string one = StateDigest.Of([root]);
        root.Spoil();
        using StateCapture second = graph.Capture();
        string two = StateDigest.Of([root]);
        foreach ((StateCapture capture, string digest) in ((StateCapture, string)[])[(first, one), (second, two), (first, one), (first, one), (second, two)])
        {
            capture.Restore();
            Assert.Equal(digest, StateDigest.Of([root]));
        }
    }

    [Fact]
    public void What_did_not_change_takes_nothing()
    {
        Node root = Node.Filled();
        StateGraph graph = new([root], []);
        using StateCapture first = graph.Capture();
        long one = graph.Bytes;
        using StateCapture second = graph.Capture();
        Assert.True(one > 400_000);
        Assert.InRange(graph.Bytes - one, 1, 1_000);
    }

    [Fact]
    public void What_others_share_is_counted_until_the_last_lets_it_go()
    {
        Node root = Node.Filled();
        StateGraph graph = new([root], []);
        using StateCapture first = graph.Capture();
        long one = graph.Bytes;
        root.Spoil();
        StateCapture second = graph.Capture();
        long two = graph.Bytes;
        using StateCapture third = graph.Capture();

        // The third needs nothing of its own, so when the second goes nothing but its list does.
        second.Dispose();
        Assert.True(two - one > 16_384);
        Assert.InRange(graph.Bytes, two - 100, two + 100);
        third.Dispose();
        Assert.Equal(one, graph.Bytes);
        second.Dispose();
        Assert.Equal(one, graph.Bytes);
    }

    [Theory]
    [InlineData(typeof(MemoryStream), "a stream")]
    [InlineData(typeof(SemaphoreSlim), "a thread")]
    [InlineData(typeof(Native), "_pointer points to")]
    public void What_cannot_be_put_back_is_refused_by_name(Type type, string why)
    {
        object[] holder = [Activator.CreateInstance(type, type == typeof(SemaphoreSlim) ? [1] : [])!];
        if (type == typeof(SemaphoreSlim))
            _ = ((SemaphoreSlim)holder[0]).AvailableWaitHandle;
        NotSupportedException e = Assert.Throws<NotSupportedException>(() => new StateGraph(holder, []).Capture());
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    private sealed class Native
    {
        private readonly nint _pointer = 1;

        public override string ToString() => $"{_pointer}";
    }

    private struct Pair
    {
        public int Number;
        public Node? Node;
    }

    private class Base
    {
        private int _hidden = 1;

        protected void Hide() => _hidden++;
    }

    private sealed class Node : Base
    {
        private readonly List<string> _words = [];
        private readonly Dictionary<string, Pair> _table = [];
        private readonly int[] _numbers = new int[50_000];
        private readonly Node?[] _nodes = new Node?[3];
        private Pair _pair;
        private double _fraction;
        private (int A, Node? B) _tuple;

        public Node? Next { get; set; }

        public Func<int> Captured { get; private set; } = () => 0;

        private Action Change { get; set; } = () => { };

        public override string ToString() => $"{_fraction} {_tuple.A} {_pair.Number}";

        public static Node Filled()
        {
            int local = 7;
            Node n = new() { Next = new Node(), Captured = () => local, Change = () => local++, _fraction = 0.5 };
            n._words.AddRange(["a", "b"]);
            n._table["x"] = new Pair { Number = 1, Node = n.Next };
            n._numbers[49_999] = 3;
            n._nodes[1] = n;
            n._pair = new Pair { Number = 2, Node = n };
            n._tuple = (5, n.Next);
            return n;
        }

        public void Spoil()
        {
            Hide();
            Change();
            _words.Clear();
            _words.AddRange(Enumerable.Repeat("c", 100));
            _table["y"] = default;
            _table.Remove("x");
            _numbers[49_999] = 4;
            _numbers[0] = 1;
            _nodes[1] = Next;
            _pair.Number = 9;
            _fraction = -1;
            _tuple = default;
            Next!._numbers[7] = 1;
            Next = new Node();
        }
    }
}
