namespace XenSim.Hypervisor.Public;

// One type per kind of address; docs/glossary.md has the dictionary. Source of the words: xen/include/xen/mm.h.

/// <summary>Machine frame number: a 4 KiB frame of the host's memory. Unit: frames.</summary>
public readonly record struct Mfn(ulong Value)
{
    /// <summary>Xen's INVALID_MFN, all ones.</summary>
    public static readonly Mfn Invalid = new(ulong.MaxValue);

    public MachineAddress Address => new(Value << 12);

    public override string ToString() => $"mfn 0x{Value:x}";
}

/// <summary>Guest frame number: what the domain's own page tables hold. PV: an MFN; translated (HVM): a guest-physical frame.</summary>
public readonly record struct Gfn(ulong Value)
{
    public static readonly Gfn Invalid = new(ulong.MaxValue);

    public override string ToString() => $"gfn 0x{Value:x}";
}

/// <summary>Pseudo-physical frame number: the domain's dense numbering 0..nr_pages-1, index of its p2m list.</summary>
public readonly record struct Pfn(ulong Value)
{
    public static readonly Pfn Invalid = new(ulong.MaxValue);

    public override string ToString() => $"pfn 0x{Value:x}";
}

/// <summary>Byte address in host memory. Unit: bytes.</summary>
public readonly record struct MachineAddress(ulong Value)
{
    public Mfn Frame => new(Value >> 12);

    public override string ToString() => $"maddr 0x{Value:x}";
}

/// <summary>Byte address in a guest's virtual address space, as images, notes and start_info give it. Unit: bytes.</summary>
public readonly record struct VirtualAddress(ulong Value)
{
    public static VirtualAddress operator +(VirtualAddress a, ulong bytes) => new(a.Value + bytes);

    public override string ToString() => $"va 0x{Value:x}";
}

/// <summary>Domain number (domid_t, 16 bits).</summary>
public readonly record struct DomainId(ushort Value)
{
    // Source: xen/include/public/xen.h, DOMID_*.
    public static readonly DomainId Dom0 = new(0);
    public static readonly DomainId FirstReserved = new(0x7FF0);
    public static readonly DomainId Self = new(0x7FF0);
    public static readonly DomainId Io = new(0x7FF1);
    public static readonly DomainId Xen = new(0x7FF2);
    public static readonly DomainId Cow = new(0x7FF3);
    public static readonly DomainId Invalid = new(0x7FF4);
    public static readonly DomainId Idle = new(0x7FFF);

    public override string ToString() => $"d{Value}";
}

/// <summary>Which ABI a caller speaks: width of <c>unsigned long</c> and of guest handles.</summary>
public enum Abi
{
    /// <summary>The 32-bit x86 ABI (also of compat guests), not Linux's x32.</summary>
    X32,
    X64,
}
