using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Traps;

/// <summary>RDMSR and WRMSR of a PV kernel.</summary>
/// <remarks>
/// Source: stable-4.17 xen/arch/x86/msr.c: guest_rdmsr, guest_wrmsr; pv/emul-priv-op.c: read_msr, write_msr.
/// RELEASE-4.0.4 xen/arch/x86/traps.c: emulate_privileged_op, cases 0x30 and 0x32.
/// </remarks>
internal static class PvMsrs
{
    private const int GeneralProtection = 13;
    private const ulong EferSvme = 1 << 12;
    private const ulong EferLongMode = 1 << 8 | 1 << 10;
    private const ulong EferSyscall = 1;

    /// <summary>What the machine's PAT holds once Xen has set it: 4.17 XEN_MSR_PAT.</summary>
    private const ulong XenPat = 0x0501_0007_0406;

    private const ulong ApicEnabled = 0xFEE0_0800;
    private const ulong ApicBootProcessor = 0x100;

    // MSR_IA32_MISC_ENABLE: what guest_misc_enable clears (PERF_AVAIL, MONITOR_ENABLE) and sets (BTS_UNAVAIL, PEBS_UNAVAIL, XTPR_DISABLE).
    private const ulong MiscHidden = 1 << 7 | 1 << 18;
    private const ulong MiscShown = 1 << 11 | 1 << 12 | 1 << 23;

    // MCG_CAP of a guest: two banks; on Intel MCG_SER_P and MCG_TES_P too (4.17 xen/arch/x86/cpu/mcheck/vmce.c).
    private const ulong McgBanks = 2;
    private const ulong McgIntel = 1 << 24 | 1 << 11;

    internal enum Access
    {
        /// <summary>X86EMUL_OKAY.</summary>
        Done,

        /// <summary>X86EMUL_EXCEPTION: #GP.</summary>
        Fault,

        /// <summary>X86EMUL_UNHANDLEABLE: the next table decides.</summary>
        Unhandled,
    }

    /// <summary>False: #GP for the guest.</summary>
    public static bool Read(Vcpu v)
    {
        uint index = (uint)v.Cpu[Gpr.Rcx];
        if (!(v.Domain.Xen.Profile.Release == XenRelease.V4_0 ? Read40(v, index, out ulong value) : Read417(v, index, out value)))
            return false;
        v.Cpu[Gpr.Rax] = (uint)value;
        v.Cpu[Gpr.Rdx] = value >> 32;
        PrivilegedOps.Report(v, "rdmsr", index, value);
        return true;
    }

    /// <summary>False: #GP for the guest.</summary>
    public static bool Write(Vcpu v)
    {
        uint index = (uint)v.Cpu[Gpr.Rcx];
        ulong value = (uint)v.Cpu[Gpr.Rax] | (v.Cpu[Gpr.Rdx] << 32);
        PrivilegedOps.Report(v, "wrmsr", index, value);
        if (v.Domain.Xen.Profile.Release == XenRelease.V4_0)
            return Write40(v, index, value);
        Access access = WriteCommon(v, index, value);
        return access == Access.Unhandled ? WritePv(v, index, value) : access == Access.Done;
    }

    private static bool Read417(Vcpu v, uint index, out ulong value)
    {
        Access access = ReadCommon(v, index, out value);
        if (access == Access.Unhandled)
            access = ReadPv(v, index, out value);
        if (access == Access.Done)
            return true;

        // A kernel without a handler for #GP yet is lied to, where the machine has the MSR.
        value = 0;
        if (v.TrapTable[GeneralProtection].Address != 0 || index >> 16 == 0x4000 || !v.Domain.Xen.Options.Host.TryReadMsr(index, out _))
            return false;
        v.Domain.Xen.Log(LogLevel.Warn, $"d{v.Domain.Id.Value}v{v.Id} faking RDMSR 0x{index:x8}");
        return true;
    }

