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
        int bestDistance = Math.Max(2, given.Length / 3) + 1;
        foreach (string name in known)
        {
            int distance = Distance(given, name);
            if (distance < bestDistance)
                (best, bestDistance) = (name, distance);
        }

        return best;
    }

    /// <summary>Levenshtein distance, ignoring case; names longer than <see cref="LongestCompared"/> are far from everything.</summary>
    private static int Distance(string a, string b)
    {
        if (a.Length > LongestCompared || b.Length > LongestCompared)
            return int.MaxValue;
        Span<int> row = stackalloc int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
            row[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int same = char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1;
                int next = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + same);
                diagonal = row[j];
                row[j] = next;
            }
        }

        return row[b.Length];
    }
}
