using System.Collections.Immutable;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>start-info: {magic: xen-3.0-x86_64, nr_pages: 8192, flags: 0}</c></summary>
internal static class StartInfoExpectation
{
    private sealed record Wanted(ImmutableList<(string Name, string Text)> Texts, ImmutableList<(string Name, ulong Number)> Numbers);

    private static readonly ObjectShape<Wanted> s_shape = new("start-info", new Wanted([], []),
    [
        Text(StartInfoFields.Magic, "The guest type's name, e.g. xen-3.0-x86_64."),
        Text(StartInfoFields.CommandLine, "The kernel's command line."),
        .. StartInfoFields.NumberNames.Select(Number),
    ]);

    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Single(
        "start-info", "Fields of the start_info page that a PV guest is started with, by their public names.", s_shape, Moment.Entry, Check);

    private static Field<Wanted> Text(string name, string description)
        => Field<Wanted>.Of(name, description, new TextShape(), (w, v) => w with { Texts = w.Texts.Add((name, v)) });

    private static Field<Wanted> Number(string name)
        => Field<Wanted>.Of(name, $"start_info.{name}", NumberShape.Any, (w, v) => w with { Numbers = w.Numbers.Add((name, v)) });

    private static string? Check(Wanted wanted, IEvidence evidence)
    {
        GuestEntry entry = evidence.Entry!;
        if (entry.StartInfo.Length == 0)
            return "the guest has no start_info page";
        foreach ((string name, string expected) in wanted.Texts)
        {
            string actual = StartInfoFields.Text(name, entry.StartInfo, entry.Wide);
            if (actual != expected)
                return $"{name}: expected \"{expected}\", got \"{actual}\"";
        }

        foreach ((string name, ulong expected) in wanted.Numbers)
        {
            ulong actual = StartInfoFields.Number(name, entry.StartInfo, entry.Wide);
            if (actual != expected)
                return $"{name}: expected 0x{expected:x}, got 0x{actual:x}";
        }

        return null;
    }
}
