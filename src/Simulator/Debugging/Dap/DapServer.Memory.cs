using System.Globalization;
using System.Text.Json.Nodes;
using Iced.Intel;
using XenSim.Hypervisor.Domains;

namespace XenSim.Simulator.Debugging.Dap;

/// <summary>Memory, code and expressions.</summary>
internal sealed partial class DapServer
{
    private const int MostInstructions = 4096, MostBefore = 512, MostBytes = 1 << 20, LongestInstruction = 15;

    /// <summary><c>0x…</c> of the guest's linear addresses; after <c>phys:</c> guest-physical, after <c>machine:</c> of the machine.</summary>
    private static (AddressSpace Space, ulong Address) Reference(string text)
    {
        (AddressSpace space, string number) = text switch
        {
            _ when text.StartsWith("phys:", StringComparison.Ordinal) => (AddressSpace.GuestPhysical, text[5..]),
            _ when text.StartsWith("machine:", StringComparison.Ordinal) => (AddressSpace.Machine, text[8..]),
            _ => (AddressSpace.Virtual, text),
        };
        return number.StartsWith("0x", StringComparison.Ordinal) && ulong.TryParse(number[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong address)
            ? (space, address)
            : throw new DapRefusal($"\"{text}\" is no memory reference: 0x and hexadecimal digits, perhaps after phys: or machine:");
    }

    private JsonObject ReadMemory(DapArguments a)
    {
        string reference = a.Required("memoryReference");
        (AddressSpace space, ulong start) = Reference(reference);
        ulong address = start + (ulong)(a.Number("offset") ?? 0);
        byte[] bytes = new byte[a.Required("count", 0, MostBytes)];
        int n = 0;
        while (n < bytes.Length)
        {
            ulong at = address + (ulong)n;
            int piece = (int)Math.Min((ulong)(bytes.Length - n), 4096 - (at & 0xFFF));
            if (!Debug.Inspect.TryRead(space, at, bytes.AsSpan(n, piece)))
                break;
            n += piece;
        }

        JsonObject body = new() { ["address"] = Hex(address) };
        if (n > 0)
            body["data"] = Convert.ToBase64String(bytes, 0, n);
        if (n < bytes.Length)
            body["unreadableBytes"] = bytes.Length - n;
        return body;
    }

    private JsonObject Disassemble(DapArguments a)
    {
        ulong at = Reference(a.Required("memoryReference")).Address + (ulong)(a.Number("offset") ?? 0);
        int count = (int)a.Required("instructionCount", 0, MostInstructions);
        int skip = (int)Math.Clamp(a.Number("instructionOffset") ?? 0, -MostInstructions, MostInstructions);
        Vcpu v = Debug.Inspect.Selected ?? throw new DapRefusal("there is no vCPU yet whose code it could be");
        List<(ulong Address, DecodedInstruction? Instruction)> rows = skip < 0 ? Before(v, at, -skip) : [];
        ulong next = at;
        while (rows.Count < count + Math.Max(0, skip))
        {
            DecodedInstruction? instruction = Disassembly.At(Debug.Inspect, v, next);
            rows.Add((next, instruction));
            next = instruction?.NextLinear ?? next + 1;
        }

        NasmFormatter formatter = new();
        return new JsonObject { ["instructions"] = new JsonArray([.. rows.Skip(Math.Max(0, skip)).Take(count).Select(r => (JsonNode)Row(formatter, r.Address, r.Instruction))]) };
    }

    /// <summary>
    /// So many instructions before an address. Code can be read forwards only: it is read from some way before, and it counts if it comes out at the address,
    /// which it nearly always does, because wrong readings soon fall in step. What cannot be found is one invalid byte each.
    /// </summary>
    private List<(ulong Address, DecodedInstruction? Instruction)> Before(Vcpu v, ulong at, int count)
    {
        List<(ulong Address, DecodedInstruction? Instruction)> best = [];
        for (int distance = (Math.Min(count, MostBefore) + 1) * LongestInstruction; distance > 0 && best.Count < count; distance /= 2)
        {
            for (int from = distance; from > Math.Max(0, distance - LongestInstruction) && best.Count < count; from--)
            {
                List<(ulong, DecodedInstruction?)> rows = [.. Run(v, at - (ulong)from, at)];
                if (rows.Count > best.Count)
                    best = rows;
            }
        }

        if (best.Count >= count)
            return best[^count..];
        ulong first = best.Count > 0 ? best[0].Address : at;
        return [.. Enumerable.Range(1, count - best.Count).Reverse().Select(i => (first - (ulong)i, (DecodedInstruction?)null)), .. best];
    }

    /// <summary>From one address to another; none if the second is not the begin of an instruction on this way.</summary>
    private List<(ulong Address, DecodedInstruction? Instruction)> Run(Vcpu v, ulong from, ulong to)
    {
        List<(ulong, DecodedInstruction?)> rows = [];
        ulong next = from;
        while (next - to > ulong.MaxValue / 2)
        {
            if (Disassembly.At(Debug.Inspect, v, next) is not { } instruction)
                return [];
            rows.Add((next, instruction));
            next = instruction.NextLinear;
        }

        return next == to ? rows : [];
    }

    private JsonObject Row(NasmFormatter formatter, ulong address, DecodedInstruction? decoded)
    {
        JsonObject row = new() { ["address"] = Hex(address) };
        if (decoded is null)
        {
            row["instruction"] = "(bad)";
            row["presentationHint"] = "invalid";
            return row;
        }

        StringOutput text = new();
        formatter.Format(decoded.Instruction, text);
        row["instructionBytes"] = Convert.ToHexStringLower(decoded.Bytes);
        row["instruction"] = text.ToString();
        if (Debug.Inspect.Symbols.Describe(address) is { } symbol)
            row["symbol"] = symbol;
        return row;
    }

    /// <summary>All or nothing.</summary>
    private JsonObject WriteMemory(DapArguments a)
    {
        (AddressSpace space, ulong start) = Reference(a.Required("memoryReference"));
        ulong address = start + (ulong)(a.Number("offset") ?? 0);
        byte[] bytes = new byte[a.Required("data").Length];
        if (!Convert.TryFromBase64String(a.Required("data"), bytes, out int length))
            throw new DapRefusal("\"data\" has to be base64");
        List<MemoryChange> changes = [];
        for (int done = 0; done < length;)
        {
            ulong at = address + (ulong)done;
            int piece = (int)Math.Min((ulong)(length - done), 4096 - (at & 0xFFF));
            ulong machine = Debug.Inspect.MachineAddressOf(space, at)?.Value ?? throw new DapRefusal($"nothing is mapped at {Hex(at)}");
            changes.Add(new MemoryChange(machine, bytes[done..(done + piece)]));
            done += piece;
        }

        foreach (MemoryChange change in changes)
            Change(change);
        return new JsonObject { ["bytesWritten"] = length };
    }

    private void Change(Intervention change)
    {
        if (Debug.Change(change) is { } refused)
            throw new DapRefusal(refused);
    }

    private ulong Value(string expression) => Expression.Parse(expression).Evaluate(Debug.Inspect.Scope(Debug.Report.Event));

    /// <summary>In the console a command of the prompt; elsewhere, or when it begins with =, an expression.</summary>
    private JsonObject Evaluate(DapArguments a)
    {
        string text = a.Required("expression").Trim();
        if (a.Number("frameId") is not null && FrameOf(a).Vcpu is { } id)
            Debug.Inspect.Select(id);
        if (a.Text("context") != "repl" || text.StartsWith('='))
        {
            ulong value = Value(text.TrimStart('='));
            return new JsonObject { ["result"] = WithSymbol(value), ["variablesReference"] = 0, ["memoryReference"] = Hex(value) };
        }

        Position before = Debug.Position;
        string said = connection.Interruptibly(token => _prompt!.Execute(text, token), stepping: true, stop);
        if (Debug.Position != before)
        {
            Forget();
            TellStop(Debug.Report with { Reason = StopReason.Reached });
        }

        return new JsonObject { ["result"] = said.TrimEnd('\n'), ["variablesReference"] = 0 };
    }
}
