using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Toolstack.Daemons;
using XenSim.Toolstack.Libxl;
using XenSim.Toolstack.XenStore;

namespace XenSim.Toolstack.Tests.XenStore;

/// <summary>Rules of the wire protocol: stable-4.17 tools/xenstore/xenstored_core.c, xenstored_domain.c, xenstored_watch.c.</summary>
public sealed class StoreProtocolTests
{
    private static readonly DomainId Guest = new(1);
    private readonly FakeXen _xen = new();
    private readonly DaemonSet _daemons;
    private readonly ToolStore _tools;
    private readonly GuestRing _ring;

    public StoreProtocolTests()
    {
        _daemons = new DaemonSet(XenRelease.V4_17, _xen, _xen, _xen, _xen);
        _tools = new ToolStore(_daemons.Store);
        Assert.Equal(XenErrno.None, _tools.Introduce(Guest.Value, 0x1234, 3));
        _ring = new GuestRing(_xen.Page(0x1234));
    }

    [Fact]
    public void A_transaction_may_remove_a_node_and_then_read_its_parent()
    {
        _tools.Write(0, "/a/b/c", "1");
        uint id = _tools.TransactionStart();
        Assert.Equal(XenErrno.None, _tools.Remove(id, "/a/b/c"));
        Assert.Equal(XenErrno.None, _tools.Directory(id, "/a/b", out IReadOnlyList<string> names));
        Assert.Empty(names);
        Assert.Equal(XenErrno.None, _tools.TransactionEnd(id, abort: false));
        Assert.Equal(XenErrno.ENOENT, _tools.Read(0, "/a/b/c", out _));
    }

    [Fact]
    public void A_removal_by_somebody_else_still_ends_it_with_EAGAIN()
    {
        _tools.Write(0, "/a/b/c", "1");
        uint id = _tools.TransactionStart();
        _tools.Directory(id, "/a/b", out _);
        _tools.Remove(0, "/a/b/c");
        Assert.Equal(XenErrno.EAGAIN, _tools.TransactionEnd(id, abort: false));
    }

    [Fact]
    public void A_long_directory_is_listed_in_parts_with_the_nodes_generation()
    {
        var names = Enumerable.Range(0, 900).Select(i => $"node-{i:d4}").ToList();
        foreach (string name in names)
            _tools.Write(0, $"/big/{name}", "");
        Assert.Equal(XenErrno.E2BIG, _tools.Directory(0, "/big", out _));

        StoreConnection connection = _daemons.Store.Connect();
        var listed = new List<string>();
        int offset = 0;
        string? generation = null;
        while (true)
        {
            StoreReply reply = _daemons.Store.Request(connection, XenStoreMessage.DIRECTORY_PART, 0, Encoding.Latin1.GetBytes($"/big\0{offset}\0"));
            Assert.Equal(XenErrno.None, reply.Error);
            Assert.True(reply.Payload.Length <= 4096);
            string[] words = Encoding.Latin1.GetString(reply.Payload)[..^1].Split('\0');
            Assert.Equal(generation ??= words[0], words[0]);
            bool last = words[^1].Length == 0;
            string[] part = words[1..(last ? ^1 : ^0)];
            listed.AddRange(part);
            offset += part.Sum(n => n.Length + 1);
            if (last)
                break;
        }

        Assert.Equal(names, listed);
        Assert.Equal([.. Encoding.Latin1.GetBytes(generation!), 0, 0], _daemons.Store.Request(connection, XenStoreMessage.DIRECTORY_PART, 0, Encoding.Latin1.GetBytes($"/big\0{offset}\0")).Payload);
        Assert.Equal(XenErrno.EINVAL, _daemons.Store.Request(connection, XenStoreMessage.DIRECTORY_PART, 0, "/big\0"u8).Error);
    }

    [Theory]
    [InlineData("0", XenErrno.EINVAL)]
    [InlineData("x", XenErrno.EINVAL)]
    [InlineData("9", XenErrno.ENOENT)]
    [InlineData("1", XenErrno.None)]
    public void Resume_and_release_take_a_connected_domain(string domain, XenErrno expected)
    {
        StoreConnection connection = _daemons.Store.Connect();
        Assert.Equal(expected, _daemons.Store.Request(connection, XenStoreMessage.RESUME, 0, Encoding.Latin1.GetBytes(domain + "\0")).Error);
        Assert.Equal(expected, _daemons.Store.Request(connection, XenStoreMessage.RELEASE, 0, Encoding.Latin1.GetBytes(domain + "\0")).Error);
    }

