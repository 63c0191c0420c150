using System.Collections.Concurrent;

namespace XenSim.Simulator.Debugging.Gdb;

/// <summary>
/// One client's byte stream: packets in, packets out. A thread of its own reads, so that Ctrl-C and a hang-up end a run that is going on.
/// </summary>
internal sealed class GdbConnection : IDisposable
{
    /// <summary>Longest body of a packet, in both directions. Unit: bytes.</summary>
    public const int PacketSize = 0x4000;

    /// <summary>gdb waits for each answer; who has sent so many packets ahead does not. Unit: packets.</summary>
    private const int Ahead = 256;

    /// <summary>How long a packet that has begun, and one being sent, may take. Unit: ms.</summary>
    private const int Patience = 10_000;

    private readonly Stream _stream;
    private readonly BlockingCollection<GdbInput> _inputs = new(Ahead);
    private readonly Lock _lock = new();
    private readonly ManualResetEventSlim _ended = new();
    private readonly Thread _thread;
    private CancellationTokenSource? _run;
    private bool _interrupted;
    private bool _over;
    private byte[] _last = [];

    public GdbConnection(Stream stream)
    {
        _stream = stream;
        if (stream.CanTimeout)
            stream.WriteTimeout = Patience;
        _thread = new Thread(Read) { IsBackground = true, Name = "gdb" };
        _thread.Start();
    }

    /// <summary>Whether packets are still acknowledged: until QStartNoAckMode.</summary>
    public bool Acknowledges { get; set; } = true;

    /// <summary>The next packet's body; null: the client is gone.</summary>
    public byte[]? Receive(CancellationToken stop)
    {
        try
        {
            foreach (GdbInput input in _inputs.GetConsumingEnumerable(stop))
            {
                switch (input.Kind)
                {
                    case GdbInputKind.Packet:
                        Acknowledge((byte)'+');
                        return input.Body;
                    case GdbInputKind.Damaged or GdbInputKind.TooLong:
                        Acknowledge((byte)'-');
                        break;
                    case GdbInputKind.Rejected when Acknowledges:
                        Write(_last);
                        break;
                    default:
                        break;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The program ends.
        }

        return null;
    }

    public void Send(ReadOnlySpan<byte> body) => Write(_last = GdbText.Packet(body));

    /// <summary>Does something that runs long, with a token that Ctrl-C and a hang-up cancel.</summary>
    public T Interruptibly<T>(Func<CancellationToken, T> work, CancellationToken stop)
    {
        using CancellationTokenSource run = CancellationTokenSource.CreateLinkedTokenSource(stop);
        lock (_lock)
        {
            _run = run;
            if (_interrupted || _over)
                run.Cancel();
        }

        try
        {
            return work(run.Token);
        }
        finally
        {
            lock (_lock)
            {
                _run = null;
                _interrupted = false;
            }
        }
    }

    /// <summary>Whether the client is gone, or will be after so long. Unit: ms.</summary>
    public bool IsOverWithin(int patience) => _ended.Wait(patience);

    /// <summary>The client has been told good-bye: another may come.</summary>
    public void Leave() => _ended.Set();

    public void Dispose()
    {
        _ended.Set();
        _stream.Dispose();
        _thread.Join();
        _inputs.Dispose();
    }

    private void Acknowledge(byte sign)
    {
        if (Acknowledges)
            Write([sign]);
    }

    private void Write(byte[] bytes)
    {
        try
        {
            _stream.Write(bytes);
            _stream.Flush();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // It hung up, or does not read: what it still sends does not matter either.
            _stream.Dispose();
        }
    }

    private void Read()
    {
        PacketReader reader = new(PacketSize);
        byte[] buffer = new byte[4096];
        try
        {
            while (true)
            {
                if (_stream.CanTimeout)
                    _stream.ReadTimeout = reader.InPacket ? Patience : Timeout.Infinite;
                int n = _stream.Read(buffer);
                if (n == 0)
                    break;
                bool flooded = false;
                reader.Take(buffer.AsSpan(0, n), input => flooded |= !Take(input));
                if (flooded)
                    break;
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // As a hang-up.
        }

        lock (_lock)
        {
            _over = true;
            _run?.Cancel();
        }

        _inputs.CompleteAdding();
        _ended.Set();
    }

    /// <returns>False: too much is waiting.</returns>
    private bool Take(GdbInput input)
    {
        lock (_lock)
        {
            // A Ctrl-C is for the run that was asked for last, which may not have begun yet.
            _interrupted = input.Kind == GdbInputKind.Interrupt || (_interrupted && input.Kind != GdbInputKind.Packet);
            if (input.Kind == GdbInputKind.Interrupt)
                _run?.Cancel();
        }

        return input.Kind is GdbInputKind.Interrupt or GdbInputKind.Acknowledged || _inputs.TryAdd(input);
    }
}
