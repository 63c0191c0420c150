using System.Globalization;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Scenarios;

/// <summary>Which scenarios of a suite to run.</summary>
/// <param name="Filters">Parts of names or files, of which one must occur; none: all.</param>
/// <param name="Tags">Tags of which one must be there, and with ! those that must not.</param>
/// <param name="Shard">The i-th of n parts, from 1.</param>
internal sealed record SuiteSelection(IReadOnlyList<string> Filters, IReadOnlyList<string> Tags, (int Part, int Of) Shard)
{
    /// <summary>Scenarios that are not chosen do not count; those of other shards do, for the places.</summary>
    /// <exception cref="InputException">Nothing is left.</exception>
    public ChosenScenarios Choose(IReadOnlyList<Scenario> all, SuiteCosts costs)
    {
        string[] wanted = [.. Tags.Where(t => !t.StartsWith('!'))];
        string[] unwanted = [.. Tags.Where(t => t.StartsWith('!')).Select(t => t[1..])];
        Scenario[] chosen =
        [
            .. all.Where(s => Filters.Count == 0 || Filters.Any(f => s.Name.Contains(f, StringComparison.OrdinalIgnoreCase) || s.File.Contains(f, StringComparison.OrdinalIgnoreCase)))
                .Where(s => wanted.Length == 0 || s.Tags.Any(wanted.Contains))
                .Where(s => !s.Tags.Any(unwanted.Contains)),
        ];
        if (chosen.Length == 0)
            throw new InputException("xensim test", $"none of {all.Count} scenarios is chosen", "--list shows their names");

        int[] parts = costs.Split(chosen, Shard.Of);
        int[] places = [.. Enumerable.Range(0, chosen.Length).Where(i => parts[i] == Shard.Part - 1)];
        return places.Length > 0
            ? new ChosenScenarios([.. places.Select(i => chosen[i])], places, chosen.Length)
            : throw new InputException("xensim test", $"shard {Shard.Part}/{Shard.Of} of {chosen.Length} scenarios has none", $"use at most {chosen.Length} shards");
    }

    public static bool TryParseShard(string text, out (int Part, int Of) shard)
    {
        shard = (1, 1);
        string[] parts = text.Split('/');
        if (parts.Length != 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int part) || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int of))
            return false;
        shard = (part, of);
        return part >= 1 && part <= of;
    }
}

/// <summary>The scenarios to run.</summary>
/// <param name="Places">Where each stands in the suite that the shards make up.</param>
/// <param name="Of">Scenarios in that suite.</param>
internal sealed record ChosenScenarios(IReadOnlyList<Scenario> Scenarios, IReadOnlyList<int> Places, int Of);
