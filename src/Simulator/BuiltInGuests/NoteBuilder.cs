using System.Buffers.Binary;
using System.Text;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>Collects the notes named "Xen" of a guest image, in order, one of each type.</summary>
public sealed class NoteBuilder(bool wide)
{
    private readonly List<(ElfNote Type, byte[] Descriptor)> notes = [];

    public NoteBuilder Text(ElfNote type, string value) => Raw(type, [.. Encoding.ASCII.GetBytes(value), 0]);

    /// <summary>A number of the image's word size; those that are 4 bytes in any class are that here too.</summary>
    public NoteBuilder Number(ElfNote type, ulong value)
    {
        var descriptor = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, value);
        return Raw(type, wide && type is not (ElfNote.PHYS32_ENTRY or ElfNote.SUPPORTED_FEATURES) ? descriptor : descriptor[..4]);
    }

    /// <summary>A note with any descriptor.</summary>
    public NoteBuilder Raw(ElfNote type, byte[] descriptor)
    {
        int at = notes.FindIndex(n => n.Type == type);
        if (at < 0)
        {
            notes.Add((type, descriptor));
        }
        else
        {
            notes[at] = (type, descriptor);
        }

        return this;
    }

    /// <summary>Sets a note to another value, where the usual one stands, or takes it out.</summary>
    public void Replace(GuestNote note)
    {
        if (note.Text is { } text)
        {
            Text(note.Type, text);
        }
        else if (note.Number is { } number)
        {
            Number(note.Type, number);
        }
        else
        {
            notes.RemoveAll(n => n.Type == note.Type);
        }
    }

    /// <summary>Each note: n_namesz 4, n_descsz, n_type, "Xen\0", descriptor padded to 4 bytes.</summary>
    public byte[] ToArray()
    {
        List<byte> bytes = [];
        foreach (var (type, descriptor) in notes)
        {
            Word(bytes, 4);
            Word(bytes, (uint)descriptor.Length);
            Word(bytes, (uint)type);
            bytes.AddRange("Xen\0"u8);
            bytes.AddRange(descriptor);
            while (bytes.Count % 4 != 0)
            {
                bytes.Add(0);
            }
        }

        return [.. bytes];
    }

    private static void Word(List<byte> bytes, uint value)
    {
        Span<byte> word = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(word, value);
        bytes.AddRange(word);
    }
}
