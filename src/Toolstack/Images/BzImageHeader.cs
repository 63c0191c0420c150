using System.Buffers.Binary;

namespace XenSim.Toolstack.Images;

/// <summary>The fields of Linux's x86 setup header that libxc reads. Source: Linux Documentation/arch/x86/boot.rst.</summary>
public readonly record struct BzImageHeader(byte SetupSectors, ushort Version, uint PayloadOffset, uint PayloadLength)
{
    /// <summary>sizeof(struct setup_header) in libxc: up to and with payload_length. Unit: bytes.</summary>
    public const int Size = 0x250;

    /// <summary>Where the payload starts in the file. Unit: bytes.</summary>
    public ulong PayloadStart => ((ulong)(SetupSectors + 1) * 512) + PayloadOffset;

    /// <summary>Whether a file (of at least <see cref="Size"/> bytes) bears <c>HdrS</c> at 0x202.</summary>
    public static bool HasMagic(ReadOnlySpan<byte> file) => file[0x202..0x206].SequenceEqual("HdrS"u8);

    public static BzImageHeader Read(ReadOnlySpan<byte> file) => new(
        file[0x1f1], BinaryPrimitives.ReadUInt16LittleEndian(file[0x206..]), BinaryPrimitives.ReadUInt32LittleEndian(file[0x248..]),
        BinaryPrimitives.ReadUInt32LittleEndian(file[0x24c..]));
}
