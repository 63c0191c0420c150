namespace XenSim.Oracle.Tests.Comparison;

/// <summary>
/// A bijection between the machine frames of two runs. Machine frames differ from run to run, so equality of two domains means: there is
/// one renaming under which everything agrees.
/// </summary>
internal sealed class Renaming
{
    private readonly Dictionary<ulong, ulong> forward = [];
    private readonly Dictionary<ulong, ulong> backward = [];

    public int Count => forward.Count;

    /// <summary>Whether the two names can be the same thing, given all earlier pairs; remembers the pair if so.</summary>
    public bool Match(ulong golden, ulong ours)
    {
        bool known = forward.TryGetValue(golden, out ulong expected);
        bool taken = backward.TryGetValue(ours, out ulong owner);
        if (known || taken)
        {
            return known && taken && expected == ours && owner == golden;
        }

        forward.Add(golden, ours);
        backward.Add(ours, golden);
        return true;
    }

    /// <summary>Our name of a golden frame, or null if it has not been matched.</summary>
    public ulong? Find(ulong golden) => forward.TryGetValue(golden, out ulong ours) ? ours : null;
}
