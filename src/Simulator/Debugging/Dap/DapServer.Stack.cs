using System.Globalization;
using System.Text.Json.Nodes;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging.Dap;

/// <summary>Threads, frames, and what is in them.</summary>
internal sealed partial class DapServer
{
    /// <summary>What happens, whoever does it: the tools, Xen, or a vCPU.</summary>
    private const long BootThread = 1;

    private const long DocumentReference = 1;

    private const int MostFrames = 1000;

    /// <summary>A row of a stack.</summary>
    /// <param name="Open">Of a stage or hypercall.</param>
    /// <param name="Vcpu">Of guest code.</param>
    private sealed record Frame(string Name, int? Line, ulong? Address, CallFrame? Open, VcpuId? Vcpu);

    private sealed record Variable(string Name, string Value, string? MemoryReference = null);

    /// <param name="Registers">Whose registers it shows; null: nothing that can be set.</param>
    private sealed record Scope(Func<IEnumerable<Variable>> Variables, VcpuId? Registers);

    private readonly List<Frame> _frames = [];
    private readonly List<Scope> _scopes = [];

    /// <summary>What was given out is of the last stop.</summary>
    private void Forget()
    {
        _frames.Clear();
        _scopes.Clear();
    }

    private static long ThreadOf(VcpuId v) => 2 + (((long)v.Domain.Value << 16) | (uint)v.Vcpu);

    private VcpuId? VcpuOf(long thread)
    {
        if (thread == BootThread)
            return null;
        VcpuId id = new(new DomainId((ushort)((thread - 2) >> 16)), (int)((thread - 2) & 0xFFFF));
        return thread >= 2 && Debug.Inspect.Find(id) is not null ? id : throw new DapRefusal($"there is no thread {thread}");
    }

    private JsonObject Threads()
    {
        JsonArray all = [(JsonNode)new JsonObject { ["id"] = BootThread, ["name"] = "the boot" }];
        foreach (Vcpu v in Debug.Inspect.Vcpus.Where(v => Debug.Options.Path == BootPath.Dom0 || v.Domain.Id != DomainId.Dom0))
        {
            VcpuId id = new(v.Domain.Id, v.Id);
            all.Add((JsonNode)new JsonObject { ["id"] = ThreadOf(id), ["name"] = $"{id} ({v.State.ToString().ToLowerInvariant()})" });
        }

        return new JsonObject { ["threads"] = all };
    }

    private JsonObject StackTrace(DapArguments a)
    {
        long thread = a.Required("threadId", 1, long.MaxValue);
        Frame[] all = [.. thread == BootThread ? WholeStack() : GuestFrames(Debug.Inspect.Find(VcpuOf(thread)!.Value)!)];
        int from = (int)Math.Clamp(a.Number("startFrame") ?? 0, 0, all.Length);
        int levels = (int)Math.Clamp(a.Number("levels") is > 0 and var n ? n : MostFrames, 0, MostFrames);
        return new JsonObject
        {
            ["stackFrames"] = new JsonArray([.. all.Skip(from).Take(levels).Select(f => (JsonNode)Describe(f))]),
            ["totalFrames"] = all.Length,
        };
    }

    /// <summary>Stages and hypercalls that are open, and where a hypercall of a guest came from, innermost first.</summary>
    private IEnumerable<Frame> WholeStack()
    {
        Vcpu? running = Debug.Inspect.Running;
        CallFrame? call = Debug.Stack?.Outwards().LastOrDefault(f => f.IsHypercall && f.Side == Side.Guest);
        if (running is not null && call is null)
        {
            foreach (Frame f in GuestFrames(running))
                yield return f;
        }

        foreach (CallFrame open in Debug.Stack?.Outwards() ?? [])
        {
            yield return new Frame(open.Name, open.IsHypercall ? null : Document.LineOf(open), null, open, null);
            if (open != call || running is null)
                continue;
            foreach (Frame f in GuestFrames(running))
                yield return f;
        }
    }

    /// <summary>The innermost has the vCPU's registers; of its callers what is known is where they go on.</summary>
    private IEnumerable<Frame> GuestFrames(Vcpu v) => Debug.Inspect.StackOf(v).Select((f, i) => new Frame(
        (f.IsGuess ? "? " : "") + (Debug.Inspect.Symbols.Describe(f.Address) ?? Hex(f.Address)), null, f.Address, null, i == 0 ? new VcpuId(v.Domain.Id, v.Id) : null));

    private JsonObject Describe(Frame f)
    {
        _frames.Add(f);
        JsonObject frame = new() { ["id"] = _frames.Count, ["name"] = f.Name, ["line"] = f.Line ?? 0, ["column"] = f.Line is null ? 0 : 1 };
        if (f.Line is not null)
            frame["source"] = DocumentSource();
        if (f.Address is { } address)
            frame["instructionPointerReference"] = Hex(address);
        return frame;
    }

    private JsonObject DocumentSource() => new() { ["name"] = Document.Name, ["sourceReference"] = DocumentReference, ["origin"] = "declared stages" };

    private JsonObject Source(DapArguments a)
    {
        long reference = a.Object("source")?.Number("sourceReference") ?? a.Number("sourceReference") ?? 0;
        return reference == DocumentReference
            ? new JsonObject { ["content"] = Document.Text, ["mimeType"] = "text/plain" }
            : throw new DapRefusal("the only source is the document of the stages");
    }

