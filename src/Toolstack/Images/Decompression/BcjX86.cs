using System.Buffers.Binary;

namespace XenSim.Toolstack.Images.Decompression;

/// <summary>Undoes the x86 branch filter: the operands of call and jmp (E8, E9) were made absolute before packing.</summary>
/// <remarks>Format: "The .xz File Format" 5.3.2 names it; algorithm: Igor Pavlov's Bra86.c (public domain).</remarks>
internal static class BcjX86
{
    private static bool IsSignByte(byte b) => b is 0 or 0xff;

    public static void Decode(Span<byte> data)
    {
        // Bit i of mask: one of the last bytes was a candidate that was not converted, i bytes back.
        ReadOnlySpan<bool> allowed = [true, true, true, false, true, false, false, false];
        ReadOnlySpan<int> bitNumber = [0, 1, 2, 2, 3, 3, 3, 3];
        uint mask = 0;
        int previous = -5;
        int limit = data.Length - 5;
        for (int i = 0; i <= limit;)
        {
            int next = data[i..(limit + 1)].IndexOfAny((byte)0xe8, (byte)0xe9);
            if (next < 0)
                return;
            i += next;
            int distance = i - previous;
            previous = i;
            if (distance > 5)
            {
                mask = 0;
            }
            else
            {
                for (int k = 0; k < distance; k++)
                    mask = (mask & 0x77) << 1;
            }

            byte top = data[i + 4];
            if (!IsSignByte(top) || !allowed[(int)(mask >> 1) & 7] || mask >> 1 >= 0x10)
            {
                i++;
                mask |= 1;
                if (IsSignByte(top))
                    mask |= 0x10;
                continue;
            }

            uint source = BinaryPrimitives.ReadUInt32LittleEndian(data[(i + 1)..]);
            uint target;
            while (true)
            {
                target = unchecked(source - (uint)(i + 5));
                if (mask == 0)
                    break;
                int shift = bitNumber[(int)(mask >> 1)] * 8;
                if (!IsSignByte((byte)(target >> (24 - shift))))
                    break;
                source = target ^ ((1u << (32 - shift)) - 1);
            }

            target &= 0x01ffffff;
            target |= 0u - (target & 0x01000000);
            BinaryPrimitives.WriteUInt32LittleEndian(data[(i + 1)..], target);
            i += 5;
            mask = 0;
        }
    }
}
