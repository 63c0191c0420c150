using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using XenSim.Simulator.Input;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Debugging;

/// <summary>
/// A session that can be gone through again: what was booted, what came in from outside and when, and digests of the inputs and of the trace, by which it is
/// seen whether it is the same again. JSON; the inputs themselves are not in it.
/// </summary>
/// <param name="Arguments">The words after <c>xensim debug</c> that ask for the session.</param>
/// <param name="Inputs">SHA-256 of kernel and ramdisk.</param>
/// <param name="Events">How far it goes. Unit: events.</param>
/// <param name="Trace">SHA-256 of so many events.</param>
internal sealed record Recording(IReadOnlyList<string> Arguments, string Inputs, long Events, string Trace, IReadOnlyList<(Position Position, Intervention Change)> Changes)
{
    private const string Format = "xensim-recording-1";
    private const long LargestFile = 64 << 20;

    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(DebugSession debug, string file)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("format"u8, Format);
            json.WriteString("program"u8, typeof(Recording).Assembly.GetName().Version?.ToString());
            json.WriteStartArray("arguments"u8);
            foreach (string a in debug.Arguments)
                json.WriteStringValue(a);
            json.WriteEndArray();
            json.WriteString("inputs"u8, DigestOfInputs(debug));
            json.WriteNumber("events"u8, debug.Position.Event);
            json.WriteString("trace"u8, DigestOfTrace(debug, debug.Position.Event));
            json.WriteStartArray("changes"u8);
            foreach ((Position position, Intervention change) in debug.Changes)
                Write(json, position, change);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        File.WriteAllBytes(file, bytes.ToArray());
    }

    /// <summary>Null: the file is none.</summary>
    /// <exception cref="InputException">It is one, but broken.</exception>
    public static Recording? TryRead(string file)
    {
        if (!File.Exists(file) || new FileInfo(file).Length > LargestFile)
            return null;
        byte[] bytes = InputFile.Read(file, LargestFile);
        if (bytes.AsSpan(0, Math.Min(bytes.Length, 256)).IndexOf(Encoding.UTF8.GetBytes(Format)) < 0)
            return null;
        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes);
            JsonElement root = document.RootElement;
            return new Recording(
                [.. root.GetProperty("arguments").EnumerateArray().Select(a => a.GetString() ?? "")], root.GetProperty("inputs").GetString() ?? "",
                root.GetProperty("events").GetInt64(), root.GetProperty("trace").GetString() ?? "", [.. root.GetProperty("changes").EnumerateArray().Select(Read)]);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new InputException(file, "a recording, but a broken one", e.Message);
        }
    }

    /// <summary>Goes through the session up to where it was recorded and sees whether it is the same.</summary>
    /// <exception cref="InputException">It is not.</exception>
    public void Follow(DebugSession debug, string file)
    {
        if (DigestOfInputs(debug) != Inputs)
            throw new InputException(file, "the kernel or ramdisk is not the one that was recorded", "record the session again");
        if (Events > 0)
            debug.GoToEvent(Events - 1);
        if (debug.Position.Event != Events || DigestOfTrace(debug, Events) != Trace)
            throw new InputException(file, $"the session is not the one that was recorded, up to event {debug.Position.Event}", "another version of xensim or of its scenarios made it");
    }

    public static string DigestOfTrace(DebugSession debug, long events)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using MemoryStream bytes = new();
        using Utf8JsonWriter json = new(bytes);
        for (long i = 0; i < events; i++)
        {
            JournalEntry e = debug.EventAt(i);
            json.WriteStartObject();
            json.WriteString("event"u8, e.Event.GetType().Name);
            json.WriteString("at"u8, e.Position.ToString());
            EventFields.Write(json, e.Event);
            json.WriteEndObject();
            json.Flush();
            hash.AppendData(bytes.GetBuffer(), 0, (int)bytes.Length);
            bytes.SetLength(0);
            json.Reset();
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string DigestOfInputs(DebugSession debug)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(debug.Options.Guest.Kernel?.Bytes ?? []);
        hash.AppendData(debug.Options.Guest.Ramdisk?.Bytes ?? []);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Write(Utf8JsonWriter json, Position p, Intervention change)
    {
        json.WriteStartObject();
        json.WriteNumber("instruction"u8, p.Instruction);
        json.WriteNumber("exit"u8, p.Exit);
        json.WriteNumber("event"u8, p.Event);
        switch (change)
        {
            case Typing t:
                json.WriteString("type"u8, HexText.Of(t.Bytes));
                break;
            case MemoryChange m:
                json.WriteString("memory"u8, $"0x{m.MachineAddress:x}");
                json.WriteString("bytes"u8, HexText.Of(m.Bytes));
                break;
            case RegisterChange r:
                json.WriteString("register"u8, r.Register);
                json.WriteNumber("domain"u8, r.Vcpu.Domain.Value);
                json.WriteNumber("vcpu"u8, r.Vcpu.Vcpu);
                json.WriteString("value"u8, $"0x{r.Value:x}");
                break;
            case ImageChange i:
                json.WriteString("image"u8, i.Ymm ? "ymm" : "fx");
                json.WriteNumber("domain"u8, i.Vcpu.Domain.Value);
                json.WriteNumber("vcpu"u8, i.Vcpu.Vcpu);
                json.WriteNumber("offset"u8, i.Offset);
                json.WriteString("bytes"u8, HexText.Of(i.Bytes));
                break;
            default:
                throw new NotSupportedException(change.GetType().Name);
        }

        json.WriteEndObject();
    }

    private static (Position Position, Intervention Change) Read(JsonElement e)
    {
        Position p = new(e.GetProperty("instruction").GetInt64(), e.GetProperty("exit").GetInt64(), e.GetProperty("event").GetInt64(), false);
        if (e.TryGetProperty("type", out JsonElement typed))
            return (p, new Typing(Convert.FromHexString(typed.GetString() ?? "")));
        if (e.TryGetProperty("memory", out JsonElement memory))
            return (p, new MemoryChange(Number(memory), Convert.FromHexString(e.GetProperty("bytes").GetString() ?? "")));
        VcpuId vcpu = new(new Hypervisor.Public.DomainId(e.GetProperty("domain").GetUInt16()), e.GetProperty("vcpu").GetInt32());
        if (e.TryGetProperty("image", out JsonElement image))
            return (p, new ImageChange(vcpu, image.GetString() == "ymm", e.GetProperty("offset").GetInt32(), Convert.FromHexString(e.GetProperty("bytes").GetString() ?? "")));
        return (p, new RegisterChange(vcpu, e.GetProperty("register").GetString() ?? "", Number(e.GetProperty("value"))));
    }

    private static ulong Number(JsonElement e) => ulong.Parse((e.GetString() ?? "")[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
