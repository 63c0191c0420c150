using System.Buffers.Binary;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Memory;

/// <summary>
/// The machine-to-physical table, in real frames because guests read it: 8 bytes an entry on a 64-bit hypervisor with a
/// second table of 4 bytes an entry for 32-bit guests, or only the latter on a 32-bit one.
/// </summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/x86_64/mm.c: paging_init; INVALID_M2P_ENTRY is all ones, the unset table 0x55.</remarks>
public sealed class MachineToPhys
{
    private const ulong FramesPerSuperpage = 512;
    private readonly PhysicalMemory _memory;
    private readonly bool _wide;

    /// <param name="unset">What the table is filled with before a frame has a number: 0x55, in 4.17 INVALID_M2P_ENTRY's ones.</param>
    internal MachineToPhys(FrameTable frames, bool host64, byte unset)
    {
        _memory = frames.Memory;
        _wide = host64;
        Frames = host64 ? Allocate(frames, 8, unset) : [];
        CompatFrames = Allocate(frames, 4, unset);
    }

    /// <summary>First frames of the 2 MiB pages of the table of 8-byte entries; empty on a 32-bit hypervisor.</summary>
    public IReadOnlyList<Mfn> Frames { get; }

    /// <summary>First frames of the 2 MiB pages of the table of 4-byte entries.</summary>
    public IReadOnlyList<Mfn> CompatFrames { get; }

    /// <summary>set_gpfn_from_mfn.</summary>
    public void Set(Mfn mfn, Pfn pfn)
    {
        if (mfn.Value >= _memory.FrameCount)
            return;
        if (_wide)
            BinaryPrimitives.WriteUInt64LittleEndian(At(Frames, mfn.Value * 8), pfn.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(At(CompatFrames, mfn.Value * 4), (uint)pfn.Value);
    }

    /// <summary>get_gpfn_from_mfn. The unset and invalid entries come as they stand in the table.</summary>
    public Pfn Get(Mfn mfn)
    {
        if (mfn.Value >= _memory.FrameCount)
            return Pfn.Invalid;
        if (_wide)
            return new Pfn(BinaryPrimitives.ReadUInt64LittleEndian(At(Frames, mfn.Value * 8)));
        uint narrow = BinaryPrimitives.ReadUInt32LittleEndian(At(CompatFrames, mfn.Value * 4));
        return new Pfn(narrow == uint.MaxValue ? ulong.MaxValue : narrow);
    }

    private Span<byte> At(IReadOnlyList<Mfn> superpages, ulong offset)
        => _memory.Writable(superpages[(int)(offset >> 21)].Value + (offset >> 12 & (FramesPerSuperpage - 1)))[(int)(offset & 0xFFF)..];

    private static List<Mfn> Allocate(FrameTable frames, ulong entrySize, byte unset)
    {
        List<Mfn> superpages = [];
        for (ulong bytes = 0; bytes < frames.FrameCount * entrySize; bytes += FramesPerSuperpage * PhysicalMemory.FrameSize)
        {
            if (!frames.Allocator.TryAllocateLowest(superpage: true, out Mfn first))
                throw new InvalidOperationException("the host has no memory for the machine-to-physical table");
            for (ulong i = 0; i < FramesPerSuperpage; i++)
            {
                Mfn mfn = new(first.Value + i);
                frames.AssignToXen(mfn);
                frames[mfn].Owner = DomainId.Xen.Value;
                frames.Memory.Writable(mfn.Value).Fill(unset);
            }

            superpages.Add(first);
        }

        return superpages;
    }
}
