using System.Net;
using System.Net.Sockets;
using System.Text;
using CsCheck;
using XenSim.Simulator.Debugging.Gdb;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Debugging.Gdb;

/// <summary>Clients that are not gdb.</summary>
public sealed class HostileClientTests
{
    /// <summary>Beginnings of packets that mean something, to be followed by anything.</summary>
    private static readonly string[] s_beginnings =
    [
        "g", "G", "p", "P", "m", "M", "X", "H", "Hg", "Hc", "T", "Z0,", "Z1,", "Z2,", "Z3,", "Z4,", "z0,", "z4,", "s", "bs", "vCont;", "vCont;s:", "vCont?", "vFile:open:", "vMustReplyEmpty", "qSupported:", "qXfer:features:read:",
        "qXfer:features:read:target.xml:", "qXfer:memory-map:read::", "qXfer:exec-file:read::", "qRcmd,", "qThreadExtraInfo,", "qC", "qfThreadInfo", "?", "!", "QNonStop:", "",
    ];

    private static readonly string[] s_tails =
    [
        "ffffffffffffffff,ffffffffffffffff", "0,0", "0,1000", "ffffffff80100000,2000", "ffffffff80104230,8", "ffffffffffffffff,1", "target.xml:0,10", "../../etc/passwd:0,fff", "10001", "0", "-1", "7fffffff",
        "2f6574632f706173737764,0,0",
    ];

    private static readonly Gen<string> s_tail = Gen.Frequency(
        (2, Gen.Char["0123456789abcdef,:;=-#$}*\0ÿ"].Array[0, 40].Select(c => new string(c))), (1, OneOf(s_tails)));

