namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary>Things expected in this order, with anything between them.</summary>
internal static class InOrder
{
    /// <returns>Null if all were found, else which one was not, and after which.</returns>
    public static string? Check<TItem, TActual>(IReadOnlyList<TItem> expected, IEnumerable<TActual> actual, Func<TItem, TActual, bool> matches, Func<TItem, string> name, string verb)
    {
        int found = 0;
        foreach (TActual each in actual)
        {
            if (found < expected.Count && matches(expected[found], each))
                found++;
        }

        if (found == expected.Count)
            return null;
        string after = found == 0 ? "" : $" after {name(expected[found - 1])}";
        return $"{name(expected[found])} was never {verb}{after}";
    }
}
