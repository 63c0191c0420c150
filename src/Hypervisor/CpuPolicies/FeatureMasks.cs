using System.Collections.Immutable;
using static XenSim.Hypervisor.CpuPolicies.X86Feature;

namespace XenSim.Hypervisor.CpuPolicies;

/// <summary>Which features each kind of guest may have, and which features mean nothing without which others.</summary>
/// <remarks>
/// The masks are the annotations of stable-4.17 xen/include/public/arch-x86/cpufeatureset.h collected into words; dependencies as in
/// xen/tools/gen-cpuid.py: crunch_numbers.
/// </remarks>
internal static class FeatureMasks
{
    /// <summary>CPUID_COMMON_1D_FEATURES: bits of leaf 1 EDX that AMD repeats in leaf 0x80000001 EDX.</summary>
    public const uint CommonWithLeaf1 = 0x0183_F3FF;

    public static ReadOnlySpan<uint> Known =>
    [
        0xBFEBFBFF, 0xFFFEF3FF, 0xEE500800, 0x2469BFFF, 0x0000000F, 0xFFBFFFFF, 0x3A405FDF, 0x00000780, 0x779FD205, 0xFC91EF1C,
        0x00001C30, 0xF8000164, 0x00000001, 0x00000037, 0x00000000, 0x00040000, 0x1FBEFFFF, 0x40000000, 0x00000006,
    ];

    public static ReadOnlySpan<uint> PvDefault =>
    [
        0x1FC9CBF5, 0xF6D83203, 0xEA500800, 0x042109E3, 0x00000007, 0xFDAF0B29, 0x02405F43, 0x00000000, 0x64001005, 0xAC00441C,
        0x00001C30, 0x78000064, 0x00000000, 0x00000021, 0x00000000, 0x00000000, 0x1D12E173, 0x40000000, 0x00000006,
    ];

    public static ReadOnlySpan<uint> PvMax =>
    [
        0x1FC9CBF5, 0xF6D83203, 0xEA500800, 0x042109E3, 0x00000007, 0xFDAF0B39, 0x1A405F43, 0x00000100, 0x64001005, 0xAC01451C,
        0x00001C30, 0x78000064, 0x00000000, 0x00000021, 0x00000000, 0x00000000, 0x1D12E173, 0x40000000, 0x00000006,
    ];

    public static ReadOnlySpan<uint> ShadowDefault =>
    [
        0x1FCBFBFF, 0xF7F83203, 0xEA500800, 0x042109F3, 0x0000000F, 0xFDBF0BAB, 0x02405F47, 0x00000000, 0x751FD005, 0xBC00441C,
        0x00001C30, 0x78000064, 0x00000000, 0x00000037, 0x00000000, 0x00000000, 0x1D12E173, 0x40000000, 0x00000006,
    ];

    public static ReadOnlySpan<uint> ShadowMax =>
    [
        0x1FCBFBFF, 0xF7F83203, 0xEA500800, 0x042109F3, 0x0000000F, 0xFDBF4BBB, 0x1A405F47, 0x00000100, 0x751FD005, 0xBC01451C,
        0x00001C30, 0x78000064, 0x00000000, 0x00000037, 0x00000000, 0x00000000, 0x1D12E173, 0x40000000, 0x00000006,
    ];

    public static ReadOnlySpan<uint> HapDefault =>
    [
        0x1FCBFBFF, 0xF7FA3203, 0xEE500800, 0x042109F3, 0x0000000F, 0xFDBF0FAB, 0x02405F4F, 0x00000000, 0x751FD005, 0xBC00441C,
        0x00001C30, 0x78000064, 0x00000000, 0x00000037, 0x00000000, 0x00000000, 0x1D12E173, 0x40000000, 0x00000006,
    ];

    public static ReadOnlySpan<uint> HapMax =>
    [
        0x1FCBFBFF, 0xF7FA3223, 0xEE500800, 0x042109F7, 0x0000000F, 0xFDBF4FBB, 0x1A405F4F, 0x00000100, 0x751FD005, 0xBC01451C,
        0x00001C30, 0x78000064, 0x00000000, 0x00000037, 0x00000000, 0x00000000, 0x1D12E173, 0x40000000, 0x00000006,
    ];

    /// <summary>A feature, and those that need it directly. In an order in which every feature stands before what needs it.</summary>
    public static readonly ImmutableArray<(X86Feature Feature, ImmutableArray<X86Feature> Dependents)> Dependencies =
    [
        (FPU, [MMX, RSTR_FP_ERR_PTRS]),
        (PSE, [PSE36]),
        (PAE, [LM, NX]),
        (TSC, [TSC_DEADLINE, RDTSCP, TSC_ADJUST, ITSC]),
        (APIC, [X2APIC, TSC_DEADLINE, EXTAPIC]),
        (MMX, [MMXEXT, _3DNOW]),
        (_3DNOW, [_3DNOWEXT]),
        (FXSR, [FFXSR, SSE]),
        (SSE, [SSE2, MISALIGNSSE]),
        (SSE2, [SSE3, LM, AESNI, PCLMULQDQ, SHA, GFNI]),
        (SSE3, [SSSE3, SSE4A]),
        (SSSE3, [SSE4_1]),
        (SSE4_1, [SSE4_2]),
        (LM, [CX16, PCID, LAHF_LM, PAGE1GB, PKU, NO_LMSL]),
        (NX, [SMAP]),
        (XSAVE, [XSAVEOPT, XSAVEC, XGETBV1, XSAVES, AVX, MPX, PKU, LWP]),
        (AVX, [FMA, FMA4, F16C, AVX2, XOP]),
        (AVX2, [AVX512F, VAES, VPCLMULQDQ, AVX_VNNI]),
        (AVX512F, [AVX512DQ, AVX512_IFMA, AVX512PF, AVX512ER, AVX512CD, AVX512BW, AVX512VL, AVX512_4VNNIW, AVX512_4FMAPS, AVX512_VNNI, AVX512_VPOPCNTDQ, AVX512_VP2INTERSECT]),
        (AVX512BW, [AVX512_VBMI, AVX512_VBMI2, AVX512_BITALG, AVX512_BF16, AVX512_FP16]),
        (PCLMULQDQ, [VPCLMULQDQ]),
        (AESNI, [VAES]),
        (IBRSB, [STIBP, SSBD, INTEL_PSFD, EIBRS, IPRED_CTRL, RRSBA_CTRL, BHI_CTRL]),
        (IBRS, [AMD_STIBP, AMD_SSBD, PSFD, IBRS_ALWAYS, IBRS_FAST, IBRS_SAME_MODE]),
        (AMD_STIBP, [STIBP_ALWAYS]),
        (IBPB, [IBPB_RET, SBPB, IBPB_BRTYPE]),
        (RTM, [TSXLDTRK]),
        (ARCH_CAPS, ArchCapabilities()),
        (EIBRS, [RRSBA]),
    ];

    /// <summary>All bits of the MSR that <see cref="ARCH_CAPS"/> announces.</summary>
    private static ImmutableArray<X86Feature> ArchCapabilities()
    {
        X86Feature[] bits = new X86Feature[64];
        for (int i = 0; i < bits.Length; i++)
            bits[i] = RDCL_NO + i;
        return [.. bits];
    }
}