    [Fact]
    public void Nothing_that_a_client_says_takes_the_server_down()
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        Gen.Select(OneOf(s_beginnings), s_tail).Array[1, 30].Sample(
            packets =>
            {
                using GdbClient client = new(served.Port);
                foreach ((string beginning, string tail) in packets)
                    client.Ask(beginning + tail);

                return client.Ask("?")?.StartsWith("T05", StringComparison.Ordinal) == true && client.Ask("p10")?.Length == 16;
            },
            iter: 60, threads: 1);
    }

    [Fact]
    public void Noise_and_a_hang_up_leave_the_server_ready()
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        Gen.Byte.Array[0, 3000].Sample(
            noise =>
            {
                using (GdbClient client = new(served.Port))
                    client.Send(noise);
                using GdbClient next = new(served.Port);
                return next.Ask("p10") == "00001080ffffffff";
            },
            iter: 30, threads: 1);
    }

    [Fact]
    public void No_packet_reads_a_file_of_the_host()
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        using GdbClient client = new(served.Port);
        // hostio (GDB manual, "File-I/O"): unknown here, which is an empty answer.
        Assert.Equal("", client.Ask("vFile:open:2f6574632f706173737764,0,0"));
        Assert.Equal("", client.Ask("vFile:setfs:0"));
        Assert.Equal("E00", client.Ask("qXfer:features:read:/etc/passwd:0,fff"));
        Assert.Equal("", client.Ask("qXfer:exec-file:read:1:0,fff"));
        Assert.Equal("", client.Ask("qXfer:auxv:read::0,fff"));
        using ScratchFolder folder = new();
        string file = Path.Combine(folder.Path, "recording");
        foreach (string word in (string[])["record", "rec"])
            Assert.Equal("OK", client.Ask("qRcmd," + GdbText.Bytes(Encoding.UTF8.GetBytes($"{word} {file}"))));
        Assert.False(File.Exists(file));
    }

    [Fact]
    public void A_packet_beyond_the_agreed_size_is_refused_and_the_next_answered()
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        using GdbClient client = new(served.Port);
        client.Send(GdbText.Packet(new byte[0x4001]));
        Assert.Equal((byte)'-', client.ReadByte());
        Assert.Equal("QC10001", client.Ask("qC"));
    }

    [Fact]
    public void More_breakpoints_than_are_sensible_are_refused()
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        using GdbClient client = new(served.Port);
        string[] answers = [.. Enumerable.Range(0, 1001).Select(i => client.Ask($"Z0,{i:x},1")!)];
        Assert.All(answers[..1000], a => Assert.Equal("OK", a));
        Assert.Equal("E1c", answers[1000]);
        Assert.Equal("E16", client.Ask("Z2,0,1001"));
        Assert.Equal("E16", client.Ask("Z2,ffffffffffffffff,2"));
        Assert.Equal("", client.Ask("Z5,0,1"));
    }

    [Fact]
    public void A_second_client_is_refused_while_the_first_goes_on()
    {
        using ServedSession served = new(Debugged.Options("pv64"));
        using GdbClient first = new(served.Port);
        Assert.Equal("QC10001", first.Ask("qC"));
        using (GdbClient second = new(served.Port))
            Assert.Null(second.Ask("qC"));
        Assert.Equal("QC10001", first.Ask("qC"));
        Assert.Contains("refused a second client", served.Log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Control_C_stops_a_guest_that_runs()
    {
        using ServedSession served = new(RealGdbTests.OptionsFor("fetched:vmlinuz-6.1-amd64"));
        using GdbClient client = new(served.Port);
        client.Send([.. GdbText.Packet("vCont;c"u8), 3]);
        Assert.StartsWith("T02", client.Receive(), StringComparison.Ordinal);
        client.Send(GdbText.Packet("vCont;c"u8));
        // What the guest prints comes while it runs.
        Assert.Contains("Linux version 6.1", client.ReceiveShown("Linux version 6.1"), StringComparison.Ordinal);
        client.Send([3]);
        Assert.StartsWith("T02thread:10001;", client.Receive(), StringComparison.Ordinal);

        // And so does a hang-up: the next client is served.
        client.Send(GdbText.Packet("vCont;c"u8));
        client.Dispose();
        using GdbClient next = new(served.Port);
        Assert.Equal("QC10001", next.Ask("qC"));
    }

    [Theory]
    [InlineData("0.0.0.0:1234", "0.0.0.0 is not this machine's loopback address")]
    [InlineData("192.0.2.1:1234", "192.0.2.1 is not this machine's loopback address")]
    [InlineData("example.org:1234", "example.org is not this machine's loopback address")]
    [InlineData("127.0.0.1", "\"127.0.0.1\" is no address")]
    [InlineData("127.0.0.1:70000", "is no address")]
    [InlineData("unix:", "cannot be a socket")]
    public void Only_loopback_and_unix_sockets_are_listened_on(string address, string error)
        => ProgramRun.With("debug", "pv64", "--gdb", address).MustRefuse(error);

    [Fact]
    public void A_file_in_the_place_of_a_socket_stays()
    {
        using ScratchFolder folder = new();
        string file = folder.Write("precious", "text");
        ProgramRun.With("debug", "pv64", "--gdb", $"unix:{file}").MustRefuse("exists already");
        Assert.Equal("text", File.ReadAllText(file));
    }

    [Fact]
    public void A_kernel_that_comes_to_nothing_ends_as_boot_does()
    {
        using ScratchFolder folder = new();
        ProgramRun run = ProgramRun.With("debug", folder.Write("kernel", new byte[5000]), "--gdb", "127.0.0.1:0");
        Assert.Equal(ExitCode.BadInput, run.Exit);
        Assert.Contains("no guest comes to run", run.Error, StringComparison.Ordinal);
    }

    private static Gen<string> OneOf(string[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    /// <summary>Sends what it is told to.</summary>
    private sealed class GdbClient : IDisposable
    {
        private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 120_000 };
        private readonly PacketReader _reader = new(1 << 20);
        private readonly Queue<GdbInput> _came = new();

        public GdbClient(int port) => _socket.Connect(IPAddress.Loopback, port);

        public void Send(byte[] bytes)
        {
            try
            {
                _socket.Send(bytes);
            }
            catch (SocketException)
            {
                // Refused; reading will say so.
            }
        }

        public int ReadByte()
        {
            byte[] one = new byte[1];
            return _socket.Receive(one) == 1 ? one[0] : -1;
        }

        /// <summary>The answer, past what is only shown; null: hung up.</summary>
        public string? Ask(string packet)
        {
            Send(GdbText.Packet(Encoding.Latin1.GetBytes(packet)));
            return Receive();
        }

        /// <summary>What is shown, up to a text.</summary>
        public string ReceiveShown(string text)
        {
            StringBuilder shown = new();
            byte[] buffer = new byte[4096];
            while (!shown.ToString().Contains(text, StringComparison.Ordinal))
            {
                while (_came.TryDequeue(out GdbInput input))
                {
                    if (input.Kind == GdbInputKind.Packet && input.Body is [(byte)'O', .. byte[] hexadecimal])
                        shown.Append(Encoding.Latin1.GetString(Convert.FromHexString(Encoding.ASCII.GetString(hexadecimal))));
                    else if (input.Kind == GdbInputKind.Packet)
                        Assert.Fail($"it stopped: {Encoding.Latin1.GetString(input.Body)}");
                }

                int n = _socket.Receive(buffer);
                Assert.NotEqual(0, n);
                _reader.Take(buffer.AsSpan(0, n), _came.Enqueue);
            }

            return shown.ToString();
        }

        public string? Receive()
        {
            byte[] buffer = new byte[4096];
            while (true)
            {
                while (_came.TryDequeue(out GdbInput input))
                {
                    string body = Encoding.Latin1.GetString(input.Body);
                    bool shown = body.StartsWith('O') && body != "OK";
                    if (input.Kind == GdbInputKind.Packet && !shown)
                        return body;
                }

                int n = 0;
                try
                {
                    n = _socket.Receive(buffer);
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
                {
                    // As an orderly end.
                }

                if (n == 0)
                    return null;
                _reader.Take(buffer.AsSpan(0, n), _came.Enqueue);
            }
        }

        public void Dispose() => _socket.Dispose();
    }
}