    /// <summary>guest_rdmsr.</summary>
    internal static Access ReadCommon(Vcpu v, uint index, out ulong value)
    {
        HostModel host = v.Domain.Xen.Options.Host;
        bool amd = host.Vendor == CpuVendor.AMD;
        value = 0;
        switch (index)
        {
            case Msr.IA32_UCODE_WRITE or Msr.AMD_PATCHLOADER or Msr.PRED_CMD or Msr.FLUSH_CMD:
            case >= Msr.X2APIC_FIRST and <= Msr.X2APIC_LAST:
                return Access.Fault;
            case var _ when Msr.IsNotOffered(index):
                return Access.Fault;
            case Msr.IA32_FEATURE_CONTROL when !amd:
                value = 1; // IA32_FEATURE_CONTROL_LOCK
                return Access.Done;
            case Msr.IA32_PLATFORM_ID when !amd:
            case Msr.AMD_PATCHLEVEL:
                return host.TryReadMsr(index, out value) ? Access.Done : Access.Fault;
            case Msr.SPEC_CTRL:
                return HasSpeculationControl(v) ? Access.Done : Access.Fault;
            case Msr.ARCH_CAPABILITIES:
                return Has(v, 7, 'd', 29) ? Access.Done : Access.Fault;
            case Msr.INTEL_PLATFORM_INFO or Msr.INTEL_MISC_FEATURES_ENABLES or Msr.P5_MC_ADDR or Msr.P5_MC_TYPE or Msr.IA32_MCG_STATUS or Msr.IA32_MCG_CTL:
                return Access.Done;
            case Msr.IA32_MCG_CAP:
                value = amd ? McgBanks : McgBanks | McgIntel;
                return Access.Done;
            case >= Msr.IA32_MC0_CTL and < Msr.IA32_MC0_CTL + 4 * 32:
                value = (index & 3) == 0 ? ulong.MaxValue : 0;
                return Access.Done;
            case >= Msr.IA32_MC0_CTL2 and < Msr.IA32_MC0_CTL2 + 32:
                return Access.Done;
            case Msr.IA32_PERF_STATUS or Msr.IA32_PERF_CTL or Msr.IA32_THERM_STATUS when !amd:
                return Access.Done;
            case Msr.IA32_FEATURE_CONTROL or Msr.IA32_PLATFORM_ID or Msr.IA32_PERF_STATUS or Msr.IA32_PERF_CTL or Msr.IA32_THERM_STATUS or Msr.IA32_MCG_EXT_CTL or Msr.IA32_BNDCFGS:
                return Access.Fault;
            case Msr.IA32_XSS:
                return HasXsaves(v) ? Access.Done : Access.Fault;
            case >= 0x4000_0000 and <= 0x4000_02FF:
                return HypervisorMsrs.Read(XenRelease.V4_17, isHvm: false, viridian: false, index, out value) == MsrEffect.Done ? Access.Done : Access.Fault;
            case Msr.TSC_AUX:
                value = v.TscAux;
                return HasTscAux(v) ? Access.Done : Access.Fault;
            case var _ when Msr.IsMemoryLayout(index):
                return !amd ? Access.Fault : !v.Domain.IsHardwareDomain ? Access.Unhandled : host.TryReadMsr(index, out value) ? Access.Done : Access.Fault;
            case Msr.K8_HWCR:
                return amd ? Access.Done : Access.Fault;
            case Msr.VIRT_SPEC_CTRL:
                return Has(v, 0x8000_0008, 'b', 25) ? Access.Done : Access.Fault;
            case Msr.AMD64_DE_CFG:
                value = 2; // AMD64_DE_CFG_LFENCE_SERIALISE
                return amd ? Access.Done : Access.Fault;
            case var _ when Msr.AddressMask(index) is { } mask:
                value = v.DebugAddressMasks[mask];
                return Has(v, 0x8000_0001, 'c', 26) ? Access.Done : Access.Fault;
            default:
                return Access.Unhandled;
        }
    }

    /// <summary>read_msr.</summary>
    private static Access ReadPv(Vcpu v, uint index, out ulong value)
    {
        HostModel host = v.Domain.Xen.Options.Host;
        bool amd = host.Vendor == CpuVendor.AMD;
        bool bits64 = !v.Domain.Is32BitPv;
        value = 0;
        switch (index)
        {
            case Msr.APIC_BASE:
                value = v.Id == 0 ? ApicEnabled | ApicBootProcessor : ApicEnabled;
                return Access.Done;
            case Msr.FS_BASE when bits64:
                value = v.Cpu.GetSegment(SegmentName.Fs).Base;
                return Access.Done;
            case Msr.GS_BASE when bits64:
                value = v.Cpu.GetSegment(SegmentName.Gs).Base;
                return Access.Done;
            case Msr.SHADOW_GS_BASE when bits64:
                value = v.GsBaseUser;
                return Access.Done;
            case Msr.IA32_TSC:
                value = v.ReadTsc(0);
                return Access.Done;
            case Msr.EFER:
                value = GuestEfer(v);
                return Access.Done;
            case Msr.IA32_CR_PAT:
                value = XenPat;
                return Access.Done;
            case var _ when Msr.IsPowerState(index) && amd:
            case Msr.AMD64_NB_CFG or Msr.IA32_PERF_CAPABILITIES:
            case Msr.FAM10H_MMIO_CONF_BASE when amd && host.Family is >= 0x10 and < 0x17:
            case var _ when Msr.IsPerformanceCounter(index, amd):
                return Access.Done;
            case Msr.IA32_MISC_ENABLE:
                if (!host.TryReadMsr(index, out value))
                    return Access.Unhandled;
                value = GuestMiscEnable(value);
                return Access.Done;
            default:
                return Access.Unhandled;
        }
    }

