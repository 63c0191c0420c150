using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json.Nodes;

namespace XenSim.Simulator.Debugging.Dap;

/// <summary>The client's end: requests in, responses and events out. A thread of its own reads, so that a run can be interrupted.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The thread that reads uses the requests until the program ends.")]
internal sealed class DapConnection
{
    private const int LongestMessage = 4 << 20;

    /// <summary>Requests that may wait.</summary>
    private const int Ahead = 1024;

    private readonly Stream _output;
    private readonly BlockingCollection<DapRequest> _requests = new(Ahead);
    private readonly Lock _lock = new();
    private CancellationTokenSource? _run;
    private bool _stepping;
    private bool _over;
    private long _sequence;

    public DapConnection(Stream input, Stream output)
    {
        _output = output;
        // Standard input cannot be given up reading: the thread ends with the program.
        new Thread(() => Read(new DapReader(input, LongestMessage))) { IsBackground = true, Name = "dap" }.Start();
    }

    /// <summary>Why the client was left, when it did not keep to the protocol.</summary>
    public string? Violation { get; private set; }

    public bool HasRequest => _requests.Count > 0;

    /// <summary>Waits; null: the client is gone.</summary>
    public DapRequest? Next(CancellationToken stop)
    {
        try
        {
            return _requests.TryTake(out DapRequest? request, Timeout.Infinite, stop) ? request : null;
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    /// <param name="body">Null: none.</param>
    public void Respond(DapRequest request, JsonObject? body) => Send(new JsonObject
    {
        ["type"] = "response",
        ["request_seq"] = request.Sequence,
        ["success"] = true,
        ["command"] = request.Command,
        ["body"] = body,
    });

    public void Refuse(DapRequest request, string why) => Send(new JsonObject
    {
        ["type"] = "response",
        ["request_seq"] = request.Sequence,
        ["success"] = false,
        ["command"] = request.Command,
        ["message"] = why,
        ["body"] = new JsonObject { ["error"] = new JsonObject { ["id"] = 1, ["format"] = why.Replace("{", "(", StringComparison.Ordinal).Replace("}", ")", StringComparison.Ordinal), ["showUser"] = true } },
    });

    public void Tell(string name, JsonObject? body = null) => Send(new JsonObject { ["type"] = "event", ["event"] = name, ["body"] = body });

    /// <summary>Runs with a token that a hang-up or a request cancels.</summary>
    /// <param name="stepping">Only a request to pause or to end does: a step that is broken off could not be taken up again.</param>
    public T Interruptibly<T>(Func<CancellationToken, T> work, bool stepping, CancellationToken stop)
    {
        using CancellationTokenSource run = CancellationTokenSource.CreateLinkedTokenSource(stop);
        lock (_lock)
        {
            (_run, _stepping) = (run, stepping);
            if (_over || _requests.Any(Interrupts))
                run.Cancel();
        }

        try
        {
            return work(run.Token);
        }
        finally
        {
            lock (_lock)
                _run = null;
        }
    }

    private bool Interrupts(DapRequest request) => !_stepping || request.Command is "pause" or "disconnect" or "terminate" or "restart";

    private void Send(JsonObject message)
    {
        message["seq"] = ++_sequence;
        byte[] body = Encoding.UTF8.GetBytes(message.ToJsonString());
        try
        {
            _output.Write(Encoding.ASCII.GetBytes($"Content-Length: {body.Length}\r\n\r\n"));
            _output.Write(body);
            _output.Flush();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Nobody reads any more; that nobody writes either comes next.
        }
    }

    private void Read(DapReader reader)
    {
        try
        {
            while (reader.Next() is { } message)
            {
                if (DapRequest.Parse(message) is not { } request)
                    continue;
                lock (_lock)
                {
                    if (!_requests.TryAdd(request))
                        throw new DapException($"more than {Ahead} requests without waiting for an answer");
                    if (Interrupts(request))
                        _run?.Cancel();
                }
            }
        }
        catch (DapException e)
        {
            Violation = e.Message;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // As the end of the stream.
        }

        lock (_lock)
        {
            _over = true;
            _run?.Cancel();
        }

        _requests.CompleteAdding();
    }
}
