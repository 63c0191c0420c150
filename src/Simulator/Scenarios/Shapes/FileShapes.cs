using System.Text.Json.Nodes;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios.Yaml;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios.Shapes;

/// <summary>A file named relative to the scenario, read at once.</summary>
internal sealed class FileShape(string what) : IShape<NamedBytes>
{
    public bool TryRead(YamlNode node, Reading reading, out NamedBytes value)
    {
        value = new NamedBytes("", []);
        if (node is not YamlScalar { Text.Length: > 0 } scalar)
            return reading.Expected(node, $"{what}'s file name");
        try
        {
            if (scalar.Text.StartsWith(FetchedGuests.Prefix, StringComparison.Ordinal))
                return TryReadFetched(scalar.Text[FetchedGuests.Prefix.Length..], reading, out value);
            value = new NamedBytes(scalar.Text, reading.ReadBeside(scalar.Text, node.Mark));
            return true;
        }
        catch (InputException e)
        {
            reading.Report(node.Mark, $"{what} \"{scalar.Text}\": {e.Diagnostics[0].Message}", e.Diagnostics[0].Hint);
            return false;
        }
    }

    public JsonObject Schema() => new() { ["type"] = "string", ["minLength"] = 1 };

    /// <summary>A file of the cache. One that is not there yet is no mistake in the scenario.</summary>
    private static bool TryReadFetched(string name, Reading reading, out NamedBytes value)
    {
        bool there = FetchedGuests.Exists(name) || FetchedGuests.AreRequired;
        value = new NamedBytes(name, there ? FetchedGuests.Read(name) : []);
        if (!there)
            reading.MissingGuest ??= name;
        return true;
    }
}

/// <summary>A built-in guest by name, or a file. A word without a dot or slash is meant as a name.</summary>
internal sealed class KernelShape : IShape<(NamedBytes Bytes, BuiltInGuest? Guest)>
{
    private static readonly FileShape s_file = new("the kernel");

    public bool TryRead(YamlNode node, Reading reading, out (NamedBytes Bytes, BuiltInGuest? Guest) value)
    {
        if (node is YamlScalar scalar && BuiltInGuest.Find(scalar.Text) is { } builtIn)
        {
            value = (new NamedBytes(builtIn.Name, builtIn.Image.ToArray()), builtIn);
            return true;
        }

        if (node is YamlScalar { Text: "none" })
        {
            value = (NamedBytes.None, null);
            return true;
        }

        if (node is YamlScalar { Text.Length: > 0 } name && name.Text.IndexOfAny(['.', '/']) < 0)
        {
            value = default;
            return reading.Expected(node, "a built-in guest or a file", NearestName.Hint(name.Text, [.. BuiltInGuest.All.Select(g => g.Name)]) ?? "write ./ before a file's name");
        }

        bool ok = s_file.TryRead(node, reading, out NamedBytes file);
        value = (file, null);
        return ok;
    }

    public JsonObject Schema() => new() { ["type"] = "string", ["minLength"] = 1, ["examples"] = new JsonArray([.. BuiltInGuest.All.Select(g => (JsonNode)g.Name)]) };
}

/// <summary><c>shutdown</c>, <c>console:TEXT</c>, <c>hypercall:NAME</c>, <c>stage:NAME</c></summary>
internal sealed class UntilShape : IShape<Until>
{
    public bool IsWord => true;

    public bool TryRead(YamlNode node, Reading reading, out Until value)
    {
        value = Until.Shutdown;
        return (node is YamlScalar scalar && Until.TryParse(scalar.Text, out value)) || reading.Expected(node, Until.Forms);
    }

    public JsonObject Schema() => new() { ["type"] = "string", ["pattern"] = "^(shutdown|(console|hypercall|stage):.+)$" };
}