    /// <summary>guest_wrmsr.</summary>
    internal static Access WriteCommon(Vcpu v, uint index, ulong value)
    {
        bool amd = v.Domain.Xen.Options.Host.Vendor == CpuVendor.AMD;
        switch (index)
        {
            case Msr.IA32_PLATFORM_ID or Msr.INTEL_CORE_THREAD_COUNT or Msr.INTEL_PLATFORM_INFO or Msr.ARCH_CAPABILITIES:
            case Msr.AMD_PATCHLOADER or Msr.IA32_UCODE_WRITE or Msr.IA32_BNDCFGS:
            case >= Msr.X2APIC_FIRST and <= Msr.X2APIC_LAST:
                return Access.Fault;
            case var _ when Msr.IsNotOffered(index):
                return Access.Fault;
            case Msr.AMD_PATCHLEVEL:
                return !amd && value == 0 ? Access.Done : Access.Fault;
            case Msr.SPEC_CTRL:
                return HasSpeculationControl(v) && (value & ~3ul) == 0 ? Access.Done : Access.Fault;
            case Msr.PRED_CMD:
                return (Has(v, 7, 'd', 26) || Has(v, 0x8000_0008, 'b', 12)) && (value & ~1ul) == 0 ? Access.Done : Access.Fault;
            case Msr.FLUSH_CMD:
                return Has(v, 7, 'd', 28) && (value & ~1ul) == 0 ? Access.Done : Access.Fault;
            case Msr.INTEL_MISC_FEATURES_ENABLES:
                return value == 0 ? Access.Done : Access.Fault;
            case Msr.IA32_MCG_CAP or Msr.IA32_MCG_STATUS or Msr.IA32_MCG_CTL:
                return Access.Done;
            case Msr.IA32_MCG_EXT_CTL:
                return Access.Fault;
            case >= Msr.IA32_MC0_CTL and < Msr.IA32_MC0_CTL + 4 * 32:
                return (index & 3) == 0 || value == 0 ? Access.Done : Access.Fault;
            case >= Msr.IA32_MC0_CTL2 and < Msr.IA32_MC0_CTL2 + 32:
                return Access.Done;
            case Msr.IA32_PERF_CTL:
                return amd ? Access.Fault : Access.Done;
            case Msr.IA32_XSS:
                return HasXsaves(v) && value == 0 ? Access.Done : Access.Fault;
            case >= 0x4000_0000 and <= 0x4000_02FF:
                return HypervisorMsrs.IsHypercallPage(index, viridian: false) && PrivilegedOps.WriteHypercallMsr(v, value) != MsrEffect.GeneralProtection ? Access.Done : Access.Fault;
            case Msr.TSC_AUX:
                if (!HasTscAux(v) || value > uint.MaxValue)
                    return Access.Fault;
                v.TscAux = (uint)value;
                return Access.Done;
            case Msr.VIRT_SPEC_CTRL:
                return Has(v, 0x8000_0008, 'b', 25) ? Access.Done : Access.Fault;
            case Msr.AMD64_DE_CFG:
                return amd ? Access.Done : Access.Fault;
            case var _ when Msr.AddressMask(index) is { } mask:
                if (!Has(v, 0x8000_0001, 'c', 26) || value > uint.MaxValue)
                    return Access.Fault;
                v.DebugAddressMasks[mask] = (uint)value;
                return Access.Done;
            default:
                return Access.Unhandled;
        }
    }

