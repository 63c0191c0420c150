using System.Globalization;
using System.Text.Json.Nodes;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Debugging.Dap;

/// <summary>Breakpoints of each kind. A request sets all of its kind anew, as the protocol has it.</summary>
internal sealed partial class DapServer
{
    private const int MostOfAKind = 1000;

    private static readonly (string Name, string Label, bool Initially, StopPoint Point)[] s_filters =
    [
        ("failed", "Stages that fail", true, new StagePoint("*", StageMoment.Failed)),
        ("refused", "Page-table and page-type requests that Xen refuses", true, new EventPoint(EventKind.Refusal)),
        ("exception", "Exceptions of guests", false, new EventPoint(EventKind.Exception)),
        ("shutdown", "Ends of domains", false, new EventPoint(EventKind.Shutdown)),
    ];

    /// <summary>Kinds are told apart by the first word of their key.</summary>
    private readonly List<(string Kind, Breakpoint Breakpoint)> _set = [];

    private Breakpoint Add(string kind, StopPoint point, Expression? condition, long ignore)
    {
        Breakpoint b = Debug.Breakpoints.Add(point, condition);
        b.Ignore = ignore;
        _set.Add((kind, b));
        return b;
    }

    private void RemoveAll(string kind)
    {
        foreach ((_, Breakpoint b) in _set.Where(s => s.Kind.StartsWith(kind, StringComparison.Ordinal)))
            Debug.Breakpoints.Remove(b.Id);
        _set.RemoveAll(s => s.Kind.StartsWith(kind, StringComparison.Ordinal));
    }

    private string ReasonOf(IReadOnlyList<Breakpoint> hit)
    {
        string kind = _set.FirstOrDefault(s => hit.Contains(s.Breakpoint)).Kind ?? "";
        return kind.Split(' ')[0] switch { "function" => "function breakpoint", "instruction" => "instruction breakpoint", "exception" => "exception", "data" => "data breakpoint", _ => "breakpoint" };
    }

    private JsonObject SetAll(string kind, IReadOnlyList<DapArguments> wanted, Func<DapArguments, (StopPoint Point, JsonObject Body)> find)
    {
        if (wanted.Count > MostOfAKind)
            throw new DapRefusal($"at most {MostOfAKind} breakpoints of a kind");
        RemoveAll(kind);
        JsonArray all = [];
        foreach (DapArguments w in wanted)
        {
            try
            {
                (StopPoint point, JsonObject body) = find(w);
                Expression? condition = w.Text("condition") is { Length: > 0 } text ? Expression.Parse(text) : null;
                body["id"] = Add(kind, point, condition, IgnoreOf(w)).Id;
                body["verified"] = true;
                all.Add((JsonNode)body);
            }
            catch (Exception e) when (e is DapRefusal or ExpressionException)
            {
                all.Add((JsonNode)new JsonObject { ["verified"] = false, ["message"] = e.Message });
            }
        }

        return new JsonObject { ["breakpoints"] = all };
    }

