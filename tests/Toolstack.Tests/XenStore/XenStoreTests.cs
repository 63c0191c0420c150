using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Toolstack.Daemons;
using XenSim.Toolstack.Libxl;
using XenSim.Toolstack.XenStore;

namespace XenSim.Toolstack.Tests.XenStore;

/// <summary>xenstored against the trace of a real one (Data/ORIGIN.md) and the rules of xenstored_core.c.</summary>
public sealed class XenStoreTests
{
    private static readonly DomainId Guest = new(1);

    [Fact]
    public void The_requests_that_real_xl_made_get_the_replies_that_real_xenstored_gave()
    {
        DaemonSet daemons = Daemons(XenRelease.V4_17, out _);
        daemons.InitialiseDom0();
        XenStored store = daemons.Store;
        StoreConnection xl = store.Connect();
        string[] lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Data", "XenStore", "grub-pv64-requests.txt"));
        uint transaction = 0;
        int compared = 0;
        foreach ((string request, string reply) in Pairs(lines))
        {
            (XenStoreMessage type, byte[] payload) = Parse(request);
            bool inTransaction = type is not (XenStoreMessage.WATCH or XenStoreMessage.UNWATCH or XenStoreMessage.INTRODUCE or XenStoreMessage.GET_DOMAIN_PATH);
            StoreReply got = store.Request(xl, type, inTransaction ? transaction : 0, payload);
            string expected = Text(reply);
            if (expected.Contains("/dev/pts", StringComparison.Ordinal))
                continue;
            Assert.True(expected == (got.Error == XenErrno.None ? got.Text.Replace('\0', ' ') : got.Error.ToString()), $"{request} -> {expected}, got {got.Error} {got.Text}");
            compared++;
            if (type == XenStoreMessage.TRANSACTION_START)
                transaction = uint.Parse(got.Text, System.Globalization.CultureInfo.InvariantCulture);
            else if (type == XenStoreMessage.TRANSACTION_END)
                transaction = 0;
        }

        Assert.True(compared > 80, $"only {compared} replies compared");
    }

    [Fact]
    public void Directories_list_children_in_the_order_of_their_creation()
    {
        ToolStore tools = Tools(XenRelease.V4_17, out _);
        tools.Write(0, "/a/z", "1");
        tools.Write(0, "/a/b", "2");
        tools.Write(0, "/a/z", "3");
        tools.Directory(0, "/a", out IReadOnlyList<string> names);
        Assert.Equal(["z", "b"], names);
    }

    [Fact]
    public void A_transaction_is_seen_by_others_only_when_it_ends()
    {
        ToolStore tools = Tools(XenRelease.V4_17, out XenStored store);
        uint id = tools.TransactionStart();
        tools.Write(id, "/a", "1");
        Assert.Equal(XenErrno.ENOENT, new ToolStore(store).Read(0, "/a", out _));
        Assert.Equal(XenErrno.None, tools.TransactionEnd(id, abort: false));
        Assert.Equal(XenErrno.None, tools.Read(0, "/a", out string value));
        Assert.Equal("1", value);
    }

    // 4.0.4 compares the store's generation, 4.17 those of the nodes the transaction has accessed (xenstored_transaction.c).
    [Fact]
    public void An_unrelated_change_ends_a_transaction_with_EAGAIN_only_in_4_0()
    {
        foreach ((XenRelease release, XenErrno expected) in new[] { (XenRelease.V4_0, XenErrno.EAGAIN), (XenRelease.V4_17, XenErrno.None) })
        {
            ToolStore tools = Tools(release, out _);
            tools.Write(0, "/a", "");
            tools.Write(0, "/b", "");
            uint id = tools.TransactionStart();
            tools.Write(id, "/a", "1");
            tools.Write(0, "/b", "2");
            Assert.Equal(expected, tools.TransactionEnd(id, abort: false));
        }
    }

