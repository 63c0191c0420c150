using System.Globalization;

namespace XenSim.Simulator.Debugging.Gdb;

/// <summary>Numbers, bytes and packets as gdb's remote protocol writes them.</summary>
internal static class GdbText
{
    /// <summary>Value of a hexadecimal digit; negative: it is none.</summary>
    public static int Digit(byte b) => b switch
    {
        >= (byte)'0' and <= (byte)'9' => b - '0',
        >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
        _ => -1,
    };

    /// <summary>A number as in addresses and lengths: 1 to 16 hexadecimal digits.</summary>
    public static bool TryNumber(ReadOnlySpan<char> text, out ulong value)
    {
        value = 0;
        return text.Length is > 0 and <= 16 && ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }

    /// <summary><c>address,length</c></summary>
    public static bool TryRange(ReadOnlySpan<char> text, out ulong address, out ulong length)
    {
        length = address = 0;
        int comma = text.IndexOf(',');
        return comma > 0 && TryNumber(text[..comma], out address) && TryNumber(text[(comma + 1)..], out length);
    }

    /// <summary>Bytes of two digits each.</summary>
    public static bool TryBytes(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = new byte[text.Length / 2];
        return text.Length % 2 == 0 && Convert.FromHexString(text, bytes, out _, out _) == System.Buffers.OperationStatus.Done;
    }

    public static string Bytes(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    /// <summary>A whole packet, with what would end or begin one escaped.</summary>
    public static byte[] Packet(ReadOnlySpan<byte> body)
    {
        List<byte> packet = new(body.Length + 4) { (byte)'$' };
        byte sum = 0;
        foreach (byte b in body)
        {
            // Also *, which would be a run length.
            if (b is (byte)'$' or (byte)'#' or (byte)'}' or (byte)'*')
            {
                packet.Add((byte)'}');
                packet.Add((byte)(b ^ 0x20));
                sum += (byte)('}' + (b ^ 0x20));
            }
            else
            {
                packet.Add(b);
                sum += b;
            }
        }

        packet.Add((byte)'#');
        packet.AddRange(System.Text.Encoding.ASCII.GetBytes(sum.ToString("x2", CultureInfo.InvariantCulture)));
        return [.. packet];
    }
}
