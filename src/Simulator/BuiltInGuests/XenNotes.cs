using System.Buffers.Binary;
using System.Text;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>XEN_ELFNOTE_* types. Source: stable-4.17 xen/include/public/elfnote.h.</summary>
public enum XenNoteType : uint
{
    INFO = 0,
    ENTRY = 1,
    HYPERCALL_PAGE = 2,
    VIRT_BASE = 3,
    PADDR_OFFSET = 4,
    XEN_VERSION = 5,
    GUEST_OS = 6,
    GUEST_VERSION = 7,
    LOADER = 8,
    PAE_MODE = 9,
    FEATURES = 10,
    BSD_SYMTAB = 11,
    HV_START_LOW = 12,
    L1_MFN_VALID = 13,
    SUSPEND_CANCEL = 14,
    INIT_P2M = 15,
    MOD_START_PFN = 16,
    SUPPORTED_FEATURES = 17,
    PHYS32_ENTRY = 18,
}

/// <summary>Collects the notes named "Xen" of a guest image, in order.</summary>
public sealed class XenNotes(bool wide)
{
    private readonly List<byte> bytes = [];

    public XenNotes Text(XenNoteType type, string value) => Raw(type, [.. Encoding.ASCII.GetBytes(value), 0]);

    /// <summary>A number of the image's word size.</summary>
    public XenNotes Number(XenNoteType type, ulong value) => wide ? Number64(type, value) : Number32(type, (uint)value);

    /// <summary>A 4-byte number in any class, as PHYS32_ENTRY and SUPPORTED_FEATURES have it.</summary>
    public XenNotes Number32(XenNoteType type, uint value)
    {
        var descriptor = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor, value);
        return Raw(type, descriptor);
    }

    public XenNotes Number64(XenNoteType type, ulong value)
    {
        var descriptor = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, value);
        return Raw(type, descriptor);
    }

    /// <summary>A note with any descriptor: n_namesz 4, n_descsz, n_type, "Xen\0", descriptor padded to 4 bytes.</summary>
    public XenNotes Raw(XenNoteType type, ReadOnlySpan<byte> descriptor, string name = "Xen")
    {
        Word((uint)name.Length + 1);
        Word((uint)descriptor.Length);
        Word((uint)type);
        bytes.AddRange(Encoding.ASCII.GetBytes(name));
        bytes.Add(0);
        Pad();
        bytes.AddRange(descriptor);
        Pad();
        return this;
    }

    public byte[] ToArray() => [.. bytes];

    private void Word(uint value)
    {
        Span<byte> word = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(word, value);
        bytes.AddRange(word);
    }

    private void Pad()
    {
        while (bytes.Count % 4 != 0)
        {
            bytes.Add(0);
        }
    }
}
