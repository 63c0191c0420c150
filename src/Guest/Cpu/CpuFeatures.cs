using Iced.Intel;

namespace XenSim.Guest.Cpu;

/// <summary>What the processor underneath has, as far as instructions depend on it: read once from CPUID, the only source.</summary>
internal sealed class CpuFeatures
{
    /// <summary>Components of the extended state that XSAVE and XRSTOR know here. SDM vol. 1, 13.1.</summary>
    public const ulong X87 = 1, Sse = 2, Avx = 4, Pkru = 1 << 9;

    private const int MisalignedSse = 7;

    /// <summary>"Auth", the first letters of AMD's name in leaf 0.</summary>
    private const uint AuthenticAmd = 0x6874_7541;
    private const byte Unknown = 0, Absent = 1, Present = 2;

    /// <summary>Instructions that every processor here has, that are NOPs where the feature is missing, or that check by themselves.</summary>
    private static readonly CpuidFeature[] Base =
    [
        CpuidFeature.INTEL8086, CpuidFeature.INTEL186, CpuidFeature.INTEL286, CpuidFeature.INTEL386, CpuidFeature.INTEL486, CpuidFeature.X64, CpuidFeature.FPU, CpuidFeature.FPU287,
        CpuidFeature.FPU387, CpuidFeature.MULTIBYTENOP, CpuidFeature.PAUSE, CpuidFeature.CPUID, CpuidFeature.RDPMC, CpuidFeature.TSC, CpuidFeature.MSR, CpuidFeature.CX8,
        CpuidFeature.SMM, CpuidFeature.SYSCALL, CpuidFeature.SEP, CpuidFeature.LZCNT, CpuidFeature.PREFETCHW, CpuidFeature.PREFETCHWT1, CpuidFeature.PREFETCHITI,
        CpuidFeature.CLDEMOTE, CpuidFeature.CET_IBT, CpuidFeature.FSGSBASE, CpuidFeature.SMAP, CpuidFeature.MONITOR, CpuidFeature.VMX, CpuidFeature.SVM, CpuidFeature.SKINIT_or_SVM,
        CpuidFeature.WBNOINVD,
    ];

