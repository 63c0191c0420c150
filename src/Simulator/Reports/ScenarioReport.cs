using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Serialization;
using XenSim.Hypervisor.HypercallPages;

namespace XenSim.Simulator.Reports;

/// <summary>
/// Everything that reports tell of one scenario, as a line of <c>--json</c> holds it. JUnit, HTML and the summary are made from these alone, so
/// that shards which ran on several machines can be put together. Nothing in it depends on a clock or on what ran beside it.
/// </summary>
public sealed record ScenarioReport
{
    /// <summary>Place in the suite, from 0.</summary>
    public int Index { get; init; }

    /// <summary>Scenarios in the suite, all shards together.</summary>
    public int Of { get; init; }

    public required string Name { get; init; }

    /// <summary>As the user gave it.</summary>
    public required string File { get; init; }

    public string Description { get; init; } = "";

    public IReadOnlyList<string> Tags { get; init; } = [];

    public string Xen { get; init; } = "";

    /// <summary>domu, stubdom, dom0 or hvm.</summary>
    public string Path { get; init; } = "";

    public required string Verdict { get; init; }

    /// <summary>How it ended, or why it was not run.</summary>
    public string Detail { get; init; } = "";

    /// <summary>Guest instructions retired.</summary>
    public long Instructions { get; init; }

    public int Events { get; init; }

    /// <summary>Virtual time at the end. Unit: nanoseconds.</summary>
    public ulong Nanoseconds { get; init; }

    /// <summary>SHA-256 of its whole trace; null: it was not run.</summary>
    public string? Digest { get; init; }

    /// <summary>With which what is random in it was decided; null: 0.</summary>
    public ulong? Seed { get; init; }

    public IReadOnlyList<MismatchReport> Mismatches { get; init; } = [];

    /// <summary>Null: it did not fail.</summary>
    public FailureReport? Failure { get; init; }

    /// <summary>Null: it was not run.</summary>
    public RunReport? Run { get; init; }

    /// <summary>The line of it that a person reads first.</summary>
    [JsonIgnore]
    public string Headline => Mismatches.Count > 0 ? Mismatches[0].ToString() : $"it ended with: {Detail}";
}

/// <summary>An expectation that did not hold.</summary>
/// <param name="Place">Where it stands: file, with line and column if it has a line.</param>
public sealed record MismatchReport(string Place, string Keyword, string Text)
{
    public override string ToString() => $"{Place}: {Keyword}: {Text}";
}

/// <summary>What helps to find out why a scenario failed.</summary>
/// <param name="LastEvents">The last ones before the failure, a line each.</param>
/// <param name="Explanation">Why Xen gave the guest up; empty when it did not.</param>
/// <param name="Debug">The command that opens the debugger there.</param>
/// <param name="Divergence">Where its events first differ from the last passing run's, a line each; empty: nothing to compare with.</param>
public sealed record FailureReport(IReadOnlyList<string> LastEvents, IReadOnlyList<string> Explanation, string Debug, IReadOnlyList<string> Divergence);

/// <summary>What a run left to be looked at.</summary>
public sealed record RunReport
{
    /// <summary>The guest's console, its end if it is long.</summary>
    public string Console { get; init; } = "";

    public IReadOnlyList<StageReport> Stages { get; init; } = [];

    /// <summary>From the lowest address up.</summary>
    public IReadOnlyList<SegmentReport> Memory { get; init; } = [];

    public PageReport? Page { get; init; }

    /// <summary>How often each was made, by issuer and Xen's name.</summary>
    public IReadOnlyList<CallReport> Hypercalls { get; init; } = [];
}

/// <summary>A stage that was entered. Positions are instructions retired and events emitted.</summary>
/// <param name="Side">t: the tools, h: the hypervisor, g: the guest.</param>
/// <param name="Mark">r: returned, f: failed, o: left open.</param>
/// <param name="Machine">Depth of the outermost stage of its machine.</param>
[JsonConverter(typeof(StageReportConverter))]
public sealed record StageReport(int Depth, string Name, string Side, string Mark, long Instructions, long Took, long Sequence, long Events, int Calls, string Note, int Machine);

/// <summary>Something in the guest's memory.</summary>
/// <param name="Start">Address, in hexadecimal; first byte.</param>
/// <param name="End">One after the last byte.</param>
public sealed record SegmentReport(string Name, string Start, string End, string Note);

/// <summary>The hypercall page as it was when it had just been written.</summary>
/// <param name="Bits">Width of the code that calls it.</param>
/// <param name="Bytes">gzip'd and in base 64.</param>
public sealed record PageReport(string Writer, string Digest, int Bits, string Bytes)
{
    public static string Pack(byte[] page)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Optimal, leaveOpen: true))
            gzip.Write(page);
        return Convert.ToBase64String(packed.ToArray());
    }

    /// <summary>The page's 4096 bytes.</summary>
    /// <exception cref="FormatException">Not in base 64.</exception>
    /// <exception cref="InvalidDataException">Not gzip'd.</exception>
    /// <exception cref="EndOfStreamException">Less than a page.</exception>
    public byte[] Unpack()
    {
        byte[] page = new byte[HypercallPage.Size];
        using GZipStream gzip = new(new MemoryStream(Convert.FromBase64String(Bytes)), CompressionMode.Decompress);
        gzip.ReadExactly(page);
        return page;
    }
}

public sealed record CallReport(string By, string Name, int Count, int Failed);

/// <summary>A stage as an array: there are hundreds of them in every run.</summary>
internal sealed class StageReportConverter : JsonConverter<StageReport>
{
    public override StageReport Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new JsonException("a stage is an array");
        StageReport stage = new(
            (int)Number(ref reader), Text(ref reader), Text(ref reader), Text(ref reader), Number(ref reader), Number(ref reader), Number(ref reader), Number(ref reader), (int)Number(ref reader),
            Text(ref reader), (int)Number(ref reader));
        return reader.Read() && reader.TokenType == JsonTokenType.EndArray ? stage : throw new JsonException("a stage has eleven values");
    }

    public override void Write(Utf8JsonWriter writer, StageReport value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        writer.WriteNumberValue(value.Depth);
        writer.WriteStringValue(value.Name);
        writer.WriteStringValue(value.Side);
        writer.WriteStringValue(value.Mark);
        writer.WriteNumberValue(value.Instructions);
        writer.WriteNumberValue(value.Took);
        writer.WriteNumberValue(value.Sequence);
        writer.WriteNumberValue(value.Events);
        writer.WriteNumberValue(value.Calls);
        writer.WriteStringValue(value.Note);
        writer.WriteNumberValue(value.Machine);
        writer.WriteEndArray();
    }

    private static long Number(ref Utf8JsonReader reader)
        => reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long number) ? number : throw new JsonException("a number was expected in a stage");

    private static string Text(ref Utf8JsonReader reader)
        => reader.Read() && reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new JsonException("a text was expected in a stage");
}

/// <summary>How reports become JSON and back.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ScenarioReport))]
internal sealed partial class ReportJson : JsonSerializerContext;
