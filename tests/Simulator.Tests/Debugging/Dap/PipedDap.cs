using System.Collections.Concurrent;
using System.IO.Pipes;
using System.Text;
using System.Text.Json.Nodes;
using XenSim.Simulator.Commands;
using XenSim.Simulator.Debugging.Dap;

namespace XenSim.Simulator.Tests.Debugging.Dap;

/// <summary><c>xensim dap</c> on a thread of its own, with a client that talks to it over pipes, as an editor does.</summary>
internal sealed class PipedDap : IDisposable
{
    /// <summary>What does not come by then does not come: the test fails instead of hanging.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly AnonymousPipeServerStream _toServer = new(PipeDirection.Out);
    private readonly AnonymousPipeServerStream _fromServer = new(PipeDirection.In);
    private readonly CancellationTokenSource _stop = new();
    private readonly BlockingCollection<JsonNode> _came = [];
    private readonly StringWriter _error = new();
    private readonly Task<ExitCode> _serving;
    private readonly Task _reading;
    private int _sequence;

    public PipedDap()
    {
        AnonymousPipeClientStream input = new(PipeDirection.In, _toServer.ClientSafePipeHandle);
        AnonymousPipeClientStream output = new(PipeDirection.Out, _fromServer.ClientSafePipeHandle);
        _serving = Task.Factory.StartNew(() => Serve(input, output), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        _reading = Task.Factory.StartNew(Read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Everything that came and was waited past, for a message.</summary>
    public StringBuilder Log { get; } = new();

    /// <summary>Sends a request and waits for its response.</summary>
    public JsonNode Ask(string command, string arguments = "{}")
    {
        int sequence = Send(command, arguments);
        return Await(m => (string?)m["type"] == "response" && (int?)m["request_seq"] == sequence);
    }

    public int Send(string command, string arguments = "{}")
    {
        byte[] body = Encoding.UTF8.GetBytes($"{{\"seq\":{++_sequence},\"type\":\"request\",\"command\":\"{command}\",\"arguments\":{arguments}}}");
        _toServer.Write([.. Encoding.ASCII.GetBytes($"Content-Length: {body.Length}\r\n\r\n"), .. body]);
        _toServer.Flush();
        return _sequence;
    }

    public JsonNode AwaitEvent(string name, Func<JsonNode, bool>? wanted = null)
        => Await(m => (string?)m["type"] == "event" && (string?)m["event"] == name && (wanted is null || wanted(m)));

    /// <summary>The client goes away without a word.</summary>
    public ExitCode HangUp()
    {
        _toServer.Dispose();
        return _serving.WaitAsync(s_patience).GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        _stop.Cancel();
        _toServer.Dispose();
        _serving.Wait(s_patience);
        _reading.Wait(s_patience);
        _fromServer.Dispose();
        _stop.Dispose();
    }

    private JsonNode Await(Func<JsonNode, bool> wanted)
    {
        while (_came.TryTake(out JsonNode? message, s_patience))
        {
            Log.AppendLine(message.ToJsonString());
            if (wanted(message))
                return message;
        }

        throw new TimeoutException($"nothing of the kind came:\n{Log}{_error}");
    }

    private ExitCode Serve(Stream input, Stream output)
    {
        using (input)
        using (output)
            return DapCommand.Serve(input, new Terminal(output, _error, interactive: false, _stop.Token));
    }

    private void Read()
    {
        DapReader reader = new(_fromServer, 16 << 20);
        try
        {
            while (reader.Next() is { } message)
                _came.Add(JsonNode.Parse(message)!);
        }
        catch (DapException)
        {
            // It ended in the midst of a message: whoever waits says so.
        }

        _came.CompleteAdding();
    }
}