    /// <summary>Where CPUID says so. SDM vol. 2A, CPUID; APM vol. 3, appendix E.</summary>
    private static readonly (uint Leaf, uint Subleaf, char Register, (CpuidFeature Feature, int Bit)[] Bits)[] Places =
    [
        (1, 0, 'd', [(CpuidFeature.CMOV, 15), (CpuidFeature.CLFSH, 19), (CpuidFeature.MMX, 23), (CpuidFeature.FXSR, 24), (CpuidFeature.SSE, 25), (CpuidFeature.SSE2, 26)]),
        (1, 0, 'c',
        [
            (CpuidFeature.SSE3, 0), (CpuidFeature.PCLMULQDQ, 1), (CpuidFeature.SMX, 6), (CpuidFeature.SSSE3, 9), (CpuidFeature.FMA, 12), (CpuidFeature.CMPXCHG16B, 13),
            (CpuidFeature.SSE4_1, 19), (CpuidFeature.SSE4_2, 20), (CpuidFeature.MOVBE, 22), (CpuidFeature.POPCNT, 23), (CpuidFeature.AES, 25), (CpuidFeature.XSAVE, 26),
            (CpuidFeature.AVX, 28), (CpuidFeature.F16C, 29), (CpuidFeature.RDRAND, 30),
        ]),
        (7, 0, 'b',
        [
            (CpuidFeature.BMI1, 3), (CpuidFeature.HLE, 4), (CpuidFeature.AVX2, 5), (CpuidFeature.BMI2, 8), (CpuidFeature.INVPCID, 10), (CpuidFeature.RTM, 11),
            (CpuidFeature.HLE_or_RTM, 11), (CpuidFeature.MPX, 14), (CpuidFeature.AVX512F, 16), (CpuidFeature.AVX512DQ, 17), (CpuidFeature.RDSEED, 18), (CpuidFeature.ADX, 19),
            (CpuidFeature.AVX512_IFMA, 21), (CpuidFeature.PCOMMIT, 22), (CpuidFeature.CLFLUSHOPT, 23), (CpuidFeature.CLWB, 24), (CpuidFeature.AVX512PF, 26),
            (CpuidFeature.AVX512ER, 27), (CpuidFeature.AVX512CD, 28), (CpuidFeature.SHA, 29), (CpuidFeature.AVX512BW, 30), (CpuidFeature.AVX512VL, 31),
        ]),
        (7, 0, 'c',
        [
            (CpuidFeature.AVX512_VBMI, 1), (CpuidFeature.PKU, 3), (CpuidFeature.WAITPKG, 5), (CpuidFeature.AVX512_VBMI2, 6), (CpuidFeature.CET_SS, 7), (CpuidFeature.GFNI, 8),
            (CpuidFeature.VAES, 9), (CpuidFeature.VPCLMULQDQ, 10), (CpuidFeature.AVX512_VNNI, 11), (CpuidFeature.AVX512_BITALG, 12), (CpuidFeature.AVX512_VPOPCNTDQ, 14),
            (CpuidFeature.RDPID, 22), (CpuidFeature.KL, 23), (CpuidFeature.MOVDIRI, 27), (CpuidFeature.MOVDIR64B, 28), (CpuidFeature.ENQCMD, 29),
        ]),
        (7, 0, 'd', [(CpuidFeature.UINTR, 5), (CpuidFeature.SERIALIZE, 14), (CpuidFeature.TSXLDTRK, 16), (CpuidFeature.PCONFIG, 18)]),
        (7, 1, 'a', [(CpuidFeature.AVX_VNNI, 4)]),
        (0xD, 1, 'a', [(CpuidFeature.XSAVEOPT, 0), (CpuidFeature.XSAVEC, 1), (CpuidFeature.XSAVES, 3)]),
        (0x8000_0001, 0, 'c',
        [
            (CpuidFeature.SSE4A, 6), (CpuidFeature.XOP, 11), (CpuidFeature.SKINIT, 12), (CpuidFeature.LWP, 15), (CpuidFeature.FMA4, 16), (CpuidFeature.TBM, 21),
            (CpuidFeature.MONITORX, 29),
        ]),
        (0x8000_0001, 0, 'd', [(CpuidFeature.RDTSCP, 27), (CpuidFeature.D3NOWEXT, 30), (CpuidFeature.D3NOW, 31)]),
        (0x8000_0008, 0, 'b',
            [(CpuidFeature.CLZERO, 0), (CpuidFeature.INVLPGB, 3), (CpuidFeature.RDPRU, 4), (CpuidFeature.MCOMMIT, 8)]),
    ];

    /// <summary>Bits of CR4 that exist with a bit of CPUID. SDM vol. 3A, 2.5; vol. 2A, CPUID.</summary>
    private static readonly (int Bit, ulong Cr4)[] Cr4OfLeaf1D =
    [
        (1, Cr4Bits.Vme | Cr4Bits.Pvi), (2, Cr4Bits.De), (3, Cr4Bits.Pse), (4, Cr4Bits.Tsd), (6, Cr4Bits.Pae), (7, Cr4Bits.Mce), (13, Cr4Bits.Pge),
        (24, Cr4Bits.OsFxsr), (25, Cr4Bits.OsXmmExcpt),
    ];

    private static readonly (int Bit, ulong Cr4)[] Cr4OfLeaf1C = [(17, Cr4Bits.PcidE), (26, Cr4Bits.OsXsave)];
    private static readonly (int Bit, ulong Cr4)[] Cr4OfLeaf7B = [(0, Cr4Bits.FsGsBase), (7, Cr4Bits.Smep), (20, Cr4Bits.Smap)];
    private static readonly (int Bit, ulong Cr4)[] Cr4OfLeaf7C = [(2, Cr4Bits.Umip), (3, Cr4Bits.Pke)];

    private readonly bool[] _features = new bool[(int)Enum.GetValues<CpuidFeature>()[^1] + 1];
    private readonly byte[] _codes = new byte[(int)Enum.GetValues<Code>()[^1] + 1];

