using System.Net;
using System.Net.Sockets;

namespace XenSim.Simulator.Tests.Debugging.Gdb;

/// <summary>Stands between gdb and the stub, passes bytes on one by one, and puts in what means nothing wherever a packet is over.</summary>
internal sealed class TearingProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Task _working;

    public TearingProxy(int stub)
    {
        _listener.Start();
        _working = Task.Run(() => Work(stub));
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Pieces of garbage put in.</summary>
    public int Garbage { get; private set; }

    public void Dispose()
    {
        _listener.Dispose();
        _working.GetAwaiter().GetResult();
    }

    private void Work(int stub)
    {
        using Socket gdb = _listener.AcceptSocket();
        using Socket server = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        server.Connect(IPAddress.Loopback, stub);
        Task back = Task.Run(() => Copy(server, gdb));
        byte[] buffer = new byte[1];
        int digits = 0;
        while (gdb.Receive(buffer) == 1)
        {
            server.Send(buffer);
            digits = buffer[0] == (byte)'#' ? 2 : digits - 1;
            if (digits != 0)
                continue;
            server.Send([0, 0xFF, (byte)'#', (byte)'0', (byte)'}', 10, (byte)'x']);
            Garbage++;
        }

        server.Shutdown(SocketShutdown.Both);
        back.GetAwaiter().GetResult();
    }

    private static void Copy(Socket from, Socket to)
    {
        byte[] buffer = new byte[4096];
        try
        {
            for (int n = from.Receive(buffer); n > 0; n = from.Receive(buffer))
                to.Send(buffer.AsSpan(0, n));
        }
        catch (SocketException)
        {
            // The other side is gone.
        }
    }
}
