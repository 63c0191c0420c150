using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Tracing.Traces;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>digest: {console: 3f0a…, events: …}</c>: SHA-256 of what a run leaves.</summary>
internal static class DigestExpectation
{
    private sealed record Wanted(string? Console, string? Events, string? Memory);

    private static readonly ObjectShape<Wanted> s_shape = new("digests", new Wanted(null, null, null),
    [
        Field<Wanted>.Of("console", "Of the bytes on the guest's console.", new DigestShape(), (w, v) => w with { Console = v }),
        Field<Wanted>.Of("events", "Of the events that a golden file keeps, as lines.", new DigestShape(), (w, v) => w with { Events = v }),
        Field<Wanted>.Of("memory", "Of the subject's memory at the end, page after page in the order of its pfns.", new DigestShape(), (w, v) => w with { Memory = v }),
    ]);

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single("digest", "SHA-256 of what the run leaves.", s_shape, Moment.End, Check);

    private static string? Check(Wanted wanted, IEvidence evidence)
        => Compare("console", wanted.Console, () => Console(evidence)) ?? Compare("events", wanted.Events, () => Events(evidence)) ?? Compare("memory", wanted.Memory, evidence.DigestMemory);

    private static string? Compare(string what, string? expected, Func<string?> actual)
        => expected is null ? null : actual() switch { null => $"{what}: the domain does not exist", { } digest when digest != expected => $"{what}: expected {expected}, got {digest}", _ => null };

    private static string Console(IEvidence evidence)
        => Convert.ToHexStringLower(SHA256.HashData([.. evidence.Events.Select(e => e.Event).OfType<ConsoleOutput>().Where(c => c.Domain == evidence.Subject).SelectMany(c => c.Bytes)]));

    private static string Events(IEvidence evidence)
        => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(evidence.Events.Where(e => GoldenFile.Usual.Contains(e.Event.GetType().Name)).Select(e => TraceLine.From(e).What + "\n")))));
}
