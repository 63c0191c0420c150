using System.Globalization;
using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Toolstack.Daemons;
using XenSim.Toolstack.XenStore;

namespace XenSim.Toolstack.Tests.XenStore;

/// <summary>Transactions, quotas and control requests: RELEASE-4.17.7 and RELEASE-4.0.4 tools/xenstore/xenstored_transaction.c, xenstored_core.c, xenstored_domain.c, xenstored_control.c.</summary>
public sealed class StoreRuleTests
{
    private readonly FakeXen _xen = new();

    private delegate string Client(XenStoreMessage type, uint transaction, string payload);

    // xenstored_transaction.c, "Some notes regarding detection and handling of transaction conflicts": its four examples.
    [Fact]
    public void The_four_examples_of_conflicts_come_out_as_their_notes_say()
    {
        (_, Client tools, _) = Store(XenRelease.V4_17);
        Put(tools, 0, "/A", "a");
        Put(tools, 0, "/B", "b");

        uint one = Start(tools);
        Get(tools, one, "/A");
        Put(tools, one, "/B", "1");
        Assert.Equal("OK", End(tools, one));

        one = Start(tools);
        Get(tools, one, "/A");
        Put(tools, 0, "/A", "2");
        Put(tools, one, "/B", "2");
        Assert.Equal("EAGAIN", End(tools, one));

        one = Start(tools);
        Get(tools, one, "/A");
        tools(XenStoreMessage.RM, 0, "/A\0");
        Put(tools, one, "/B", "3");
        Assert.Equal("EAGAIN", End(tools, one));

        Put(tools, 0, "/A", "a");
        one = Start(tools);
        uint two = Start(tools);
        Get(tools, one, "/A");
        Get(tools, two, "/B");
        Put(tools, one, "/B", "4");
        Put(tools, two, "/A", "4");
        Assert.Equal("OK", End(tools, one));
        Assert.Equal("EAGAIN", End(tools, two));
        Assert.Equal("4 a", $"{Get(tools, 0, "/B")} {Get(tools, 0, "/A")}");
    }

    // access_node copies a node when the transaction first looks at it; 4.0's tdb_copy took the whole store at its start.
    [Theory]
    [InlineData(XenRelease.V4_17, "new new", "OK")]
    [InlineData(XenRelease.V4_0, "old old", "EAGAIN")]
    public void A_transaction_takes_a_node_when_it_first_looks_at_it(XenRelease release, string seen, string end)
    {
        (_, Client tools, _) = Store(release);
        Put(tools, 0, "/a", "old");
        uint id = Start(tools);
        Put(tools, 0, "/a", "new");
        Assert.Equal(seen, $"{Get(tools, id, "/a")} {Get(tools, id, "/a")}");
        Assert.Equal(end, End(tools, id));
    }

    [Fact]
    public void What_it_has_looked_at_stays_as_it_was_and_what_is_made_beside_it_is_a_conflict()
    {
        (_, Client tools, _) = Store(XenRelease.V4_17);
        Put(tools, 0, "/a/x", "1");
        uint id = Start(tools);
        Assert.Equal("x", tools(XenStoreMessage.DIRECTORY, id, "/a\0"));
        Put(tools, 0, "/a/y", "1");
        Assert.Equal("x", tools(XenStoreMessage.DIRECTORY, id, "/a\0"));
        Assert.Equal("1", Get(tools, id, "/a/y")); // itself it is looked at only now
        Assert.Equal("EAGAIN", End(tools, id));

        // A node that is not there is remembered too: NO_GENERATION.
        id = Start(tools);
        Assert.Equal("ENOENT", Get(tools, id, "/b"));
        Put(tools, 0, "/b", "");
        Assert.Equal("EAGAIN", End(tools, id));
    }

    // queue_watches: one event a node, in the order in which the transaction first looked at them. add_change_node of 4.0: in the order of first changes.
    [Theory]
    [InlineData(XenRelease.V4_17, "/w/b /w/a /w/c")]
    [InlineData(XenRelease.V4_0, "/w/a /w/b /w/c")]
    public void The_end_tells_of_each_node_once(XenRelease release, string told)
    {
        (_, Client tools, List<string> events) = Store(release);
        foreach (string name in (string[])["/w/a", "/w/b"])
            Put(tools, 0, name, "");
        tools(XenStoreMessage.WATCH, 0, "/w\0t\0");
        events.Clear();
        uint id = Start(tools);
        Get(tools, id, "/w/b");
        Put(tools, id, "/w/a", "1");
        Put(tools, id, "/w/b", "1");
        Put(tools, id, "/w/c", "1");
        Put(tools, id, "/w/a", "2");
        Assert.Empty(events);
        End(tools, id);
        Assert.Equal(told, string.Join(' ', events));
    }

