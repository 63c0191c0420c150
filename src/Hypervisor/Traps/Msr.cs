namespace XenSim.Hypervisor.Traps;

/// <summary>Indices of model-specific registers that Xen answers for PV guests, and the groups it treats alike.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/include/asm/msr-index.h; names as there, without <c>MSR_</c>.</remarks>
internal static class Msr
{
    public const uint P5_MC_ADDR = 0;
    public const uint P5_MC_TYPE = 1;
    public const uint IA32_TSC = 0x10;
    public const uint IA32_PLATFORM_ID = 0x17;
    public const uint APIC_BASE = 0x1B;
    public const uint IA32_EBC_FREQUENCY_ID = 0x2C;
    public const uint INTEL_CORE_THREAD_COUNT = 0x35;
    public const uint IA32_FEATURE_CONTROL = 0x3A;
    public const uint IA32_TSC_ADJUST = 0x3B;
    public const uint SPEC_CTRL = 0x48;
    public const uint PRED_CMD = 0x49;
    public const uint IA32_UCODE_WRITE = 0x79;
    public const uint AMD_PATCHLEVEL = 0x8B;
    public const uint INTEL_PLATFORM_INFO = 0xCE;
    public const uint IA32_MPERF = 0xE7;
    public const uint IA32_APERF = 0xE8;
    public const uint ARCH_CAPABILITIES = 0x10A;
    public const uint FLUSH_CMD = 0x10B;
    public const uint INTEL_MISC_FEATURES_ENABLES = 0x140;
    public const uint IA32_SYSENTER_CS = 0x174;
    public const uint IA32_SYSENTER_ESP = 0x175;
    public const uint IA32_SYSENTER_EIP = 0x176;
    public const uint IA32_MCG_CAP = 0x179;
    public const uint IA32_MCG_STATUS = 0x17A;
    public const uint IA32_MCG_CTL = 0x17B;
    public const uint IA32_PERF_STATUS = 0x198;
    public const uint IA32_PERF_CTL = 0x199;
    public const uint IA32_THERM_CONTROL = 0x19A;
    public const uint IA32_THERM_STATUS = 0x19C;
    public const uint IA32_MISC_ENABLE = 0x1A0;
    public const uint IA32_ENERGY_PERF_BIAS = 0x1B0;
    public const uint IA32_DEBUGCTL = 0x1D9;
    public const uint IA32_CR_PAT = 0x277;
    public const uint IA32_MC0_CTL2 = 0x280;
    public const uint IA32_PERF_CAPABILITIES = 0x345;
    public const uint IA32_MC0_CTL = 0x400;
    public const uint IA32_MC4_MISC = 0x413;
    public const uint IA32_MCG_EXT_CTL = 0x4D0;
    public const uint IA32_TSC_DEADLINE = 0x6E0;
    public const uint X2APIC_FIRST = 0x800;
    public const uint X2APIC_LAST = 0x8FF;
    public const uint IA32_BNDCFGS = 0xD90;
    public const uint IA32_XSS = 0xDA0;
    public const uint EFER = 0xC000_0080;
    public const uint STAR = 0xC000_0081;
    public const uint LSTAR = 0xC000_0082;
    public const uint CSTAR = 0xC000_0083;
    public const uint SYSCALL_MASK = 0xC000_0084;
    public const uint FS_BASE = 0xC000_0100;
    public const uint GS_BASE = 0xC000_0101;
    public const uint SHADOW_GS_BASE = 0xC000_0102;
    public const uint TSC_AUX = 0xC000_0103;
    public const uint F10_MC4_MISC1 = 0xC000_0408;
    public const uint F10_MC4_MISC3 = 0xC000_040A;
    public const uint K8_SYSCFG = 0xC001_0010;
    public const uint K8_HWCR = 0xC001_0015;
    public const uint K8_TOP_MEM1 = 0xC001_001A;
    public const uint K8_TOP_MEM2 = 0xC001_001D;
    public const uint AMD64_NB_CFG = 0xC001_001F;
    public const uint AMD_PATCHLOADER = 0xC001_0020;
    public const uint K8_ENABLE_C1E = 0xC001_0055;
    public const uint FAM10H_MMIO_CONF_BASE = 0xC001_0058;
    public const uint K8_VM_CR = 0xC001_0114;
    public const uint K8_VM_HSAVE_PA = 0xC001_0117;
    public const uint VIRT_SPEC_CTRL = 0xC001_011F;
    public const uint AMD64_DE_CFG = 0xC001_1029;
    public const uint AMD64_EX_CFG = 0xC001_102C;

    /// <summary>"Not offered to guests": test control, TSX, processor trace, CET, lightweight profiling, protected serial numbers.</summary>
    public static bool IsNotOffered(uint index) => index is 0x33 or 0xCF or 0x10F or 0x122 or 0x123 or (>= 0x560 and <= 0x58F) or 0x6A0 or 0x6A2
        or (>= 0x6A4 and <= 0x6A8) or 0xC000_0105 or 0xC000_0106 or 0x4E or 0x4F or 0xC001_02F0 or 0xC001_02F1;

    /// <summary>K8_SYSCFG, IORR, TOP_MEM, TSEG: AMD's memory layout.</summary>
    public static bool IsMemoryLayout(uint index) => index is 0xC001_0010 or (>= 0xC001_0016 and <= 0xC001_001A) or 0xC001_001D or 0xC001_0112 or 0xC001_0113;

    /// <summary>K7_FID_VID, K8_PSTATE.</summary>
    public static bool IsPowerState(uint index) => index is 0xC001_0041 or 0xC001_0042 or (>= 0xC001_0061 and <= 0xC001_006B);

    /// <summary>Counters of vpmu, which is off: they read as zero, writes go nowhere (4.17 xen/arch/x86/cpu/vpmu.c: vpmu_do_msr).</summary>
    public static bool IsPerformanceCounter(uint index, bool amd) => amd
        ? index is (>= 0xC001_0000 and <= 0xC001_0007) or (>= 0xC001_0200 and <= 0xC001_020B)
        : index is (>= 0xC1 and <= 0xC8) or (>= 0x186 and <= 0x189) or (>= 0x309 and <= 0x30B) or (>= 0x38D and <= 0x390);

    /// <summary>AMD64_DR0..3_ADDRESS_MASK: which; null for another MSR.</summary>
    public static int? AddressMask(uint index) => index switch
    {
        0xC001_1027 => 0,
        >= 0xC001_1019 and <= 0xC001_101B => (int)(index - 0xC001_1018),
        _ => null,
    };
}
