using System.Collections.Immutable;

namespace XenSim.Hypervisor.CpuPolicies;

/// <summary>Features as 19 words: the form in which Xen masks and compares them.</summary>
internal sealed class FeatureSet
{
    /// <summary>FEATURESET_NR_ENTRIES of 4.17.</summary>
    public const int Count = 19;

    public uint[] Words { get; } = new uint[Count];

    public bool this[X86Feature feature]
    {
        get => (Words[(int)feature / 32] >> ((int)feature % 32) & 1) != 0;
        set => Words[(int)feature / 32] = value ? Words[(int)feature / 32] | Bit(feature) : Words[(int)feature / 32] & ~Bit(feature);
    }

    public void And(ReadOnlySpan<uint> mask)
    {
        for (int i = 0; i < Count; i++)
            Words[i] &= mask[i];
    }

    /// <summary>sanitise_featureset: nothing unknown, and nothing whose ground is missing.</summary>
    public void Sanitise()
    {
        And(FeatureMasks.Known);
        foreach ((X86Feature feature, ImmutableArray<X86Feature> dependents) in FeatureMasks.Dependencies)
        {
            if (this[feature])
                continue;
            foreach (X86Feature dependent in dependents)
                this[dependent] = false;
        }
    }

    private static uint Bit(X86Feature feature) => 1u << ((int)feature % 32);
}
