using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>The kernel as parsed: by elf_init, elf_parse_binary, elf_xen_parse.</summary>
internal sealed record Dom0Kernel(ElfImage Elf, XenElfParameters Parameters, Dom0Kind Kind);

/// <summary>The machine frames of the initial mapping: by alloc_domheap_pages.</summary>
/// <param name="First">alloc_spfn.</param>
/// <param name="End">alloc_epfn.</param>
/// <param name="Initrd">First frame of the ramdisk that 4.17 hands over in place; invalid otherwise.</param>
/// <param name="InitrdPfn">First pseudo-physical frame of that ramdisk; invalid without one.</param>
/// <param name="InitrdPages">Its length. Unit: frames.</param>
internal sealed record Dom0Allocation(Mfn First, Mfn End, Mfn Initrd, Pfn InitrdPfn, ulong InitrdPages)
{
    /// <summary>Frame behind page <paramref name="index"/> of the initial mapping.</summary>
    public Mfn MappedFrame(ulong index)
    {
        if (InitrdPages == 0 || index < InitrdPfn.Value)
            return new Mfn(First.Value + index);
        return index < InitrdPfn.Value + InitrdPages
            ? new Mfn(Initrd.Value + index - InitrdPfn.Value)
            : new Mfn(First.Value + index - InitrdPages);
    }
}

/// <summary>State of one construct_dom0: immutable records, each set once by its stage.</summary>
internal sealed class Dom0Build(Domain domain, Dom0Image image)
{
    public Domain Domain { get; } = domain;

    public Dom0Image Image { get; } = image;

    /// <summary>The module's bytes; by bzimage_parse: the ELF file that was packed in them.</summary>
    public ReadOnlyMemory<byte> KernelFile { get; set; } = image.Kernel;

    public ElfImage? Elf { get; set; }

    /// <summary>Null until elf_xen_parse and the compatibility check succeeded.</summary>
    public Dom0Kernel? Parsed { get; set; }

    public Dom0Kernel Kernel => Parsed ?? throw new InvalidOperationException("elf_xen_parse has not run");

    /// <summary>nr_pages.</summary>
    public ulong Pages { get; set; }

    public Dom0Layout? LaidOut { get; set; }

    public Dom0Layout Layout => LaidOut ?? throw new InvalidOperationException("the layout is not computed");

    public Dom0Allocation? Allocated { get; set; }

    public Dom0Allocation Allocation => Allocated ?? throw new InvalidOperationException("nothing is allocated");

    /// <summary>The table that CR3 names (L4; L3 of a 32-bit kernel), set when the page tables are built.</summary>
    public Mfn BaseTable { get; set; } = Mfn.Invalid;

    public Dom0AddressSpace AddressSpace => new(Domain.Xen, BaseTable, Kernel.Kind == Dom0Kind.Native ? 4 : 3);

    /// <summary>pfn to mfn, growing as frames are allocated.</summary>
    public List<Mfn> P2m { get; } = [];

    /// <summary>last_order of alloc_chunk.</summary>
    public int LastChunkOrder { get; set; } = Memory.FrameAllocator.MaxOrder;

    /// <summary>Frames allocated for an INIT_P2M table and its page tables.</summary>
    public List<Mfn> PhysmapFrames { get; } = [];
}
