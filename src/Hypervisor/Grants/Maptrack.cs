using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Grants;

/// <summary>One grant that a domain has mapped: struct grant_mapping. Its index is the handle.</summary>
public struct GrantMapping
{
    /// <summary>The grant reference; in a free entry the next free handle.</summary>
    public uint Reference;

    /// <summary>How it is mapped; 0: the entry is free.</summary>
    public GrantMapFlags Flags;

    /// <summary>Whose grant it is.</summary>
    public DomainId Granter;

    /// <summary>Whose free list the entry goes back to (4.17).</summary>
    internal int Vcpu;

    /// <summary>A mapping that dom0's kernel made for a tool: there is no page-table entry of a simulated guest behind it.</summary>
    internal bool ByTools;
}

/// <summary>The mappings that a domain has made, by handle. Which handle is next is what real Xen hands out.</summary>
/// <remarks>
/// 4.0.4 keeps one stack of free handles, 4.17 a queue for each vCPU that always keeps one entry, and takes another vCPU's when the frames are
/// used up (real Xen begins with a random one, we with vCPU 0). Source: xen/common/grant_table.c: get_maptrack_handle, put_maptrack_handle.
/// </remarks>
public sealed class Maptrack
{
    private const uint Tail = uint.MaxValue;
    private readonly bool _v40;
    private readonly uint _perFrame;
    private readonly uint _maxFrames;
    private GrantMapping[] _entries = [];
    private uint[] _heads = [];
    private uint[] _tails = [];

    internal Maptrack(XenRelease release, uint maxFrames)
    {
        _v40 = release == XenRelease.V4_0;
        _perFrame = _v40 ? 512u : 256u;
        _maxFrames = maxFrames;
        if (!_v40)
            return;
        _heads = [0];
        _tails = [Tail];
        AddFrame(0);
    }

    /// <summary>maptrack_limit: handles that exist, used or not.</summary>
    public uint Limit => (uint)_entries.Length;

    /// <summary>Unit: frames.</summary>
    public uint MaxFrames => _maxFrames;

    public ref GrantMapping this[uint handle] => ref _entries[handle];

    /// <summary>get_maptrack_handle. False: neither a free one nor room for more.</summary>
    internal bool TryGet(int vcpu, out uint handle)
    {
        if (_v40)
            return TryGet40(out handle);
        while (_heads.Length <= vcpu)
        {
            _heads = [.. _heads, Tail];
            _tails = [.. _tails, Tail];
        }

        return TryPop(vcpu, out handle) || TryGrow(vcpu, out handle) || TrySteal(vcpu, out handle);
    }

    /// <summary>put_maptrack_handle.</summary>
    internal void Put(uint handle)
    {
        ref GrantMapping entry = ref _entries[handle];
        entry = new GrantMapping { Vcpu = entry.Vcpu };
        if (_v40)
        {
            entry.Reference = _heads[0];
            _heads[0] = handle;
            return;
        }

        entry.Reference = Tail;
        _entries[_tails[entry.Vcpu]].Reference = handle;
        _tails[entry.Vcpu] = handle;
    }

    private bool TryGet40(out uint handle)
    {
        handle = _heads[0];
        if (handle == Limit - 1)
        {
            if (Limit / _perFrame >= _maxFrames)
                return false;
            AddFrame(0);
        }

        _heads[0] = _entries[handle].Reference;
        return true;
    }

    /// <summary>The last entry stays, so that one can be added behind it.</summary>
    private bool TryPop(int vcpu, out uint handle)
    {
        handle = _heads[vcpu];
        if (handle == Tail || _entries[handle].Reference == Tail)
            return false;
        _heads[vcpu] = _entries[handle].Reference;
        return true;
    }

    private bool TryGrow(int vcpu, out uint handle)
    {
        handle = Limit;
        if (Limit / _perFrame >= _maxFrames)
            return false;
        AddFrame(vcpu);
        if (_tails[vcpu] == Tail)
            _tails[vcpu] = Limit - 1;
        _entries[Limit - 1].Reference = _heads[vcpu];
        _heads[vcpu] = handle + 1;
        return true;
    }

    private bool TrySteal(int thief, out uint handle)
    {
        // A vCPU without a list needs an entry to keep before it can take one.
        if (_tails[thief] == Tail)
        {
            if (!TryPopAny(thief, out handle))
                return false;
            _entries[handle].Reference = Tail;
            _tails[thief] = _heads[thief] = handle;
        }

        return TryPopAny(thief, out handle);
    }

    private bool TryPopAny(int thief, out uint handle)
    {
        for (int vcpu = 0; vcpu < _heads.Length; vcpu++)
        {
            if (!TryPop(vcpu, out handle))
                continue;
            _entries[handle].Vcpu = thief;
            return true;
        }

        handle = 0;
        return false;
    }

    private void AddFrame(int vcpu)
    {
        uint first = Limit;
        Array.Resize(ref _entries, (int)(first + _perFrame));
        for (uint h = first; h < Limit; h++)
            _entries[h] = new GrantMapping { Reference = h + 1, Vcpu = vcpu };
    }
}
