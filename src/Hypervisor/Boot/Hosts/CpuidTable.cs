using XenSim.Guest.Cpu;

namespace XenSim.Hypervisor.Boot.Hosts;

/// <summary>CPUID leaves by leaf and sub-leaf, in order: they are looked up while guests run, by halving and without a hash.</summary>
internal sealed class CpuidTable
{
    private ulong[] _keys = [];
    private CpuidResult[] _results = [];

    public CpuidTable(IEnumerable<KeyValuePair<(uint Leaf, uint Subleaf), CpuidResult>> leaves)
    {
        foreach (((uint leaf, uint subleaf), CpuidResult result) in leaves)
            Set(leaf, subleaf, result);
    }

    public int Count => _keys.Length;

    public bool TryGet(uint leaf, uint subleaf, out CpuidResult result)
    {
        int at = _keys.AsSpan().BinarySearch(Key(leaf, subleaf));
        result = at >= 0 ? _results[at] : default;
        return at >= 0;
    }

    /// <summary>A new leaf, or another answer of an old one.</summary>
    public void Set(uint leaf, uint subleaf, CpuidResult result)
    {
        ulong key = Key(leaf, subleaf);
        int at = _keys.AsSpan().BinarySearch(key);
        if (at >= 0)
        {
            _results[at] = result;
            return;
        }

        _keys = [.. _keys[..~at], key, .. _keys[~at..]];
        _results = [.. _results[..~at], result, .. _results[~at..]];
    }

    private static ulong Key(uint leaf, uint subleaf) => ((ulong)leaf << 32) | subleaf;
}
