namespace XenSim.Guest.Tests.Silicon;

/// <summary>Floating-point operands and controls that make something happen: zeroes, denormals, limits, NaNs, values that round, all of MXCSR.</summary>
internal static class FloatOperands
{
    private static readonly uint[] Singles =
    [
        0, 1, 2, 0x007FFFFF, 0x00400000, 0x00800000, 0x00800001, 0x00FFFFFF, 0x01000000, 0x0C800000, 0x1F800000, 0x20000000, 0x3EAAAAAB, 0x3F000000, 0x3F7FFFFF, 0x3F800000,
        0x3F800001, 0x3FC00000, 0x40200000, 0x40490FDB, 0x4B7FFFFF, 0x4B800000, 0x4B800001, 0x4EFFFFFF, 0x4F000000, 0x4F7FFFFF, 0x5EFFFFFF, 0x5F000000, 0x5F000001, 0x5F7FFFFF,
        0x7E800000, 0x7F000000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FA00000, 0x7FBFFFFF, 0x7FC00000, 0x7FC00001, 0x7FFFFFFF,
    ];

    private static readonly ulong[] Doubles =
    [
        0, 1, 2, 0x000FFFFFFFFFFFFF, 0x0008000000000000, 0x0010000000000000, 0x0010000000000001, 0x001FFFFFFFFFFFFF, 0x0020000000000000, 0x1FF0000000000000, 0x2000000000000000,
        0x3690000000000000, 0x36A0000000000000, 0x3690000000000001, 0x380FFFFFE0000000, 0x380FFFFFFFFFFFFF, 0x3810000000000000, 0x380FFFFFF0000000, 0x3FD5555555555555,
        0x3FE0000000000000, 0x3FEFFFFFFFFFFFFF, 0x3FF0000000000000, 0x3FF0000000000001, 0x3FF0000010000000, 0x3FF8000000000000, 0x4004000000000000, 0x41DFFFFFFFC00000,
        0x41DFFFFFFFE00000, 0x41E0000000000000, 0x41EFFFFFFFE00000, 0x433FFFFFFFFFFFFF, 0x4340000000000000, 0x4340000000000001, 0x43DFFFFFFFFFFFFF, 0x43E0000000000000,
        0x43EFFFFFFFFFFFFF, 0x47EFFFFFE0000000, 0x47EFFFFFF0000000, 0x47F0000000000000, 0x5FE0000000000000, 0x7FD0000000000000, 0x7FE0000000000000, 0x7FEFFFFFFFFFFFFF,
        0x7FF0000000000000, 0x7FF0000000000001, 0x7FF4000000000000, 0x7FF7FFFFFFFFFFFF, 0x7FF8000000000000, 0x7FF8000000000001, 0x7FFFFFFFFFFFFFFF,
    ];

    /// <summary>Bit 17 may be set: AMD's misaligned SSE mode (CPUID 0x80000001 ECX bit 7).</summary>
    private static readonly bool MisalignedMode = System.Runtime.Intrinsics.X86.X86Base.IsSupported
        && (System.Runtime.Intrinsics.X86.X86Base.CpuId(unchecked((int)0x80000001), 0).Ecx & 0x80) != 0;

    /// <summary>Fills with elements of one format.</summary>
    public static void Fill(Random random, Span<byte> bytes)
    {
        bool singles = random.Next(2) == 0;
        for (int i = 0; i + 8 <= bytes.Length; i += 8)
            BitConverter.TryWriteBytes(bytes[i..], singles ? Single(random) | ((ulong)Single(random) << 32) : Double(random));
    }

    public static uint Mxcsr(Random random)
    {
        uint masks = random.Next(3) switch { 0 => (uint)random.Next(64), 1 => 0x3Fu & ~(1u << random.Next(6)), _ => 0x3Fu };
        uint raised = random.Next(2) == 0 ? 0 : (uint)random.Next(64);
        uint daz = random.Next(4) == 0 ? 0x40u : 0, ftz = random.Next(4) == 0 ? 0x8000u : 0, mm = MisalignedMode && random.Next(8) == 0 ? 0x20000u : 0;
        return raised | daz | (masks << 7) | ((uint)random.Next(4) << 13) | ftz | mm;
    }

    private static uint Single(Random random)
    {
        uint value = random.Next(5) switch
        {
            0 or 1 => Singles[random.Next(Singles.Length)],
            2 => (uint)random.NextInt64(),
            3 => BitConverter.SingleToUInt32Bits(random.Next(-4096, 4096) / 16f),
            _ => (uint)(random.Next(100, 154) << 23) | ((uint)random.Next() & 0x7FFFFF),
        };
        return random.Next(3) == 0 ? value ^ 0x8000_0000 : value;
    }

    private static ulong Double(Random random)
    {
        ulong value = random.Next(5) switch
        {
            0 or 1 => Doubles[random.Next(Doubles.Length)],
            2 => (ulong)random.NextInt64(long.MinValue, long.MaxValue),
            3 => BitConverter.DoubleToUInt64Bits(random.Next(-65536, 65536) / 32.0),
            _ => ((ulong)random.Next(960, 1087) << 52) | ((ulong)random.NextInt64() & 0xFFFFFFFFFFFFF),
        };
        return random.Next(3) == 0 ? value ^ 0x8000_0000_0000_0000 : value;
    }
}
