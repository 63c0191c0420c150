namespace XenSim.Guest.Cpu.FloatingPoint;

/// <summary>Precision and exponent range of a binary format. SDM vol. 1, table 4-2.</summary>
internal interface IFloatFormat
{
    /// <summary>Bits of the significand, the leading one included.</summary>
    static abstract int Precision { get; }

    /// <summary>Exponent of the largest numbers; the smallest normal ones have 1 minus this.</summary>
    static abstract int MaxExponent { get; }

    /// <summary>The all-ones exponent field, of infinities and NaNs.</summary>
    static abstract int SpecialExponent { get; }

    /// <summary>What an unmasked overflow or underflow takes from or adds to the exponent (IEEE 754-1985, 7.3 and 7.4).</summary>
    static abstract int Wrap { get; }
}

/// <summary>16 bits: F16C converts from and to it.</summary>
internal readonly struct HalfFormat : IFloatFormat
{
    public static int Precision => 11;

    public static int MaxExponent => 15;

    public static int SpecialExponent => 0x1F;

    public static int Wrap => 24;
}

/// <summary>32 bits.</summary>
internal readonly struct SingleFormat : IFloatFormat
{
    public static int Precision => 24;

    public static int MaxExponent => 127;

    public static int SpecialExponent => 0xFF;

    public static int Wrap => 192;
}

/// <summary>64 bits.</summary>
internal readonly struct DoubleFormat : IFloatFormat
{
    public static int Precision => 53;

    public static int MaxExponent => 1023;

    public static int SpecialExponent => 0x7FF;

    public static int Wrap => 1536;
}

/// <summary>80 bits with an explicit leading bit: the registers of the x87.</summary>
internal readonly struct ExtendedFormat : IFloatFormat
{
    public static int Precision => 64;

    public static int MaxExponent => 16383;

    public static int SpecialExponent => 0x7FFF;

    public static int Wrap => 24576;
}
