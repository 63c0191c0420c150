using System.Buffers.Binary;

namespace XenSim.Toolstack.Tests.Images;

/// <summary>Puts a payload into a bzImage: two setup sectors, header version 2.15, the unpacked size behind the payload as Linux's build appends it.</summary>
internal static class BzImageBuilder
{
    public static byte[] Build(byte[] payload, int? appendSize, ushort version = 0x20f, uint? payloadLength = null, uint payloadOffset = 0)
    {
        byte[] size = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(size, appendSize ?? 0);
        byte[] whole = appendSize is null ? payload : [.. payload, .. size];
        byte[] image = [.. new byte[1024], .. whole];
        image[0x1f1] = 1;
        "HdrS"u8.CopyTo(image.AsSpan(0x202));
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(0x206), version);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(0x248), payloadOffset);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(0x24c), payloadLength ?? (uint)whole.Length);
        return image;
    }
}
