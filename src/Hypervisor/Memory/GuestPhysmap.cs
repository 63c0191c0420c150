using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Memory;

/// <summary>Guest-physical to machine frames of a translated domain (p2m), sparse: blocks of 2 MiB.</summary>
public sealed class GuestPhysmap : IFrameMap
{
    private const int BlockBits = 9;
    private const ulong BlockMask = (1 << BlockBits) - 1;

    // 2^40 bytes: a guest cannot make the map grow without end.
    private const ulong MaxGfn = 1UL << 28;
    private long[]?[] _blocks = new long[]?[64];

    /// <summary>Highest guest frame ever mapped (XENMEM_maximum_gpfn).</summary>
    public ulong MaxMapped { get; private set; }

    public long MachineFrame(ulong guestFrame)
    {
        ulong index = guestFrame >> BlockBits;
        return index < (ulong)_blocks.Length && _blocks[index] is { } block ? block[guestFrame & BlockMask] - 1 : -1;
    }

    public Mfn Get(Gfn gfn)
    {
        long frame = gfn.Value < MaxGfn ? MachineFrame(gfn.Value) : -1;
        return frame < 0 ? Mfn.Invalid : new Mfn((ulong)frame);
    }

    /// <summary>guest_physmap_add_page. False: the frame number is beyond what the map can hold.</summary>
    internal bool Set(Gfn gfn, Mfn mfn)
    {
        if (gfn.Value >= MaxGfn)
            return false;
        ulong index = gfn.Value >> BlockBits;
        if (index >= (ulong)_blocks.Length)
            Array.Resize(ref _blocks, (int)index + 64);
        long[] block = _blocks[index] ??= new long[1 << BlockBits];
        block[gfn.Value & BlockMask] = mfn == Mfn.Invalid ? 0 : (long)mfn.Value + 1;
        if (mfn != Mfn.Invalid)
            MaxMapped = Math.Max(MaxMapped, gfn.Value);
        return true;
    }
}