    [Fact]
    public void A_change_to_what_the_transaction_has_read_ends_it_with_EAGAIN()
    {
        ToolStore tools = Tools(XenRelease.V4_17, out _);
        tools.Write(0, "/a", "1");
        uint id = tools.TransactionStart();
        tools.Read(id, "/a", out _);
        tools.Write(id, "/c", "x");
        tools.Write(0, "/a", "2");
        Assert.Equal(XenErrno.EAGAIN, tools.TransactionEnd(id, abort: false));
        Assert.Equal(XenErrno.ENOENT, tools.Read(0, "/c", out _));
    }

    [Fact]
    public void Removing_what_is_not_there_is_fine_if_its_parent_is()
    {
        ToolStore tools = Tools(XenRelease.V4_17, out _);
        Assert.Equal(XenErrno.ENOENT, tools.Remove(0, "/vm/uuid"));
        tools.Write(0, "/vm", "");
        Assert.Equal(XenErrno.None, tools.Remove(0, "/vm/uuid"));
        Assert.Equal(XenErrno.EINVAL, tools.Remove(0, "/"));
    }

    [Fact]
    public void A_guest_reads_and_writes_its_own_nodes_over_the_ring_and_no_others()
    {
        (DaemonSet daemons, FakeXen xen, GuestRing ring, ToolStore tools) = Introduced();
        tools.Write(0, "/local/domain/1/name", "guest");
        tools.SetPermissions(0, "/local/domain/1/name", [new NodePermission(0, 'n'), new NodePermission(1, 'r')]);
        tools.Write(0, "/local/domain/1/data", "");
        tools.SetPermissions(0, "/local/domain/1/data", [new NodePermission(1, 'n')]);
        tools.Write(0, "/secret", "x");

        ring.Send(XenStoreMessage.READ, 7, 0, "name\0");
        ring.Send(XenStoreMessage.WRITE, 8, 0, "data/x\0value");
        ring.Send(XenStoreMessage.WRITE, 9, 0, "name\0other");
        ring.Send(XenStoreMessage.READ, 10, 0, "/secret\0");
        ring.Send(XenStoreMessage.INTRODUCE, 11, 0, "2\0" + "1\0" + "1\0");
        xen.GuestNotifies(Guest, 3);
        daemons.Poll();

        Assert.Equal((XenStoreMessage.READ, 7u, "guest"), ring.Receive());
        Assert.Equal((XenStoreMessage.WRITE, 8u, "OK\0"), ring.Receive());
        Assert.Equal((XenStoreMessage.ERROR, 9u, "EACCES\0"), ring.Receive());
        Assert.Equal((XenStoreMessage.ERROR, 10u, "EACCES\0"), ring.Receive());
        Assert.Equal((XenStoreMessage.ERROR, 11u, "EACCES\0"), ring.Receive());
        Assert.Null(ring.Receive());
        Assert.Equal(xen.Bound[(1, 3)], xen.Notified[^1]);
        tools.Read(0, "/local/domain/1/data/x", out string value);
        Assert.Equal("value", value);
    }

    [Fact]
    public void A_watch_fires_once_at_once_and_then_for_changes_below_with_relative_paths()
    {
        (DaemonSet daemons, FakeXen xen, GuestRing ring, ToolStore tools) = Introduced();
        tools.Write(0, "/local/domain/1/control", "");
        tools.SetPermissions(0, "/local/domain/1/control", [new NodePermission(0, 'n'), new NodePermission(1, 'r')]);
        ring.Send(XenStoreMessage.WATCH, 1, 0, "control\0token\0");
        xen.GuestNotifies(Guest, 3);
        daemons.Poll();
        Assert.Equal((XenStoreMessage.WATCH, 1u, "OK\0"), ring.Receive());
        Assert.Equal((XenStoreMessage.WATCH_EVENT, 0u, "control\0token\0"), ring.Receive());

        tools.Write(0, "/local/domain/1/control/shutdown", "poweroff");
        daemons.Poll();
        Assert.Equal((XenStoreMessage.WATCH_EVENT, 0u, "control/shutdown\0token\0"), ring.Receive());
        Assert.Null(ring.Receive());
    }

