using System.Buffers.Binary;

namespace XenSim.Toolstack.Images.Decompression;

/// <summary>CRC-32 of IEEE 802.3, eight bytes at a time.</summary>
internal static class Crc32
{
    private static readonly uint[] Tables = MakeTables();

    public static uint Of(ReadOnlySpan<byte> data)
    {
        uint[] t = Tables;
        uint crc = uint.MaxValue;
        while (data.Length >= 8)
        {
            uint low = BinaryPrimitives.ReadUInt32LittleEndian(data) ^ crc;
            uint high = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            crc = t[0x700 + (low & 0xff)] ^ t[0x600 + ((low >> 8) & 0xff)] ^ t[0x500 + ((low >> 16) & 0xff)] ^ t[0x400 + (low >> 24)]
                ^ t[0x300 + (high & 0xff)] ^ t[0x200 + ((high >> 8) & 0xff)] ^ t[0x100 + ((high >> 16) & 0xff)] ^ t[high >> 24];
            data = data[8..];
        }

        foreach (byte b in data)
            crc = (crc >> 8) ^ t[(crc ^ b) & 0xff];
        return ~crc;
    }

    private static uint[] MakeTables()
    {
        const uint polynomial = 0xedb88320;
        uint[] tables = new uint[8 * 256];
        for (uint i = 0; i < 256; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++)
                value = (value >> 1) ^ (polynomial & (0u - (value & 1)));
            tables[i] = value;
        }

        for (int i = 256; i < tables.Length; i++)
            tables[i] = (tables[i - 256] >> 8) ^ tables[tables[i - 256] & 0xff];
        return tables;
    }
}