    /// <summary>A hit condition is the number of the hit to stop at.</summary>
    private static long IgnoreOf(DapArguments a)
    {
        if (a.Text("hitCondition") is not { Length: > 0 } text)
            return 0;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long n) && n > 0 ? n - 1 : throw new DapRefusal($"a hit condition is the number of the hit to stop at, not \"{text}\"");
    }

    /// <summary>On lines of the document: a line without a stage stands for the next that has one.</summary>
    private JsonObject SetBreakpoints(DapArguments a)
    {
        bool known = a.Object("source") is { } source && (source.Number("sourceReference") == DocumentReference || source.Text("name") == Document.Name);
        return SetAll("stage", a.Objects("breakpoints"), w =>
        {
            if (!known)
                throw new DapRefusal("the only source is the document of the stages");
            int line = Document.NextStageLine(w.Required("line", 0, int.MaxValue)) ?? throw new DapRefusal("there is no stage from this line on");
            return (new StagePoint(Document.StageAt(line)!, StageMoment.Entered), new JsonObject { ["line"] = line, ["source"] = DocumentSource() });
        });
    }

    /// <summary>A stage, a hypercall or one of its sub-operations, or a symbol of the guest.</summary>
    private JsonObject SetFunctionBreakpoints(DapArguments a) => SetAll("function", a.Objects("breakpoints"), w =>
    {
        string name = w.Required("name").Trim();
        return (PointNamed(name), []);
    });

    private StopPoint PointNamed(string name)
    {
        if (name.Length > 0 && Document.Stages.Any(s => Breakpoint.Matches(name, s)))
            return new StagePoint(name, StageMoment.Entered);
        string[] calls = [.. Debug.Inspect.Xen.Hypercalls.Table.Rows.Select(r => r.Name)];
        if (name.Length > 0 && (calls.Any(c => Breakpoint.Matches(name, c)) || IsSubOperation(name)))
            return new HypercallPoint(name, Returning: false);
        if (Debug.Inspect.Symbols.TryFind(name, out Symbol symbol))
            return new AddressPoint(symbol.Address, name);
        throw new DapRefusal($"\"{name}\" is no stage, hypercall or symbol: {NearestName.Hint(name, [.. Document.Stages, .. calls])}");
    }

    /// <summary>The spelling of xen/include/public: XEN_DOMCTL_…, XENMEM_…, SCHEDOP_… and their like.</summary>
    private static bool IsSubOperation(string name)
        => name.IndexOf('_', StringComparison.Ordinal) is > 0 and var at && name[..at].All(char.IsAsciiLetterUpper);

    private JsonObject SetInstructionBreakpoints(DapArguments a) => SetAll("instruction", a.Objects("breakpoints"), w =>
    {
        ulong address = Reference(w.Required("instructionReference")).Address + (ulong)(w.Number("offset") ?? 0);
        return (new AddressPoint(address), new JsonObject { ["instructionReference"] = Hex(address) });
    });

    private JsonObject SetExceptionBreakpoints(DapArguments a)
    {
        RemoveAll("exception");
        foreach (string name in a.Texts("filters").Distinct())
        {
            (string Name, string, bool, StopPoint Point) filter = s_filters.FirstOrDefault(f => f.Name == name);
            if (filter.Name is null)
                throw new DapRefusal($"\"{name}\" is no filter: {NearestName.Hint(name, [.. s_filters.Select(f => f.Name)])}");
            Add("exception " + name, filter.Point, null, 0);
        }

        return [];
    }

    /// <summary>A register by name, or memory at what an expression says, as long as <c>bytes</c> says.</summary>
    private JsonObject DataBreakpointInfo(DapArguments a)
    {
        string name = a.Required("name").Trim();
        string register = name.TrimStart('$');
        long bytes = a.Number("bytes") ?? 8;
        if (RegisterFile.Names.Contains(register) && !a.Flag("asAddress"))
        {
            return new JsonObject { ["dataId"] = $"register {register}", ["description"] = register, ["accessTypes"] = new JsonArray("write"), ["canPersist"] = true };
        }

        if (bytes is < 1 or > 4096)
            throw new DapRefusal("1 to 4096 bytes can be watched");
        ulong address = Value(name);
        return new JsonObject
        {
            ["dataId"] = $"memory {Hex(address)} {bytes}",
            ["description"] = $"{bytes} bytes at {Hex(address)}",
            ["accessTypes"] = new JsonArray("read", "write", "readWrite"),
            ["canPersist"] = true,
        };
    }

    private JsonObject SetDataBreakpoints(DapArguments a) => SetAll("data", a.Objects("breakpoints"), w =>
    {
        string[] parts = w.Required("dataId").Split(' ');
        WatchKind kind = w.Text("accessType") switch { "read" => WatchKind.Read, "readWrite" => WatchKind.Access, _ => WatchKind.Write };
        StopPoint point = parts switch
        {
            ["register", { } register] when RegisterFile.Names.Contains(register) => new RegisterWatch(register),
            ["memory", { } address, { } length] when int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out int n) && n is >= 1 and <= 4096
                => Watch(Reference(address), n, kind),
            _ => throw new DapRefusal("a data id comes from dataBreakpointInfo"),
        };
        return (point, []);
    });

    private static MemoryWatch Watch((AddressSpace Space, ulong Address) at, int length, WatchKind kind)
        => at.Address + (ulong)(length - 1) >= at.Address ? new MemoryWatch(at.Space, at.Address, length, kind) : throw new DapRefusal("the range goes round the end of memory");
}
