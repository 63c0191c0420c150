using System.Buffers.Binary;
using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Toolstack.Daemons;
using XenSim.Toolstack.Tests.XenStore;
using XenSim.Toolstack.XenStore;

namespace XenSim.Toolstack.Tests.Console;

/// <summary>xenconsoled over a page laid out as xen/include/public/io/console.h says: in 0, out 1024, then in_cons, in_prod, out_cons, out_prod.</summary>
public sealed class ConsoleTests
{
    private static readonly DomainId Guest = new(1);

    [Fact]
    public void A_console_is_attached_when_xenstore_has_its_ring_and_gets_a_terminal()
    {
        (DaemonSet daemons, _, _) = Attached();
        Assert.Equal([Guest], daemons.Console.Domains);
        new ToolStore(daemons.Store).Read(0, "/local/domain/1/console/tty", out string tty);
        Assert.Equal("/dev/pts/0", tty);
    }

    [Fact]
    public void What_the_guest_writes_into_the_ring_comes_out_also_over_its_end()
    {
        (DaemonSet daemons, FakeXen xen, byte[] page) = Attached();
        Set(page, 3080, 2040);
        Set(page, 3084, 2040);
        Put(page, "hello, world");
        xen.GuestNotifies(Guest, 2);
        Assert.True(daemons.Poll());
        ConsoleOutput output = xen.Events.OfType<ConsoleOutput>().Single();
        Assert.Equal((Guest, "ring", "hello, world"), (output.Domain, output.Via, Encoding.ASCII.GetString(output.Bytes)));
        Assert.Equal(Get(page, 3084), Get(page, 3080));
        Assert.Equal(xen.Bound[(1, 2)], xen.Notified[^1]);
    }

    [Fact]
    public void Typed_bytes_wait_until_the_guest_has_room()
    {
        (DaemonSet daemons, FakeXen xen, byte[] page) = Attached();
        Assert.True(daemons.Console.Type(Guest, Encoding.ASCII.GetBytes(new string('a', 1024) + "b")));
        Assert.Equal(1024u, Get(page, 3076));
        Set(page, 3072, 1024);
        xen.GuestNotifies(Guest, 2);
        daemons.Poll();
        Assert.Equal(1025u, Get(page, 3076));
        Assert.Equal((byte)'b', page[0]);
    }

    [Fact]
    public void Nonsense_indices_give_no_output()
    {
        (DaemonSet daemons, FakeXen xen, byte[] page) = Attached();
        Set(page, 3084, 100_000);
        xen.GuestNotifies(Guest, 2);
        daemons.Poll();
        Assert.Empty(xen.Events.OfType<ConsoleOutput>());
    }

    [Fact]
    public void A_released_domain_loses_its_console()
    {
        (DaemonSet daemons, _, _) = Attached();
        Assert.Equal(XenErrno.None, new ToolStore(daemons.Store).Release(Guest.Value));
        daemons.Poll();
        Assert.Empty(daemons.Console.Domains);
        Assert.False(daemons.Console.Type(Guest, "x"u8));
    }

    private static (DaemonSet Daemons, FakeXen Xen, byte[] Page) Attached()
    {
        var xen = new FakeXen();
        var daemons = new DaemonSet(XenRelease.V4_17, xen, xen, xen, xen);
        var tools = new ToolStore(daemons.Store);
        tools.Write(0, "/local/domain/1/name", "guest");
        tools.Introduce(1, 0x1000, 1);
        daemons.Poll();
        tools.Write(0, "/local/domain/1/console/type", "xenconsoled");
        tools.Write(0, "/local/domain/1/console/port", "2");
        tools.Write(0, "/local/domain/1/console/ring-ref", "8192");
        Assert.Empty(daemons.Console.Domains);
        Assert.True(daemons.Poll());
        return (daemons, xen, xen.Page(8192));
    }

    private static void Put(byte[] page, string text)
    {
        foreach (byte b in Encoding.ASCII.GetBytes(text))
        {
            page[1024 + (int)(Get(page, 3084) % 2048)] = b;
            Set(page, 3084, Get(page, 3084) + 1);
        }
    }

    private static uint Get(byte[] page, int at) => BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(at));

    private static void Set(byte[] page, int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(at), value);
}
