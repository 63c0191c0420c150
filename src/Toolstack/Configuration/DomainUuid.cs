using System.Buffers.Binary;
using System.Text;

namespace XenSim.Toolstack.Configuration;

/// <summary>The uuid of a domain whose configuration gives none. xl takes a random one; here the same name always gets the same.</summary>
public static class DomainUuid
{
    // FNV-1a, 64 bits (RFC 9923): nothing here is secret, and a cryptographic hash would load a library at every start.
    private const ulong Basis = 0xCBF2_9CE4_8422_2325;
    private const ulong Prime = 0x0000_0100_0000_01B3;

    /// <summary>In the form of a random (version 4) uuid.</summary>
    public static Guid For(string name)
    {
        byte[] text = Encoding.UTF8.GetBytes(name);
        ulong first = Fnv1a(text, Basis);
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, first);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], Fnv1a(text, first));
        bytes[6] = (byte)((bytes[6] & 0x0F) | 0x40);
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return new Guid(bytes, bigEndian: true);
    }

    private static ulong Fnv1a(ReadOnlySpan<byte> text, ulong hash)
    {
        foreach (byte b in text)
            hash = (hash ^ b) * Prime;
        return hash;
    }
}
