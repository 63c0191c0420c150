using System.Buffers.Binary;
using System.Text;
using XenSim.Hypervisor.Public.Elf;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>Collects the notes named "Xen" of a guest image, in order.</summary>
public sealed class NoteBuilder(bool wide)
{
    private readonly List<byte> bytes = [];

    public NoteBuilder Text(XenNoteType type, string value) => Raw(type, [.. Encoding.ASCII.GetBytes(value), 0]);

    /// <summary>A number of the image's word size.</summary>
    public NoteBuilder Number(XenNoteType type, ulong value) => wide ? Number64(type, value) : Number32(type, (uint)value);

    /// <summary>A 4-byte number in any class, as PHYS32_ENTRY and SUPPORTED_FEATURES have it.</summary>
    public NoteBuilder Number32(XenNoteType type, uint value)
    {
        var descriptor = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor, value);
        return Raw(type, descriptor);
    }

    public NoteBuilder Number64(XenNoteType type, ulong value)
    {
        var descriptor = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, value);
        return Raw(type, descriptor);
    }

    /// <summary>A note with any descriptor: n_namesz 4, n_descsz, n_type, "Xen\0", descriptor padded to 4 bytes.</summary>
    public NoteBuilder Raw(XenNoteType type, ReadOnlySpan<byte> descriptor, string name = "Xen")
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
