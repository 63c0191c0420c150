using System.Collections.Immutable;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Scenarios.Shapes;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>hypercalls: [{name: XEN_DOMCTL_hypercall_init, result: 0}]</c> and <c>no-hypercalls</c></summary>
internal static class HypercallsExpectation
{
    private sealed record Wanted(string Name, Issuer? By, long? Result, IReadOnlyList<(string Key, ulong Value, Input.Mark Mark)> Arguments)
    {
        public override string ToString()
        {
            string by = By is { } b ? $"{b.ToString().ToLowerInvariant()} " : "";
            string arguments = Arguments.Count == 0 ? "" : $"({string.Join(", ", Arguments.Select(a => $"{a.Key}=0x{a.Value:x}"))})";
            return Result is { } r ? $"{by}hypercall {Name}{arguments} = {ResultShape.Render(r)}" : $"{by}hypercall {Name}{arguments}";
        }
    }

    private sealed record Made(HypercallEntered Call, long? Result);

    private static readonly Wanted s_blank = new("", null, null, []);

    private static readonly ObjectShape<Wanted> s_long = new("a hypercall", s_blank,
    [
        Field<Wanted>.Of("name", "Xen's name of the hypercall or of its sub-operation.", new TextShape("a hypercall's name"), (w, v) => w with { Name = v }, required: true),
        Field<Wanted>.Of(
            "by", "Who issues it.",
            new ChoiceShape<Issuer>("an issuer", new Dictionary<string, Issuer> { ["guest"] = Issuer.Guest, ["toolstack"] = Issuer.Toolstack, ["multicall"] = Issuer.Multicall }),
            (w, v) => w with { By = v }),
        Field<Wanted>.Of("result", "Its result: a number or a negated errno, as in -EPERM.", new ResultShape(), (w, v) => w with { Result = v }),
        Field<Wanted>.Of(
            "arguments", "Decoded arguments by their wire field names.",
            new MapShape<string, ulong>("argument names with numbers", new TextShape("an argument's name"), NumberShape.Any), (w, v) => w with { Arguments = v }),
    ]);

    private static readonly TextShape s_name = new("a hypercall's name");

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single(
        "hypercalls", "Hypercalls made by the tools and the guest, in this order, others between them allowed.",
        new ListShape<Wanted>(new ShortOrLongShape<string, Wanted>(s_name, n => s_blank with { Name = n }, s_long), "hypercalls"), Moment.End,
        (wanted, evidence) => Check(wanted, evidence));

    public static readonly Field<ImmutableList<IExpectation>> NegativeKeyword = ExpectationCatalogue.Single(
        "no-hypercalls", "Hypercalls that must not be made.", new ListShape<string>(s_name, "hypercall names"), Moment.End,
        (names, evidence) => names.Select(n => n.Value).FirstOrDefault(n => Calls(evidence).Any(c => Named(c.Call, n))) is { } made ? $"hypercall {made} was made" : null);

    private static string? Check(IReadOnlyList<Marked<Wanted>> wanted, IEvidence evidence)
    {
        List<Made> calls = Calls(evidence);
        string? wrong = InOrder.Check(wanted, calls, (w, c) => Matches(w.Value, c), w => w.Value.ToString(), "made");
        if (wrong is null)
            return null;
        // The call may have been made with another result: that is what one wants to know.
        Wanted? missing = wanted.Select(w => w.Value).FirstOrDefault(w => w.Result is not null && !calls.Any(c => Matches(w, c)));
        Made? near = missing is null ? null : calls.LastOrDefault(c => Matches(missing with { Result = null }, c));
        return near is null ? wrong : $"{wrong}; it returned {(near.Result is { } r ? ResultShape.Render(r) : "nothing")}";
    }

    private static bool Matches(Wanted wanted, Made made)
        => Named(made.Call, wanted.Name)
            && (wanted.By is null || wanted.By == made.Call.Issuer)
            && (wanted.Result is null || wanted.Result == made.Result)
            && wanted.Arguments.All(a => made.Call.Arguments.Any(m => m.Name == a.Key && m.Value == a.Value));

    private static bool Named(HypercallEntered call, string name) => call.SubOperation == name || call.Name == name;

    /// <summary>Calls with their results; calls nest (a multicall contains others), so returns pair with the last open call of that number.</summary>
    private static List<Made> Calls(IEvidence evidence)
    {
        List<Made> calls = [];
        Stack<int> open = [];
        foreach (XenEvent e in evidence.Events.Select(t => t.Event))
        {
            if (e is HypercallEntered entered)
            {
                open.Push(calls.Count);
                calls.Add(new Made(entered, null));
            }
            else if (e is HypercallReturned returned)
            {
                while (open.TryPop(out int at))
                {
                    if (calls[at].Call.Number == returned.Number && calls[at].Call.Caller == returned.Caller)
                    {
                        calls[at] = calls[at] with { Result = returned.Result };
                        break;
                    }
                }
            }
        }

        return calls;
    }
}