    [Fact]
    public void A_shutdown_is_told_once_and_again_after_a_resume()
    {
        int told = 0;
        StoreConnection xl = _daemons.Store.Connect((_, _) => told++);
        _daemons.Store.Request(xl, XenStoreMessage.WATCH, 0, "@releaseDomain\0t\0"u8);
        told = 0;
        CleanUp(new DomainFate(ShutDown: true, Dying: false));
        CleanUp(new DomainFate(ShutDown: true, Dying: false));
        Assert.Equal(1, told);
        _daemons.Store.Request(xl, XenStoreMessage.RESUME, 0, "1\0"u8);
        CleanUp(new DomainFate(ShutDown: true, Dying: false));
        Assert.Equal(2, told);
        CleanUp(null);
        Assert.Equal(3, told);
        Assert.Equal("F", _daemons.Store.Request(xl, XenStoreMessage.IS_DOMAIN_INTRODUCED, 0, "1\0"u8).Text);

        void CleanUp(DomainFate? fate) => _daemons.Store.CleanUpDomains(_ => fate);
    }

    [Fact]
    public void A_guest_hears_of_other_domains_only_if_the_events_permissions_say_so()
    {
        Assert.Equal("OK\0", Ask(XenStoreMessage.WATCH, "@introduceDomain\0t\0"));
        Assert.Equal(XenStoreMessage.WATCH_EVENT, _ring.Receive()!.Value.Type); // a new watch fires once
        _tools.Introduce(2, 0x2234, 3);
        _daemons.Poll();
        Assert.Null(_ring.Receive());

        Assert.Equal("EACCES\0", Ask(XenStoreMessage.SET_PERMS, "@introduceDomain\0r1\0"));
        Assert.Equal(XenErrno.None, _tools.SetPermissions(0, "@introduceDomain", [new NodePermission(0, 'n'), new NodePermission(1, 'r')]));
        Assert.Equal(XenErrno.EINVAL, _tools.SetPermissions(0, "@other", [new NodePermission(0, 'n')]));
        _tools.Introduce(4, 0x4234, 3);
        _daemons.Poll();
        Assert.Equal((XenStoreMessage.WATCH_EVENT, 0u, "@introduceDomain\0t\0"), _ring.Receive());
    }

    [Fact]
    public void A_second_introduction_begins_the_connection_anew()
    {
        _tools.Write(0, "/local/domain/1/control", "");
        _tools.SetPermissions(0, "/local/domain/1/control", [new NodePermission(0, 'n'), new NodePermission(1, 'r')]);
        Ask(XenStoreMessage.WATCH, "control\0t\0");
        _ring.SendRaw([1, 2, 3]);
        Assert.Equal(XenErrno.None, _tools.Introduce(Guest.Value, 0x1234, 3));
        Assert.All([2048, 2052, 2056, 2060], at => Assert.Equal(0u, _ring.Word(at)));
        _tools.Write(0, "/local/domain/1/control/shutdown", "poweroff");
        _daemons.Poll();
        Assert.Null(_ring.Receive());
        Assert.Equal("", Ask(XenStoreMessage.READ, "control\0"));
    }

    [Theory]
    [InlineData(true, 2u)] // XENSTORE_ERROR_RINGIDX
    [InlineData(false, 3u)] // XENSTORE_ERROR_PROTO
    public void A_guest_that_breaks_the_protocol_finds_the_reason_in_its_ring(bool indices, uint error)
    {
        const int errorAt = 2072;
        if (indices)
            _ring.Set(2052, 5000);
        else
            _ring.SendRaw([2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f]);
        _xen.GuestNotifies(Guest, 3);
        _daemons.Poll();
        Assert.Equal(error, _ring.Word(errorAt));
    }

    private string Ask(XenStoreMessage type, string payload)
    {
        _ring.Send(type, 1, 0, payload);
        _xen.GuestNotifies(Guest, 3);
        _daemons.Poll();
        return _ring.Receive()!.Value.Payload;
    }
}