    /// <summary>write_msr.</summary>
    private static bool WritePv(Vcpu v, uint index, ulong value)
    {
        HostModel host = v.Domain.Xen.Options.Host;
        bool amd = host.Vendor == CpuVendor.AMD;
        switch (index)
        {
            case Msr.FS_BASE or Msr.GS_BASE or Msr.SHADOW_GS_BASE:
                return !v.Domain.Is32BitPv && IsCanonical(value) && SetBase(v, index, value);
            case Msr.EFER:
                return value == GuestEfer(v);
            case var _ when (Msr.IsPowerState(index) || index == Msr.K8_HWCR) && amd:
            case Msr.IA32_MPERF or Msr.IA32_APERF or Msr.AMD64_NB_CFG:
            case Msr.IA32_THERM_CONTROL or Msr.IA32_ENERGY_PERF_BIAS when !amd:
            case Msr.FAM10H_MMIO_CONF_BASE when amd && host.Family is >= 0x10 and < 0x17:
            case var _ when Msr.IsPerformanceCounter(index, amd):
                return true;
            case Msr.IA32_MISC_ENABLE:
                return host.TryReadMsr(index, out _);
            default:
                return false;
        }
    }

    private static bool Read40(Vcpu v, uint index, out ulong value)
    {
        bool bits64 = !v.Domain.Is32BitPv;
        HostModel host = v.Domain.Xen.Options.Host;
        value = 0;
        switch (index)
        {
            case Msr.FS_BASE or Msr.GS_BASE or Msr.SHADOW_GS_BASE when v.Domain.Host64:
                return bits64 && ReadPv(v, index, out value) == Access.Done;
            case var _ when Msr.IsPowerState(index):
                return host.Vendor == CpuVendor.AMD;
            case Msr.IA32_MISC_ENABLE:
                return ReadPv(v, index, out value) == Access.Done;
            case Msr.EFER:
                value = v.Cpu.Efer;
                return true;
            default:
                return HypervisorMsrs.IsHypercallPage(index, viridian: false) || host.TryReadMsr(index, out value);
        }
    }

    private static bool Write40(Vcpu v, uint index, ulong value)
    {
        HostModel host = v.Domain.Xen.Options.Host;
        bool amd = host.Vendor == CpuVendor.AMD;
        switch (index)
        {
            case Msr.FS_BASE or Msr.GS_BASE or Msr.SHADOW_GS_BASE when v.Domain.Host64:
                return !v.Domain.Is32BitPv && IsCanonical(value) && SetBase(v, index, value);
            case var _ when Msr.IsPowerState(index):
            case Msr.K8_HWCR:
                return amd;
            case Msr.AMD64_NB_CFG or Msr.FAM10H_MMIO_CONF_BASE:
                return amd && host.Family is >= 0x10 and <= 0x17;
            case Msr.IA32_MPERF or Msr.IA32_APERF:
                return true;
            case Msr.IA32_PERF_CTL or Msr.IA32_THERM_CONTROL:
                return !amd;
            case var _ when HypervisorMsrs.IsHypercallPage(index, viridian: false):
                return PrivilegedOps.WriteHypercallMsr(v, value) != MsrEffect.GeneralProtection;
            default:
                if (!host.TryReadMsr(index, out ulong now) || now != value)
                    v.Domain.Xen.Log(LogLevel.Warn, $"Domain attempted WRMSR {index:x16} from {now >> 32:x8}:{(uint)now:x8} to {value >> 32:x8}:{(uint)value:x8}.");
                return true;
        }
    }

    private static bool SetBase(Vcpu v, uint index, ulong value)
    {
        if (index == Msr.SHADOW_GS_BASE)
            v.GsBaseUser = value;
        else
            GuestSegments.SetBase(v, index == Msr.FS_BASE ? SegmentName.Fs : SegmentName.Gs, value);
        return true;
    }

    private static ulong GuestEfer(Vcpu v)
    {
        ulong efer = v.Cpu.Efer & ~EferSvme;
        if (!v.Domain.Is32BitPv)
            return efer;
        return efer & ~(EferLongMode | (v.Domain.Xen.Options.Host.Vendor == CpuVendor.Intel ? EferSyscall : 0));
    }

    private static ulong GuestMiscEnable(ulong value) => (value & ~MiscHidden) | MiscShown;

    private static bool IsCanonical(ulong address) => (ulong)((long)(address << 16) >> 16) == address;

    private static bool HasSpeculationControl(Vcpu v) => Has(v, 7, 'd', 26) || Has(v, 0x8000_0008, 'b', 14);

    private static bool HasXsaves(Vcpu v) => (v.PolicyCpuid(0xD, 1).Eax & 8) != 0;

    internal static bool HasTscAux(Vcpu v) => Has(v, 0x8000_0001, 'd', 27) || Has(v, 7, 'c', 22);

    private static bool Has(Vcpu v, uint leaf, char register, int bit)
    {
        CpuidResult r = v.PolicyCpuid(leaf, 0);
        uint word = register switch { 'b' => r.Ebx, 'c' => r.Ecx, _ => r.Edx };
        return (word >> bit & 1) != 0;
    }
}
