using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using XenSim.Simulator.Debugging.Prompt;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Debugging.Gdb;

/// <summary>Where a gdb can connect to: loopback, or a Unix socket. One client at a time; another is hung up on.</summary>
internal sealed class GdbServer : IDisposable
{
    /// <summary>Who hangs up and comes again at once is not a second client. Unit: ms.</summary>
    private const int HangUpNoticed = 500;

    private readonly Socket _listener;
    private readonly string? _path;
    private readonly TextWriter _log;
    private GdbConnection? _last;

    private GdbServer(Socket listener, string? path, TextWriter log) => (_listener, _path, _log) = (listener, path, log);

    /// <summary>In gdb's words: what stands after <c>target remote</c>.</summary>
    public string Address => _path ?? _listener.LocalEndPoint!.ToString()!;

    /// <param name="address"><c>127.0.0.1:PORT</c>, <c>localhost:PORT</c>, <c>:PORT</c>, <c>[::1]:PORT</c> or <c>unix:PATH</c>. Port 0: any that is free.</param>
    /// <exception cref="InputException">It is none of these, or is in use.</exception>
    public static GdbServer Listen(string address, TextWriter log)
    {
        string? path = address.StartsWith("unix:", StringComparison.Ordinal) ? address[5..] : null;
        EndPoint end = path is null ? Parse(address) : UnixEnd(address, path);
        Socket listener = new(end.AddressFamily, SocketType.Stream, path is null ? ProtocolType.Tcp : ProtocolType.Unspecified);
        try
        {
            listener.Bind(end);
            // Who may write to a socket's file may debug.
            if (path is not null && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            listener.Listen(4);
            return new GdbServer(listener, path, log);
        }
        catch (SocketException e)
        {
            listener.Dispose();
            throw new InputException("--gdb", $"cannot listen on {address}: {e.Message}");
        }
    }

    /// <summary>Serves one client after another until the program is to end.</summary>
    public void Serve(DebugSession debug, EmbeddedPrompt prompt, CancellationToken stop)
    {
        using BlockingCollection<GdbConnection> clients = [];
        Thread accepting = new(() => Accept(clients, stop)) { IsBackground = true, Name = "gdb listener" };
        accepting.Start();
        foreach (GdbConnection connection in clients.GetConsumingEnumerable(CancellationToken.None))
        {
            using (connection)
                Serve(debug, connection, prompt, stop);
        }

        accepting.Join();
    }

    private void Serve(DebugSession debug, GdbConnection connection, EmbeddedPrompt prompt, CancellationToken stop)
    {
        _log.WriteLine("xensim: gdb connected");
        GdbStub stub = new(debug, connection, prompt, stop);
        stub.Serve();
        _log.WriteLine($"xensim: gdb {stub.End switch { GdbEnd.Killed => "killed the guest: it is at its entry again", GdbEnd.Detached => "detached", _ => "hung up" }}");
        if (stub.End == GdbEnd.Killed)
            GdbStub.GoToEntry(debug);
    }

    public void Dispose()
    {
        _listener.Dispose();
        if (_path is not null)
            File.Delete(_path);
    }

    private void Accept(BlockingCollection<GdbConnection> clients, CancellationToken stop)
    {
        try
        {
            while (true)
            {
                // Closing a Unix socket does not end an accept that blocks; the token does.
                Socket client = _listener.AcceptAsync(stop).AsTask().GetAwaiter().GetResult();
                if (_last is { } other && !other.IsOverWithin(HangUpNoticed))
                {
                    _log.WriteLine("xensim: refused a second client of --gdb");
                    client.Dispose();
                    continue;
                }

                // A Unix socket knows no such option and would refuse it.
                if (_path is null)
                    client.NoDelay = true;
                clients.Add(_last = new GdbConnection(new NetworkStream(client, ownsSocket: true)), CancellationToken.None);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            clients.CompleteAdding();
        }
    }

    private static IPEndPoint Parse(string address)
    {
        int colon = address.LastIndexOf(':');
        string host = colon < 0 ? "" : address[..colon];
        if (colon < 0 || !ushort.TryParse(address[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
            throw new InputException("--gdb", $"\"{address}\" is no address: 127.0.0.1:PORT, [::1]:PORT or unix:PATH is expected");
        IPAddress? ip = host is "" or "localhost" ? IPAddress.Loopback : IPAddress.TryParse(host, out IPAddress? parsed) ? parsed : null;
        if (ip is null || !IPAddress.IsLoopback(ip))
            throw new InputException("--gdb", $"{host} is not this machine's loopback address, and whoever connects controls the session", "listen on 127.0.0.1 and forward the port, as with ssh -L");
        return new IPEndPoint(ip, port);
    }

    private static UnixDomainSocketEndPoint UnixEnd(string address, string path)
    {
        try
        {
            UnixDomainSocketEndPoint end = new(path);
            if (File.Exists(path))
                RemoveLeftover(path, end);
            return end;
        }
        catch (ArgumentException e)
        {
            throw new InputException("--gdb", $"\"{address}\" cannot be a socket: {e.Message}");
        }
    }

    /// <summary>A socket that nobody listens on any more goes; anything else is the user's.</summary>
    private static void RemoveLeftover(string path, UnixDomainSocketEndPoint end)
    {
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(end);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused && new FileInfo(path) is { Length: 0 })
        {
            File.Delete(path);
            return;
        }
        catch (SocketException)
        {
            // Something else.
        }

        throw new InputException("--gdb", $"{path} exists already");
    }
}