    // delnode_sub: below the removed node only who watches that very node, if it was there; 4.0's fire_watches(recurse): who watches anything below, there or not.
    [Theory]
    [InlineData(XenRelease.V4_17, "/w/n/c /w/n")]
    [InlineData(XenRelease.V4_0, "/w/n /w/n/c /w/n/gone")]
    public void A_removal_is_told_to_who_watches_what_is_below(XenRelease release, string told)
    {
        (_, Client tools, List<string> events) = Store(release);
        Put(tools, 0, "/w/n/c", "");
        foreach (string watched in (string[])["/w", "/w/n/c", "/w/n/gone"])
            tools(XenStoreMessage.WATCH, 0, watched + "\0t\0");
        events.Clear();
        tools(XenStoreMessage.RM, 0, "/w/n\0");
        Assert.Equal(told, string.Join(' ', events));
    }

    // write_node_raw: the record with its header of 24 bytes (4.0: 12), 8 a permission, value and children's names must be below 2048.
    [Theory]
    [InlineData(XenRelease.V4_17, 2048 - 24 - 8 - 1, "OK")]
    [InlineData(XenRelease.V4_17, 2048 - 24 - 8, "ENOSPC")]
    [InlineData(XenRelease.V4_0, 2048 - 12 - 8 - 1, "OK")]
    [InlineData(XenRelease.V4_0, 2048 - 12 - 8, "ENOSPC")]
    public void A_guests_node_is_below_two_kilobytes(XenRelease release, int length, string expected)
    {
        (XenStored store, Client guest) = Guest(release);
        Assert.Equal(expected, Put(guest, 0, "data/x", new string('v', length)));
        Assert.Equal(expected == "OK" ? "x" : "", guest(XenStoreMessage.DIRECTORY, 0, "data\0"));
    }

    [Fact]
    public void The_names_of_children_count_too()
    {
        (XenStored store, Client guest) = Guest(XenRelease.V4_17);
        int made = 0;
        while (guest(XenStoreMessage.MKDIR, 0, $"data/{made:d9}\0") == "OK")
            made++;
        Assert.Equal((2048 - 24 - 8 - 1) / 10, made); // nine characters and a NUL each
        Assert.Equal("ENOSPC", guest(XenStoreMessage.MKDIR, 0, "data/123456789\0"));
    }

    // create_node: ENOSPC. 4.0.4's construct_node returns NULL and leaves get_node's errno.
    [Theory]
    [InlineData(XenRelease.V4_17, "ENOSPC")]
    [InlineData(XenRelease.V4_0, "ENOENT")]
    public void A_guest_owns_at_most_a_thousand_nodes(XenRelease release, string expected)
    {
        (XenStored store, Client guest) = Guest(release);
        string answer = "OK";
        for (int i = 0; answer == "OK"; i++)
            answer = guest(XenStoreMessage.MKDIR, 0, i % 100 == 0 ? $"data/{i / 100}\0" : $"data/{i / 100}/{i}\0");
        Assert.Equal(expected, answer);
        Assert.Equal(1000, Owned(store));
    }

    // do_transaction_end: transaction_fix_domains refuses a count that has come to the quota.
    [Fact]
    public void A_transaction_that_makes_too_many_nodes_ends_with_ENOSPC()
    {
        (XenStored store, Client guest) = Guest(XenRelease.V4_17);
        Assert.Equal("OK", Control(store, "quota", "set", "nodes", "5"));
        Assert.Equal("OK", Made(3));
        Assert.Equal("ENOSPC", Made(1));

        string Made(int count)
        {
            uint id = Start(guest);
            for (int i = 0; i < count; i++)
                Assert.Equal("OK", Put(guest, id, $"data/{count}-{i}", ""));
            return End(guest, id);
        }
    }

    // access_node: the transaction is marked as failed, and its end says ENOMEM.
    [Fact]
    public void A_transaction_looks_at_so_many_nodes_and_no_more()
    {
        (XenStored store, Client guest) = Guest(XenRelease.V4_17);
        Assert.Equal("OK", Control(store, "quota", "set", "transaction-nodes", "1"));
        uint id = Start(guest);
        Assert.Equal("", Get(guest, id, "data"));
        Assert.Equal("ENOSPC", Get(guest, id, "data/a"));
        Assert.Equal("ENOMEM", End(guest, id));
    }

