namespace XenSim.Hypervisor.Boot;

/// <summary>A multiboot module: where the boot loader put it, and where Xen moves it.</summary>
internal sealed class BootModule(ReadOnlyMemory<byte> bytes, ulong start)
{
    /// <summary>What the loader read.</summary>
    public ReadOnlyMemory<byte> Bytes { get; } = bytes;

    /// <summary>mod_start. Unit: bytes, physical.</summary>
    public ulong Start { get; set; } = start;

    /// <summary>Space in front of the bytes into which the kernel is unpacked. Unit: bytes.</summary>
    public ulong Headroom { get; set; }

    /// <summary>Xen has moved it (mod.reserved of 4.17).</summary>
    public bool Moved { get; set; }

    /// <summary>Its frames became dom0's own (mod_end = 0 of 4.17): there is nothing left to discard.</summary>
    public bool HandedOver { get; set; }

    /// <summary>Unit: bytes.</summary>
    public ulong Length => (ulong)Bytes.Length;

    /// <summary>Frames that hold it, with the space in front.</summary>
    public (ulong First, ulong Count) Frames
    {
        get
        {
            ulong end = Start + Headroom + Length;
            return (Start >> 12, ((end + 0xFFF) >> 12) - (Start >> 12));
        }
    }
}

/// <summary>How much room the golden builds of Xen take.</summary>
/// <param name="End">__pa(&amp;_end) before it moves; __2M_rwdata_end in 4.17. Unit: bytes.</param>
/// <param name="Offset">XEN_IMG_OFFSET: what lies below the image is not Xen's. Unit: bytes.</param>
internal readonly record struct XenImage(ulong End, ulong Offset)
{
    /// <summary>The 32-bit build says it: "Xen heap: 8MB (8756kB)" reaches from a page after _end to 12 MiB.</summary>
    private static readonly XenImage _v40Host32 = new((12ul << 20) - (8756 << 10) - 0x1000, 0);

    /// <summary>4.0.4's 64-bit build prints nothing of its size: taken as a little larger than the 32-bit one, which gives 4 MiB.</summary>
    private static readonly XenImage _v40Host64 = new(0x3C_0000, 0);

    /// <summary>New Xen image base address of the recorded boots: 6 MiB below the last 2 MiB boundary of RAM.</summary>
    private static readonly XenImage _v417 = new(6 << 20, 2 << 20);

    /// <summary>reloc_size.</summary>
    public ulong RelocationSize => (End + BootMemory.SuperpageMask) & ~BootMemory.SuperpageMask;

    public static XenImage For(XenOptions options)
        => options.Release != Public.XenRelease.V4_0 ? _v417 : options.Host64 ? _v40Host64 : _v40Host32;
}
