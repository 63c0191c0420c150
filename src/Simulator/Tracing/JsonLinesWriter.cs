using System.Text.Json;

namespace XenSim.Simulator.Tracing;

/// <summary>
/// The event stream as JSON Lines: <c>{"seq":0,"ns":0,"instructions":0,"event":"StageEntered",…}</c>, numbers as numbers, addresses as 0x text,
/// bytes as hexadecimal text.
/// </summary>
public sealed class JsonLinesWriter(Stream output) : IEventConsumer, IDisposable
{
    private readonly Utf8JsonWriter _json = new(output);

    public bool Wants(Type eventType) => true;

    public void On(in TimedEvent e)
    {
        _json.Reset();
        JsonLine.Write(_json, e);
        _json.Flush();
        output.WriteByte((byte)'\n');
    }

    public void Dispose()
    {
        _json.Dispose();
        output.Dispose();
    }
}
