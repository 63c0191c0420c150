using XenSim.Guest.Tests.Structure;

namespace XenSim.Guest.Tests;

/// <summary>
/// 3DNow!, which no processor at hand has: results worked out by hand from the operations' definitions (AMD 21928 and 22466). They still want a
/// witness; what is uncertain is in docs/gaps.md.
/// </summary>
public sealed class ThreeDNowTests
{
    private const ulong Operands = SystemMachine.Data;

    // Suffix; destination and source, high element first; result. 0x3F800000 is 1, 0x40000000 is 2, 0x40400000 is 3, 0xBF800000 is -1.
    [Theory]
    [InlineData(0x9E, 0x40000000_3F800000, 0x3F800000_40000000, 0x40400000_40400000)] // PFADD
    [InlineData(0x9E, 0x7F7FFFFF_00000001, 0x7F7FFFFF_00000001, 0x7F7FFFFF_00000000)] // overflow gives the largest number; denormals are zero
    [InlineData(0x9E, 0x80000000_80000000, 0x80000000_00000000, 0x80000000_00000000)] // the sign of a sum of zeros is the AND of theirs
    [InlineData(0x9A, 0x40400000_3F800000, 0x3F800000_40000000, 0x40000000_BF800000)] // PFSUB
    [InlineData(0xAA, 0x40400000_3F800000, 0x3F800000_40000000, 0xC0000000_3F800000)] // PFSUBR
    [InlineData(0xB4, 0x40400000_00800000, 0x40000000_3F000000, 0x40C00000_00000000)] // PFMUL; underflow gives zero
    [InlineData(0xB4, 0xFF7FFFFF_80800000, 0x40000000_3F000000, 0xFF7FFFFF_80000000)]
    [InlineData(0xA4, 0xBF800000_80000000, 0x00000000_BF800000, 0x00000000_00000000)] // PFMAX: zero and a negative number give +0
    [InlineData(0xA4, 0x3F800000_40000000, 0x40000000_3F800000, 0x40000000_40000000)]
    [InlineData(0x94, 0x3F800000_80000000, 0x80000000_3F800000, 0x00000000_00000000)] // PFMIN: zero and a positive number give +0
    [InlineData(0x94, 0x3F800000_BF800000, 0x40000000_3F800000, 0x3F800000_BF800000)]
    [InlineData(0xB0, 0x3F800000_80000000, 0x3F800000_00000000, 0xFFFFFFFF_FFFFFFFF)] // PFCMPEQ: zeros are equal
    [InlineData(0x90, 0x3F800000_3F800000, 0x40000000_3F800000, 0x00000000_FFFFFFFF)] // PFCMPGE
    [InlineData(0xA0, 0x40000000_3F800000, 0x3F800000_3F800000, 0xFFFFFFFF_00000000)] // PFCMPGT
    [InlineData(0xAE, 0x40000000_3F800000, 0x3F800000_3F800000, 0x40000000_40400000)] // PFACC
    [InlineData(0x8A, 0x3F800000_40400000, 0x40000000_3F800000, 0xBF800000_40000000)] // PFNACC
    [InlineData(0x8E, 0x3F800000_40400000, 0x40000000_3F800000, 0x40400000_40000000)] // PFPNACC
    [InlineData(0x1D, 0ul, 0x3FFFFFFF_BFFFFFFF, 0x00000001_FFFFFFFF)] // PF2ID truncates
    [InlineData(0x1D, 0ul, 0x4F000000_CF000001, 0x7FFFFFFF_80000000)] // and saturates
    [InlineData(0x1C, 0ul, 0x47000000_C7800000, 0x00007FFF_FFFF8000)] // PF2IW
    [InlineData(0x0D, 0ul, 0x7FFFFFFF_FFFFFFFF, 0x4EFFFFFF_BF800000)] // PI2FD truncates
    [InlineData(0x0D, 0ul, 0x80000000_00000000, 0xCF000000_00000000)]
    [InlineData(0x0C, 0ul, 0x12348000_0000FFFF, 0xC7000000_BF800000)] // PI2FW takes the low words
    [InlineData(0xBB, 0x11111111_22222222, 0x33333333_44444444, 0x44444444_33333333)] // PSWAPD
    [InlineData(0xB7, 0x7FFF8000_00010001, 0x7FFF8000_80007FFF, 0x3FFF4000_00000000)] // PMULHRW
    [InlineData(0xBF, 0xFF000102_03040506, 0xFE010101_03050709, 0xFF010102_03050608)] // PAVGUSB
    [InlineData(0x96, 0ul, 0x3F800000_00000000, 0x7F7FFFFF_7F7FFFFF)] // PFRCP: zero gives the largest number, of its sign
    [InlineData(0x96, 0ul, 0x3F800000_80000000, 0xFF7FFFFF_FF7FFFFF)]
    [InlineData(0x96, 0ul, 0x00000000_C0000000, 0xBF000000_BF000000)]
    [InlineData(0x97, 0ul, 0x00000000_40800000, 0x3F000000_3F000000)] // PFRSQRT
    [InlineData(0x97, 0ul, 0x00000000_C0800000, 0xBF000000_BF000000)]
    public void An_operation_gives_what_the_manual_says(int suffix, ulong destination, ulong source, ulong result)
    {
        using SystemMachine m = new(32);
        m.Write64(Operands, destination);
        m.Write64(Operands + 8, source);
        m.Program([0x0F, 0x6F, 0x05, .. At(0), 0x0F, 0x0F, 0x05, .. At(8), (byte)suffix, 0x0F, 0x7F, 0x05, .. At(16), 0x0F, 0x0E]); // movq, op, movq, femms
        m.ToHalt();
        Assert.Equal(result.ToString("x16"), m.Read64(Operands + 16).ToString("x16"));
    }

    // 21928, "Division" and "Square root": the sequences give 24 bits.
    [Theory]
    [InlineData(3f)]
    [InlineData(-7.25f)]
    [InlineData(1e-20f)]
    public void The_sequence_for_a_reciprocal_gives_24_bits(float value)
    {
        using SystemMachine m = new(32);
        m.Write64(Operands, BitConverter.SingleToUInt32Bits(value));
        m.Program(
            [
                0x0F, 0x6E, 0x05, .. At(0), // movd w,%mm0
                0x0F, 0x0F, 0xC8, 0x96, // pfrcp %mm0,%mm1
                0x0F, 0x62, 0xC0, // punpckldq %mm0,%mm0
                0x0F, 0x0F, 0xC1, 0xA6, // pfrcpit1 %mm1,%mm0
                0x0F, 0x0F, 0xC1, 0xB6, // pfrcpit2 %mm1,%mm0
                0x0F, 0x7F, 0x05, .. At(16),
            ]);
        m.ToHalt();
        uint expected = BitConverter.SingleToUInt32Bits(1 / value);
        Assert.InRange((long)m.Read32(Operands + 16) - expected, -1, 1);
    }

    // APM vol. 3, FEMMS: as EMMS. APM vol. 5: #UD for CR0.EM, #NM for CR0.TS.
    [Theory]
    [InlineData(0x4ul, 6)]
    [InlineData(0x8ul, 7)]
    public void Without_the_x87_there_is_no_3DNow(ulong cr0, int vector)
    {
        using SystemMachine m = new(32);
        m.Cpu.Cr0 |= cr0;
        m.Program(0x0F, 0x0F, 0xC1, 0x9E).ToVector(vector);
    }

    private static byte[] At(uint offset) => BitConverter.GetBytes((uint)Operands + offset);
}
