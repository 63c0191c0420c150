namespace XenSim.Guest.Cpu.FloatingPoint;

/// <summary>Rounding control, encoded as in MXCSR and the x87 control word. SDM vol. 1, table 4-8.</summary>
internal enum FloatRounding : byte
{
    Nearest,
    Down,
    Up,
    Truncate,
}

/// <summary>Exception bits, in MXCSR's and the x87 status word's order. SDM vol. 1, 4.9.1.</summary>
internal static class FloatFlags
{
    public const uint Invalid = 1, Denormal = 2, DivideByZero = 4, Overflow = 8, Underflow = 0x10, Inexact = 0x20;

    /// <summary>Found in the operands: an unmasked one keeps the operation from being done at all.</summary>
    public const uint BeforeComputation = Invalid | Denormal | DivideByZero;

    public const uint All = 0x3F;
}

/// <summary>Control of one operation and what it reports: by reference through all of them, flags accumulate.</summary>
internal struct FloatContext
{
    public FloatRounding Rounding;

    /// <summary>Operands that are denormal count as zero, silently (MXCSR.DAZ).</summary>
    public bool DenormalsAreZero;

    /// <summary>Results that are tiny become zero while underflow is masked (MXCSR.FTZ).</summary>
    public bool FlushToZero;

    /// <summary>Of two NaNs the larger significand goes on, as in the x87; else the first operand, as in SSE. SDM vol. 1, table 4-7.</summary>
    public bool LargerNan;

    /// <summary>x87 precision control: 24 or 53 bits of an 80-bit result; 0: all.</summary>
    public byte PrecisionControl;

    /// <summary>Masked exceptions, as <see cref="FloatFlags"/>.</summary>
    public uint Masks;

    /// <summary>Exceptions raised so far by this instruction; begins at 0, the sticky ones of the guest's register are kept elsewhere.</summary>
    public uint Flags;

    /// <summary>The last rounding increased the magnitude (C1 of the x87).</summary>
    public bool RoundedUp;

    /// <summary>Control of SSE instructions.</summary>
    public static FloatContext FromMxcsr(uint mxcsr) => new()
    {
        Rounding = (FloatRounding)((mxcsr >> 13) & 3),
        DenormalsAreZero = (mxcsr & 0x40) != 0,
        FlushToZero = (mxcsr & 0x8000) != 0,
        Masks = (mxcsr >> 7) & FloatFlags.All,
    };

    /// <summary>Control of x87 instructions. PC: 0 = 24 bits, 2 = 53, 3 (and the reserved 1) = 64. SDM vol. 1, table 8-2.</summary>
    public static FloatContext FromX87Control(ushort control) => new()
    {
        Rounding = (FloatRounding)((control >> 10) & 3),
        LargerNan = true,
        PrecisionControl = ((control >> 8) & 3) switch { 0 => 24, 2 => 53, _ => 0 },
        Masks = control & FloatFlags.All,
    };

    /// <summary>Raised and not masked.</summary>
    public readonly uint Unmasked => Flags & ~Masks;

    /// <summary>The operands alone stop the operation: no rounding happens and the result means nothing.</summary>
    public readonly bool IsStopped => (Unmasked & FloatFlags.BeforeComputation) != 0;
}
