using System.Globalization;
using System.Text.Json.Nodes;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios.Shapes;

/// <summary>A hypercall's result: a number, a negative number, or a negated errno by name.</summary>
internal sealed class ResultShape : IShape<long>
{
    public bool IsWord => true;

    public static string Render(long result)
        => result < 0 && Enum.IsDefined(result.ToErrno()) ? $"-{result.ToErrno()}" : result.ToString(CultureInfo.InvariantCulture);

    public bool TryRead(YamlNode node, Reading reading, out long value)
    {
        value = 0;
        if (node is not YamlScalar scalar)
            return reading.Expected(node, "a result, as in 0 or -EPERM");
        return TryParse(scalar.Text, out value)
            || reading.Expected(node, "a result, as in 0 or -EPERM", scalar.Text.StartsWith('-') ? Input.NearestName.Hint(scalar.Text[1..], Enum.GetNames<XenErrno>()) : null);
    }

    public static bool TryParse(string text, out long value)
    {
        value = 0;
        bool negative = text.StartsWith('-');
        string magnitude = negative ? text[1..] : text;
        if (negative && magnitude.Length > 0 && !char.IsAsciiDigit(magnitude[0]) && Enum.TryParse(magnitude, out XenErrno errno) && Enum.IsDefined(errno))
        {
            value = errno.ToResult();
            return true;
        }

        if (!NumberShape.TryParse(magnitude, out ulong number) || number > long.MaxValue)
            return false;
        value = negative ? -(long)number : (long)number;
        return true;
    }

    public JsonObject Schema() => new() { ["type"] = new JsonArray("integer", "string"), ["pattern"] = "^-?(E[A-Z0-9]+|0x[0-9a-fA-F_]+|[0-9_]+)$" };
}

/// <summary>Choices that come from the ABI.</summary>
internal static class XenShapes
{
    public static readonly ChoiceShape<XenErrno> Errno = new("an errno", Enum.GetValues<XenErrno>().Where(e => e != XenErrno.None).ToDictionary(e => e.ToString()));

    public static readonly ChoiceShape<XenRelease> Release = new("a Xen release", new Dictionary<string, XenRelease>
    {
        ["4.0"] = XenRelease.V4_0,
        ["4.17"] = XenRelease.V4_17,
    });
}
