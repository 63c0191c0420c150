namespace XenSim.Simulator.Session;

/// <summary>SplitMix64 (Steele, Lea, Flood 2014): a number for each pair of seed and place, the same on every machine and release of .NET.</summary>
internal static class SplitMix
{
    public static ulong Mix(ulong seed, ulong place)
    {
        ulong z = unchecked(seed + (place * 0x9E37_79B9_7F4A_7C15));
        z = unchecked((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9);
        z = unchecked((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB);
        return z ^ (z >> 31);
    }
}
