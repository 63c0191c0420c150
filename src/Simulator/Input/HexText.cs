namespace XenSim.Simulator.Input;

/// <summary>Bytes as people read them.</summary>
public static class HexText
{
    /// <summary><c>b8 17 00 00 00</c></summary>
    public static string Of(ReadOnlySpan<byte> bytes)
    {
        System.Text.StringBuilder text = new(bytes.Length * 3);
        foreach (byte b in bytes)
        {
            if (text.Length > 0)
                text.Append(' ');
            text.Append(b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture));
        }

        return text.ToString();
    }
}
