namespace XenSim.Simulator.Input;

/// <summary>The known name that a mistyped one most likely meant.</summary>
public static class NearestName
{
    private const int LongestCompared = 64;

    /// <summary>A hint for an error message: the nearest name, or the whole choice when none is near and it is short.</summary>
    public static string? Hint(string given, IReadOnlyCollection<string> known)
    {
        string? nearest = Find(given, known);
        if (nearest is not null)
            return $"did you mean \"{nearest}\"?";
        return known.Count is > 0 and <= 16 ? $"use one of: {string.Join(", ", known)}" : null;
    }

    public static string? Find(string given, IEnumerable<string> known)
    {
        string? best = null;
        // Of a name of three letters that has two others nothing is left.
        int bestDistance = (given.Length <= 3 ? given.Length / 2 : Math.Max(2, given.Length / 3)) + 1;
        foreach (string name in known)
        {
            int distance = Distance(given, name);
            if (distance < bestDistance)
                (best, bestDistance) = (name, distance);
        }

        return best;
    }

    /// <summary>
    /// Edit distance with swapped neighbours as one edit, ignoring case (optimal string alignment); names longer than
    /// <see cref="LongestCompared"/> are far from everything.
    /// </summary>
    private static int Distance(string a, string b)
    {
        if (a.Length > LongestCompared || b.Length > LongestCompared)
            return int.MaxValue;
        int[,] d = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
            d[i, 0] = i;
        for (int j = 0; j <= b.Length; j++)
            d[0, j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            for (int j = 1; j <= b.Length; j++)
            {
                int change = Same(a[i - 1], b[j - 1]) ? 0 : 1;
                d[i, j] = Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + change);
                if (i > 1 && j > 1 && Same(a[i - 1], b[j - 2]) && Same(a[i - 2], b[j - 1]))
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }

        return d[a.Length, b.Length];
    }

    private static bool Same(char x, char y) => char.ToLowerInvariant(x) == char.ToLowerInvariant(y);
}
