using System.Text.Json;
using System.Text.Json.Nodes;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Session;

namespace XenSim.Testing;

/// <summary>What must be so when a boot has ended: the keywords under <c>expect</c> of a scenario file. Each method returns a changed copy.</summary>
public sealed class Expecting
{
    internal Expecting(JsonObject keys) => Keys = keys;

    internal JsonObject Keys { get; }

    /// <summary>The boot ends so.</summary>
    public Expecting Outcome(SessionEnd end) => With("outcome", JsonNamingPolicy.KebabCaseLower.ConvertName(end.ToString()));

    /// <summary>These functions were entered in this order, others between them allowed.</summary>
    public Expecting Stages(params IReadOnlyList<string> names) => With("stages", Texts(names));

    /// <summary>These functions were not entered.</summary>
    public Expecting NoStages(params IReadOnlyList<string> names) => With("no-stages", Texts(names));

    /// <summary>These hypercalls or sub-operations were made in this order, others between them allowed.</summary>
    public Expecting Hypercalls(params IReadOnlyList<string> names) => With("hypercalls", Texts(names));

    /// <summary>These hypercalls were not made.</summary>
    public Expecting NoHypercalls(params IReadOnlyList<string> names) => With("no-hypercalls", Texts(names));

    /// <summary>These texts are on the guest's console in this order.</summary>
    public Expecting Console(params IReadOnlyList<string> texts) => With("console", Texts(texts));

    /// <summary>Lines, or parts of lines, that the tools or Xen print.</summary>
    public Expecting Log(params IReadOnlyList<string> texts) => With("log", Texts(texts));

    /// <summary>The hypercall page that Xen wrote for the guest is of this flavour.</summary>
    /// <param name="flavour">ring0, ring1, ring3, vmx or svm.</param>
    /// <param name="digest">SHA-256 of its 4096 bytes in hexadecimal; null: not looked at.</param>
    public Expecting Page(string flavour, string? digest = null)
    {
        JsonObject page = new() { ["flavour"] = flavour };
        if (digest is not null)
            page["digest"] = digest;
        return With("page", page);
    }

    /// <summary>That function of the boot path failed, with this errno.</summary>
    /// <param name="message">Part of its message; null: any.</param>
    public Expecting Failure(string stage, XenErrno errno, string? message = null)
    {
        JsonObject failure = new() { ["stage"] = stage, ["errno"] = errno.ToString() };
        if (message is not null)
            failure["message"] = message;
        return With("failure", failure);
    }

    /// <summary>Any keyword of <c>expect</c>, see docs/scenarios.md.</summary>
    public Expecting With(string keyword, JsonNode value)
    {
        ArgumentNullException.ThrowIfNull(value);
        JsonObject keys = (JsonObject)Keys.DeepClone();
        keys[keyword] = value.DeepClone();
        return new Expecting(keys);
    }

    private static JsonArray Texts(IReadOnlyList<string> texts) => [.. texts.Select(t => (JsonNode)t)];
}
