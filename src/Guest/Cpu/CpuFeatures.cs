namespace XenSim.Guest.Cpu;

/// <summary>What the processor underneath has, as far as instructions depend on it: read once from CPUID, the only source.</summary>
internal sealed class CpuFeatures
{
    /// <summary>Components of the extended state that XSAVE and XRSTOR know here. SDM vol. 1, 13.1.</summary>
    public const ulong X87 = 1, Sse = 2, Avx = 4;

    private const int MisalignedSse = 7;

    private CpuFeatures(ICpuPolicy policy)
    {
        uint extended = policy.Hardware(0x8000_0000, 0).Eax;
        bool misaligned = extended >= 0x8000_0001 && (policy.Hardware(0x8000_0001, 0).Ecx >> MisalignedSse & 1) != 0;
        MxcsrMask = misaligned ? 0x2_FFFFu : 0xFFFFu;
        CpuidResult components = policy.Hardware(0xD, 0);
        Xcr0Mask = (((ulong)components.Edx << 32) | components.Eax) & (X87 | Sse | Avx);
        Xgetbv1 = (policy.Hardware(0xD, 1).Eax & 4) != 0;
    }

    /// <summary>
    /// Bits of MXCSR that may be set. Bit 17, misaligned exception mask, belongs to AMD's misaligned SSE mode (CPUID 0x80000001 ECX bit 7).
    /// SDM vol. 1, 11.6.6; APM vol. 1, 4.2.2.
    /// </summary>
    public uint MxcsrMask { get; }

    /// <summary>Bits of XCR0 that may be set.</summary>
    public ulong Xcr0Mask { get; }

    /// <summary>XGETBV with ECX = 1 tells the components in use.</summary>
    public bool Xgetbv1 { get; }

    public static CpuFeatures Of(ICpuPolicy policy) => new(policy);
}
