using System.Globalization;
using System.Text.Json.Nodes;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Scenarios.Yaml;

namespace XenSim.Simulator.Scenarios.Shapes;

/// <summary>A hypercall's result: a number, a negative number, or a negated errno by name.</summary>
internal sealed class ResultShape : IShape<long>
{
    public static string Render(long result)
        => result < 0 && Enum.IsDefined(result.ToErrno()) ? $"-{result.ToErrno()}" : result.ToString(CultureInfo.InvariantCulture);

    public bool TryRead(YamlNode node, Reading reading, out long value)
    {
        value = 0;
        if (node is not YamlScalar scalar)
            return reading.Expected(node, "a result, as in 0 or -EPERM");
        bool negative = scalar.Text.StartsWith('-');
        string magnitude = negative ? scalar.Text[1..] : scalar.Text;
        if (negative && Enum.TryParse(magnitude, out XenErrno errno) && Enum.IsDefined(errno) && !char.IsAsciiDigit(magnitude[0]))
        {
            value = errno.ToResult();
            return true;
        }

        if (!NumberShape.TryParse(magnitude, out ulong number) || number > long.MaxValue)
            return reading.Expected(node, "a result, as in 0 or -EPERM", negative ? Input.NearestName.Hint(magnitude, Enum.GetNames<XenErrno>()) : null);
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