    [Fact]
    public void A_message_in_pieces_and_one_longer_than_the_ring_are_both_taken()
    {
        (DaemonSet daemons, FakeXen xen, GuestRing ring, ToolStore tools) = Introduced();
        tools.Write(0, "/local/domain/1/data", "");
        tools.SetPermissions(0, "/local/domain/1/data", [new NodePermission(1, 'n')]);
        byte[] value = Encoding.Latin1.GetBytes("data/long\0" + new string('v', 1500));
        byte[] message = [11, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, .. BitConverter.GetBytes(value.Length), .. value];
        foreach (byte[] piece in message.Chunk(700))
        {
            ring.SendRaw(piece);
            xen.GuestNotifies(Guest, 3);
            daemons.Poll();
        }

        Assert.Equal((XenStoreMessage.WRITE, 5u, "OK\0"), ring.Receive());
        tools.Read(0, "/local/domain/1/data/long", out string stored);
        Assert.Equal(1500, stored.Length);
    }

    [Fact]
    public void A_guest_with_nonsense_indices_or_an_oversized_message_is_not_served_and_harms_nobody()
    {
        (DaemonSet daemons, FakeXen xen, GuestRing ring, _) = Introduced();
        ring.Set(2052, 5000);
        xen.GuestNotifies(Guest, 3);
        daemons.Poll();
        Assert.Null(ring.Receive());

        (daemons, xen, ring, _) = Introduced();
        ring.SendRaw([2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f]);
        xen.GuestNotifies(Guest, 3);
        daemons.Poll();
        Assert.Null(ring.Receive());
    }

    private static (DaemonSet Daemons, FakeXen Xen, GuestRing Ring, ToolStore Tools) Introduced()
    {
        DaemonSet daemons = Daemons(XenRelease.V4_17, out FakeXen xen);
        var tools = new ToolStore(daemons.Store);
        Assert.Equal(XenErrno.None, tools.Introduce(1, 0x1234, 3));
        return (daemons, xen, new GuestRing(xen.Page(0x1234)), tools);
    }

    private static DaemonSet Daemons(XenRelease release, out FakeXen xen)
    {
        xen = new FakeXen();
        return new DaemonSet(release, xen, xen, xen, xen);
    }

    private static ToolStore Tools(XenRelease release, out XenStored store)
    {
        store = Daemons(release, out _).Store;
        return new ToolStore(store);
    }

    private static IEnumerable<(string Request, string Reply)> Pairs(string[] lines)
    {
        string? request = null;
        foreach (string line in lines)
        {
            if (line.StartsWith("IN ", StringComparison.Ordinal))
            {
                request = line;
            }
            else if (line.StartsWith("OUT ", StringComparison.Ordinal) && !line.Contains("WATCH_EVENT", StringComparison.Ordinal) && request is not null)
            {
                yield return (request, line);
                request = null;
            }
        }
    }

    /// <summary>The trace writes a NUL as a blank.</summary>
    private static (XenStoreMessage Type, byte[] Payload) Parse(string line)
    {
        string name = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        XenStoreMessage type = Enum.Parse<XenStoreMessage>(name);
        string text = line[(line.IndexOf('(', StringComparison.Ordinal) + 1)..line.LastIndexOf(')')];
        if (type == XenStoreMessage.WRITE)
        {
            int blank = text.IndexOf(' ', StringComparison.Ordinal);
            return (type, Encoding.Latin1.GetBytes(text[..blank] + "\0" + text[(blank + 1)..]));
        }

        return (type, Encoding.Latin1.GetBytes(text.Replace(' ', '\0')));
    }

    private static string Text(string line) => line[(line.IndexOf('(', StringComparison.Ordinal) + 1)..line.LastIndexOf(')')].TrimEnd(' ');
}