    // do_transaction_start compares with ">": eleven. do_watch: E2BIG after 129, which 4.0's wire has no word for.
    [Theory]
    [InlineData(XenRelease.V4_17, "E2BIG")]
    [InlineData(XenRelease.V4_0, "EINVAL")]
    public void Transactions_and_watches_have_their_numbers(XenRelease release, string tooMany)
    {
        (XenStored store, Client guest) = Guest(release);
        for (int i = 0; i < 11; i++)
            Start(guest);
        Assert.Equal("ENOSPC", guest(XenStoreMessage.TRANSACTION_START, 0, "\0"));
        for (int i = 0; i < 129; i++)
            Assert.Equal("OK", guest(XenStoreMessage.WATCH, 0, $"data\0{i}\0"));
        Assert.Equal(tooMany, guest(XenStoreMessage.WATCH, 0, "data\0more\0"));
    }

    [Fact]
    public void Permissions_paths_and_memory_have_their_quotas()
    {
        (XenStored store, Client guest) = Guest(XenRelease.V4_17);
        Assert.Equal("OK", guest(XenStoreMessage.SET_PERMS, 0, "data\0n1\0r2\0r3\0r4\0r5\0"));
        Assert.Equal("ENOSPC", guest(XenStoreMessage.SET_PERMS, 0, "data\0n1\0r2\0r3\0r4\0r5\0r6\0"));
        Assert.Equal("EPERM", guest(XenStoreMessage.SET_PERMS, 0, "data\0n2\0"));

        Assert.Equal("OK", Control(store, "quota", "set", "path-max", "7"));
        Assert.Equal("OK", Put(guest, 0, "data/ab", ""));
        Assert.Equal("EINVAL", Put(guest, 0, "data/abc", ""));

        // domain_memory_add refuses, and write_node_raw makes EIO of it; a watch's path and token count as well.
        string memory = Control(store, "quota", "1").Split('\n')[5];
        long used = long.Parse(memory.Split(':')[1], CultureInfo.InvariantCulture);
        Assert.Equal("OK", Control(store, "quota", "set", "memory", $"{used + 10}"));
        Assert.Equal("OK", Put(guest, 0, "data/ab", "123456789"));
        Assert.Equal("EIO", Put(guest, 0, "data/ab", "123456789a"));
        Assert.Equal("ENOMEM", guest(XenStoreMessage.WATCH, 0, "data\0t\0"));
    }

    // xenstored_control.c: quota_show_current, domain_get_quota, do_control_help and the commands that need no file.
    [Fact]
    public void Control_answers_in_words()
    {
        (XenStored store, Client guest) = Guest(XenRelease.V4_17);
        Assert.Equal(
            "Quota settings:\nnodes            :     1000 Nodes per domain\nwatches          :      128 Watches per domain\ntransactions     :       10 Transactions per domain\n"
            + "outstanding      :       20 Outstanding requests per domain\ntransaction-nodes:     1024 Max. number of accessed nodes per transaction\n"
            + "memory           :  2621440 Total Xenstore memory per domain (error level)\nnode-size        :     2048 Max. size of a node\n"
            + "path-max         :     2048 Max. length of a node path\npermissions      :        5 Max. number of permissions per node\n",
            Control(store, "quota"));
        Assert.Equal("Quota settings:\nmemory           :  2097152 Total Xenstore memory per domain (warning level)\n", Control(store, "quota-soft"));
        Assert.Equal("OK", Control(store, "quota-soft", "set", "memory", "4096"));
        Assert.Equal("EINVAL", Control(store, "quota-soft", "set", "nodes", "4096"));
        Assert.Equal("EINVAL", Control(store, "quota", "set", "nodes", "0"));
        Start(guest);
        guest(XenStoreMessage.WATCH, 0, "data\0t\0");

        // /local/domain/1/data: 24 bytes of header, one permission of 8, a key of 20; the watch: its path of 20 and the token.
        Assert.Equal("Domain 1:\nnodes           :        1\nwatches         :        1\ntransactions    :        1\noutstanding     :        0\nmemory          :       73\n", Control(store, "quota", "1"));
        Assert.Equal("ENOENT", Control(store, "quota", "7"));

        Assert.Equal(
            "check\t\nlog\ton|off\nlive-update\t[-c <cmdline>] [-F] [-t <timeout>] <file>\n    Default timeout is 60 seconds.\nlogfile\t<file>\nmemreport\t[<file>]\n"
            + "print\t<string>\nquota\t[set <name> <val>|<domid>]\nquota-soft\t[set <name> <val>]\nhelp\t\n",
            Control(store, "help"));
        Assert.Equal("OK", Control(store, "log", "on"));
        Assert.Equal("EINVAL", Control(store, "log", "maybe"));
        Assert.Equal("EINVAL", Control(store, "memreport"));
        Assert.Equal("EINVAL", Control(store, "nonsense"));
        Assert.Equal("No live-update session active.", Control(store, "live-update", "-a"));
        Assert.Equal("Not in live-update session.", Control(store, "live-update", "-s", "-F"));
        Assert.Equal("OK", Control(store, "print", "hello"));
        Assert.Equal("OK", Control(store, "check"));
        Assert.Equal(["control: hello", "Checking store ...", "Checking store complete."], _xen.Events.OfType<LogLine>().Select(l => l.Text));
        Assert.Equal("ENOSYS", Control(store, "logfile", "x"));
        Assert.Single(_xen.Events.OfType<NotImplementedHere>());
        Assert.Equal("EACCES", guest(XenStoreMessage.CONTROL, 0, "help\0"));
    }