    private CpuFeatures(ICpuPolicy policy)
    {
        uint basic = policy.Hardware(0, 0).Eax, extended = policy.Hardware(0x8000_0000, 0).Eax;
        foreach (CpuidFeature f in Base)
            _features[(int)f] = true;
        foreach ((uint leaf, uint subleaf, char register, (CpuidFeature Feature, int Bit)[] bits) in Places)
        {
            if (leaf > (leaf >= 0x8000_0000 ? extended : basic))
                continue;
            CpuidResult r = policy.Hardware(leaf, subleaf);
            uint word = register switch { 'a' => r.Eax, 'b' => r.Ebx, 'c' => r.Ecx, _ => r.Edx };
            foreach ((CpuidFeature feature, int bit) in bits)
                _features[(int)feature] = (word >> bit & 1) != 0;
        }

        SysexitInLongMode = policy.Hardware(0, 0).Ebx != AuthenticAmd;
        uint amd = extended >= 0x8000_0001 ? policy.Hardware(0x8000_0001, 0).Ecx : 0;
        MxcsrMask = (amd >> MisalignedSse & 1) != 0 ? 0x2_FFFFu : 0xFFFFu;
        Lzcnt = (amd >> 5 & 1) != 0;
        CpuidResult components = basic >= 0xD ? policy.Hardware(0xD, 0) : default;
        Xcr0Mask = (((ulong)components.Edx << 32) | components.Eax) & (X87 | Sse | Avx | Pkru);
        Xgetbv1 = basic >= 0xD && (policy.Hardware(0xD, 1).Eax & 4) != 0;
        CpuidResult told = policy.Cpuid(1, 0), structured = policy.Cpuid(0, 0).Eax >= 7 ? policy.Cpuid(7, 0) : default;
        Cr4Mask = Cr4Bits.Pce | Select(told.Edx, Cr4OfLeaf1D) | Select(told.Ecx, Cr4OfLeaf1C) | Select(structured.Ebx, Cr4OfLeaf7B) | Select(structured.Ecx, Cr4OfLeaf7C);
    }

    /// <summary>
    /// Bits of MXCSR that may be set. Bit 17, misaligned exception mask, belongs to AMD's misaligned SSE mode (CPUID 0x80000001 ECX bit 7).
    /// SDM vol. 1, 11.6.6; APM vol. 1, 4.2.2.
    /// </summary>
    public uint MxcsrMask { get; }

    /// <summary>Bits of XCR0 that may be set.</summary>
    public ulong Xcr0Mask { get; }

    /// <summary>Bits of CR4 that MOV may set: those of the CPUID that the guest itself reads, as a hypervisor checks them for an HVM guest.</summary>
    public ulong Cr4Mask { get; }

    /// <summary>XGETBV with ECX = 1 tells the components in use.</summary>
    public bool Xgetbv1 { get; }

    /// <summary>AMD's processors do not know SYSENTER and SYSEXIT in long mode, compatibility mode included. APM vol. 3, SYSEXIT.</summary>
    public bool SysexitInLongMode { get; }

    /// <summary>F3 0F BD is LZCNT; else the prefix means nothing and it is BSR.</summary>
    public bool Lzcnt { get; }

    /// <summary>F3 0F BC is TZCNT; else BSF.</summary>
    public bool Tzcnt => _features[(int)CpuidFeature.BMI1];

    public static CpuFeatures Of(ICpuPolicy policy) => new(policy);

    private static ulong Select(uint word, (int Bit, ulong Cr4)[] bits)
    {
        ulong mask = 0;
        foreach ((int bit, ulong cr4) in bits)
            mask |= (word >> bit & 1) != 0 ? cr4 : 0;
        return mask;
    }

    /// <summary>Whether the instruction exists: all features that it needs are there.</summary>
    public bool Has(Code code)
    {
        ref byte known = ref _codes[(int)code];
        if (known == Unknown)
            known = Array.TrueForAll(code.CpuidFeatures(), f => _features[(int)f]) || IsSomethingElse(code.Mnemonic()) ? Present : Absent;
        return known == Present;
    }

    /// <summary>Encodings that mean another instruction where the feature is missing: BSF, a NOP (as with shadow stacks off), VMMCALL.</summary>
    private static bool IsSomethingElse(Mnemonic m) => m is Mnemonic.Tzcnt or Mnemonic.Rdsspd or Mnemonic.Rdsspq or Mnemonic.Vmgexit;
}