    private Frame FrameOf(DapArguments a)
    {
        long id = a.Required("frameId", 1, int.MaxValue);
        return id <= _frames.Count ? _frames[(int)id - 1] : throw new DapRefusal($"frame {id} is not of this stop");
    }

    private JsonObject Scopes(DapArguments a)
    {
        Frame f = FrameOf(a);
        JsonArray scopes = [];
        if (f.Vcpu is { } id)
        {
            AddScope(scopes, "Registers", "registers", () => Registers(id, system: false), id);
            AddScope(scopes, "System registers", "registers", () => Registers(id, system: true), id);
            if (Debug.Inspect.Session.Entry is { StartInfo.Length: > 0 } entry && entry.Domain == id.Domain)
                AddScope(scopes, "start_info", null, () => StartInfo(entry));
        }
        else if (f.Open is { IsHypercall: true } call)
        {
            AddScope(scopes, "Arguments", "arguments", () => Arguments(call));
        }
        else if (f.Open is { } stage)
        {
            AddScope(scopes, "Stage", "locals", () => [new("machine", stage.Machine), new("side", stage.Side.ToString()), new("entered in event", Decimal(stage.Event))]);
        }

        return new JsonObject { ["scopes"] = scopes };
    }

    private void AddScope(JsonArray scopes, string name, string? hint, Func<IEnumerable<Variable>> variables, VcpuId? registers = null)
    {
        _scopes.Add(new Scope(variables, registers));
        JsonObject scope = new() { ["name"] = name, ["variablesReference"] = _scopes.Count, ["expensive"] = false };
        if (hint is not null)
            scope["presentationHint"] = hint;
        scopes.Add((JsonNode)scope);
    }

    private JsonObject Variables(DapArguments a)
    {
        JsonArray all = [];
        foreach (Variable v in ScopeOf(a).Variables())
        {
            JsonObject o = new() { ["name"] = v.Name, ["value"] = v.Value, ["variablesReference"] = 0 };
            if (v.MemoryReference is not null)
                o["memoryReference"] = v.MemoryReference;
            all.Add((JsonNode)o);
        }

        return new JsonObject { ["variables"] = all };
    }

    private Scope ScopeOf(DapArguments a)
    {
        long reference = a.Required("variablesReference", 1, int.MaxValue);
        return reference <= _scopes.Count ? _scopes[(int)reference - 1] : throw new DapRefusal($"variables {reference} are not of this stop");
    }

    private JsonObject SetVariable(DapArguments a)
    {
        string name = a.Required("name");
        if (ScopeOf(a).Registers is not { } id)
            throw new DapRefusal($"{name} cannot be set: only registers can");
        ulong value = Value(a.Required("value"));
        Change(new RegisterChange(id, name, value));
        return new JsonObject { ["value"] = WithSymbol(value) };
    }

    private IEnumerable<Variable> Registers(VcpuId id, bool system)
    {
        if (Debug.Inspect.Find(id) is not { } v)
            yield break;
        foreach (string name in RegisterFile.Names.Where(n => IsGeneral(n) != system))
        {
            RegisterFile.TryRead(v.Cpu, name, out ulong value);
            yield return new Variable(name, WithSymbol(value), Hex(value));
        }
    }

    private static bool IsGeneral(string register) => register[0] == 'r' || register is "cs" or "ss" or "ds" or "es" or "fs" or "gs";

    private static IEnumerable<Variable> StartInfo(GuestEntry entry)
    {
        yield return new Variable(StartInfoFields.Magic, $"\"{StartInfoFields.Text(StartInfoFields.Magic, entry.StartInfo, entry.Wide)}\"");
        foreach (string name in StartInfoFields.NumberNames)
            yield return new Variable(name, Hex(StartInfoFields.Number(name, entry.StartInfo, entry.Wide)));
        yield return new Variable(StartInfoFields.CommandLine, $"\"{StartInfoFields.Text(StartInfoFields.CommandLine, entry.StartInfo, entry.Wide)}\"");
    }

    private IEnumerable<Variable> Arguments(CallFrame frame)
    {
        if (Debug.EventAt(frame.Event).Event is not HypercallEntered call)
            yield break;
        yield return new Variable("hypercall", call.SubOperation is null ? call.Name : $"{call.Name} ({call.SubOperation})");
        yield return new Variable("caller", call.Issuer == Issuer.Toolstack ? "the tools" : $"{call.Caller}v{call.Vcpu}");
        if (call.Target is { } target)
            yield return new Variable("target", target.ToString());
        if (call.InstructionPointer != 0)
            yield return new Variable("from", WithSymbol(call.InstructionPointer), Hex(call.InstructionPointer));
        foreach (Argument argument in call.Arguments)
            yield return new Variable(argument.Name, argument.Text ?? Hex(argument.Value), Hex(argument.Value));
    }

    private string WithSymbol(ulong value) => Debug.Inspect.Symbols.Describe(value) is { } symbol ? $"{Hex(value)} <{symbol}>" : Hex(value);

    private static string Hex(ulong value) => string.Create(CultureInfo.InvariantCulture, $"0x{value:x}");

    private static string Decimal(long value) => value.ToString(CultureInfo.InvariantCulture);
}