    // RELEASE-4.0.4 xenstored_core.c: do_debug.
    [Fact]
    public void Control_of_4_0_prints_checks_and_acknowledges_the_rest()
    {
        (XenStored store, _, _) = Store(XenRelease.V4_0);
        Assert.Equal("OK", Control(store, "print", "hello"));
        Assert.Equal("EINVAL", Control(store, "print"));
        Assert.Equal("OK", Control(store, "quota"));
        Assert.Equal(["debug: hello"], _xen.Events.OfType<LogLine>().Select(l => l.Text));
    }

    private (XenStored Store, Client Tools, List<string> Events) Store(XenRelease release)
    {
        List<string> events = [];
        XenStored store = new DaemonSet(release, _xen, _xen, _xen, _xen).Store;
        return (store, Tools(store, (path, _) => events.Add(path)), events);
    }

    /// <summary>Domain 1 at its ring, with a node of its own.</summary>
    private (XenStored Store, Client Guest) Guest(XenRelease release)
    {
        DaemonSet daemons = new(release, _xen, _xen, _xen, _xen);
        Client tools = Tools(daemons.Store);
        tools(XenStoreMessage.INTRODUCE, 0, "1\0" + "4660\0" + "3\0");
        tools(XenStoreMessage.MKDIR, 0, "/local/domain/1/data\0");
        tools(XenStoreMessage.SET_PERMS, 0, "/local/domain/1/data\0n1\0");
        GuestRing ring = new(_xen.Page(4660));
        return (daemons.Store, Ask);

        string Ask(XenStoreMessage type, uint id, string payload)
        {
            byte[] body = Encoding.Latin1.GetBytes(payload);
            byte[] message = [.. BitConverter.GetBytes((uint)type), 1, 0, 0, 0, .. BitConverter.GetBytes(id), .. BitConverter.GetBytes(body.Length), .. body];
            foreach (byte[] piece in message.Chunk(700))
            {
                ring.SendRaw(piece);
                _xen.GuestNotifies(new DomainId(1), 3);
                daemons.Poll();
            }

            string? answer = null;
            while (ring.Receive() is { } received)
            {
                if (received.Type != XenStoreMessage.WATCH_EVENT)
                    answer = received.Payload.TrimEnd('\0');
                daemons.Poll();
            }

            return answer!;
        }
    }

    private static Client Tools(XenStored store, Action<string, string>? deliver = null)
    {
        StoreConnection connection = store.Connect(deliver);
        return (type, id, payload) =>
        {
            StoreReply reply = store.Request(connection, type, id, Encoding.Latin1.GetBytes(payload));
            return reply.Error == XenErrno.None ? reply.Text : reply.Error.ToString();
        };
    }

    private static int Owned(XenStored store) => store.List().Count(l => l.EndsWith("(n1)", StringComparison.Ordinal));

    private static string Control(XenStored store, params string[] words) => Tools(store)(XenStoreMessage.CONTROL, 0, string.Concat(words.Select(w => w + "\0")));

    private static uint Start(Client by) => uint.Parse(by(XenStoreMessage.TRANSACTION_START, 0, "\0"), CultureInfo.InvariantCulture);

    private static string End(Client by, uint id) => by(XenStoreMessage.TRANSACTION_END, id, "T\0");

    private static string Put(Client by, uint id, string path, string value) => by(XenStoreMessage.WRITE, id, $"{path}\0{value}");

    private static string Get(Client by, uint id, string path) => by(XenStoreMessage.READ, id, path + "\0");
}
