using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Traps;

/// <summary>MSR accesses of a translated guest that leave it.</summary>
/// <remarks>
/// Source: stable-4.17 xen/arch/x86/msr.c; hvm/hvm.c: hvm_msr_read_intercept, hvm_msr_write_intercept, hvm_set_efer; hvm/svm/svm.c, vmx/vmx.c:
/// *_msr_*_intercept; hvm/mtrr.c. RELEASE-4.0.4 xen/arch/x86/hvm/svm/svm.c, vmx/vmx.c.
/// </remarks>
internal static class HvmMsrs
{
    private const byte GeneralProtection = 13;

    private const ulong EferSyscall = 1 << 0, EferLme = 1 << 8, EferLma = 1 << 10, EferNx = 1 << 11, EferSvme = 1 << 12, EferFfxsr = 1 << 14;
    private const ulong EferKnown = EferSyscall | EferLme | EferLma | EferNx | EferSvme | EferFfxsr;
    private const ulong Paging = 1u << 31;

    /// <summary>MSR_PLATFORM_INFO_CPUID_FAULTING: it can always be emulated for an HVM guest.</summary>
    private const ulong CanFaultCpuid = 1u << 31;
    private const ulong DebugLastBranch = 1, DebugBranchStep = 2;

    // MSR_IA32_MISC_ENABLE: BTS_UNAVAIL, PEBS_UNAVAIL.
    private const ulong MiscTraceUnavailable = 1 << 11 | 1 << 12;

    public static void Handle(Vcpu v, in CpuExit exit)
    {
        uint index = (uint)exit.Operand;
        bool write = exit.Reason == ExitReason.WriteMsr;
        ulong value = (uint)v.Cpu[Gpr.Rax] | (v.Cpu[Gpr.Rdx] << 32);
        MsrEffect effect = write ? Write(v, index, value) : Read(v, index, out value);
        PrivilegedOps.Report(v, write ? "wrmsr" : "rdmsr", index, value);
        if (effect is MsrEffect.GeneralProtection or MsrEffect.Unknown)
        {
            HvmExits.Inject(v, GeneralProtection, 0);
            return;
        }

        if (!write)
        {
            v.Cpu[Gpr.Rax] = (uint)value;
            v.Cpu[Gpr.Rdx] = value >> 32;
        }

        v.Cpu.CompleteInstruction(exit.NextRip);
    }

    private static MsrEffect Write(Vcpu v, uint index, ulong value)
    {
        Xen xen = v.Domain.Xen;
        bool viridian = Viridian.IsOn(v.Domain);
        if (viridian && v.Domain.Viridian.TryWrite(index, value))
            return MsrEffect.Done;
        if (HypervisorMsrs.IsHypercallPage(index, viridian))
            return PrivilegedOps.WriteHypercallMsr(v, value, viridian);
        if (WriteRegister(v, index, value) is { } done)
            return done;
        if (xen.Profile.Release == XenRelease.V4_0)
            return MsrEffect.Ignored;
        if (index >> 16 == 0x4000)
            return HypervisorMsrs.Refused(xen.Profile.Release, isHvm: true);
        if (PvMsrs.WriteCommon(v, index, value) is var common && common != PvMsrs.Access.Unhandled)
            return Effect(common);
        return WriteVendor(v, index, value) ? MsrEffect.Done : MsrEffect.GeneralProtection;
    }

    private static MsrEffect Read(Vcpu v, uint index, out ulong value)
    {
        XenRelease release = v.Domain.Xen.Profile.Release;
        bool viridian = Viridian.IsOn(v.Domain);
        if (viridian && v.Domain.Viridian.TryRead(v, index, out value))
            return MsrEffect.Done;
        if (index >> 16 == 0x4000)
            return HypervisorMsrs.Read(release, isHvm: true, viridian, index, out value);
        if (ReadRegister(v, index, out value) is { } done)
            return done;
        if (release == XenRelease.V4_0)
            return v.Domain.Xen.Options.Host.Msrs.TryGetValue(index, out value) ? MsrEffect.Done : MsrEffect.GeneralProtection;
        if (PvMsrs.ReadCommon(v, index, out value) is var common && common != PvMsrs.Access.Unhandled)
            return Effect(common);
        return ReadVendor(v, index, out value) ? MsrEffect.Done : MsrEffect.GeneralProtection;
    }

    private static MsrEffect Effect(PvMsrs.Access access) => access == PvMsrs.Access.Done ? MsrEffect.Done : MsrEffect.GeneralProtection;

    private static MsrEffect Allowed(bool allowed) => allowed ? MsrEffect.Done : MsrEffect.GeneralProtection;

    /// <summary>What the vCPU or its local APIC holds. Null: not one of these.</summary>
    private static MsrEffect? ReadRegister(Vcpu v, uint index, out ulong value)
    {
        VirtualCpu cpu = v.Cpu;
        value = index switch
        {
            Msr.EFER => cpu.Efer,
            Msr.IA32_TSC => v.ReadTsc(0),
            Msr.IA32_TSC_ADJUST => v.TscAdjust,
            Msr.APIC_BASE => v.Apic!.Base,
            Msr.IA32_TSC_DEADLINE => v.Apic!.TscDeadlineMsr,
            Msr.IA32_SYSENTER_CS => cpu.SysenterCs,
            Msr.IA32_SYSENTER_ESP => cpu.SysenterEsp,
            Msr.IA32_SYSENTER_EIP => cpu.SysenterEip,
            Msr.STAR => cpu.Star,
            Msr.LSTAR => cpu.LStar,
            Msr.CSTAR => cpu.CStar,
            Msr.SYSCALL_MASK => cpu.SyscallMask,
            Msr.FS_BASE => cpu.GetSegment(SegmentName.Fs).Base,
            Msr.GS_BASE => cpu.GetSegment(SegmentName.Gs).Base,
            Msr.SHADOW_GS_BASE => cpu.KernelGsBase,
            Msr.IA32_DEBUGCTL => v.DebugControl,
            Msr.TSC_AUX => cpu.TscAux,
            Msr.INTEL_PLATFORM_INFO => CanFaultCpuid,
            Msr.INTEL_MISC_FEATURES_ENABLES => v.CpuidFaulting ? 1u : 0,
            _ => 0,
        };
        if (index is >= Msr.X2APIC_FIRST and <= Msr.X2APIC_LAST)
            return Allowed(v.Apic!.TryReadMsr(index, out value));
        if (GuestMtrrs.Claims(index))
            return Allowed(GuestMtrrs.TryRead(v, index, out value));
        if (index == Msr.TSC_AUX)
            return Allowed(PvMsrs.HasTscAux(v));
        return IsRegister(index) && (index is not (Msr.INTEL_PLATFORM_INFO or Msr.INTEL_MISC_FEATURES_ENABLES) || v.Domain.Xen.Profile.Release != XenRelease.V4_0) ? MsrEffect.Done : null;
    }

    private static bool IsRegister(uint index) => index
        is Msr.EFER or Msr.IA32_TSC or Msr.IA32_TSC_ADJUST or Msr.APIC_BASE or Msr.IA32_TSC_DEADLINE or Msr.IA32_SYSENTER_CS or Msr.IA32_SYSENTER_ESP or Msr.IA32_SYSENTER_EIP
        or Msr.STAR or Msr.LSTAR or Msr.CSTAR or Msr.SYSCALL_MASK or Msr.FS_BASE or Msr.GS_BASE or Msr.SHADOW_GS_BASE or Msr.IA32_DEBUGCTL
        or Msr.INTEL_PLATFORM_INFO or Msr.INTEL_MISC_FEATURES_ENABLES;

    private static MsrEffect? WriteRegister(Vcpu v, uint index, ulong value)
    {
        VirtualCpu cpu = v.Cpu;
        bool v40 = v.Domain.Xen.Profile.Release == XenRelease.V4_0;
        switch (index)
        {
            case Msr.EFER:
                return SetEfer(v, value);
            case Msr.IA32_TSC:
                v.SetTsc(value);
                return MsrEffect.Done;
            case Msr.IA32_TSC_ADJUST:
                v.TscOffset += (long)(value - v.TscAdjust);
                v.TscAdjust = value;
                return MsrEffect.Done;
            case Msr.APIC_BASE:
                return Allowed(v.Apic!.TrySetBase(value));
            case Msr.IA32_TSC_DEADLINE:
                v.Apic!.TscDeadlineMsr = value;
                return MsrEffect.Done;
            case >= Msr.X2APIC_FIRST and <= Msr.X2APIC_LAST:
                return Allowed(v.Apic!.TryWriteMsr(index, value));
            case var _ when GuestMtrrs.Claims(index):
                return Allowed(GuestMtrrs.TryWrite(v, index, value));
            case Msr.IA32_SYSENTER_CS:
                cpu.SysenterCs = value;
                return MsrEffect.Done;
            case Msr.STAR:
                cpu.Star = value;
                return MsrEffect.Done;
            case Msr.SYSCALL_MASK:
                cpu.SyscallMask = value;
                return MsrEffect.Done;
            case Msr.IA32_SYSENTER_ESP or Msr.IA32_SYSENTER_EIP or Msr.LSTAR or Msr.CSTAR or Msr.FS_BASE or Msr.GS_BASE or Msr.SHADOW_GS_BASE:
                return WriteAddress(v, index, value);
            case Msr.IA32_DEBUGCTL:
                return SetDebugControl(v, value);
            case Msr.TSC_AUX:
                if (!PvMsrs.HasTscAux(v) || value > uint.MaxValue)
                    return MsrEffect.GeneralProtection;
                cpu.TscAux = value;
                return MsrEffect.Done;
            case Msr.INTEL_MISC_FEATURES_ENABLES when !v40:
                if ((value & ~1ul) != 0)
                    return MsrEffect.GeneralProtection;
                v.CpuidFaulting = value != 0;
                return MsrEffect.Done;

            // A kernel that loads microcode early has no handler for #GP yet: the write is taken and dropped.
            case Msr.AMD_PATCHLOADER when v.Domain.Xen.Options.Host.Vendor == CpuVendor.AMD:
            case Msr.IA32_UCODE_WRITE when v.Domain.Xen.Options.Host.Vendor == CpuVendor.Intel:
                return MsrEffect.Done;
            default:
                return null;
        }
    }

    private static MsrEffect WriteAddress(Vcpu v, uint index, ulong value)
    {
        if ((ulong)((long)(value << 16) >> 16) != value)
            return MsrEffect.GeneralProtection;
        VirtualCpu cpu = v.Cpu;
        switch (index)
        {
            case Msr.IA32_SYSENTER_ESP:
                cpu.SysenterEsp = value;
                break;
            case Msr.IA32_SYSENTER_EIP:
                cpu.SysenterEip = value;
                break;
            case Msr.LSTAR:
                cpu.LStar = value;
                break;
            case Msr.CSTAR:
                cpu.CStar = value;
                break;
            case Msr.SHADOW_GS_BASE:
                cpu.KernelGsBase = value;
                break;
            default:
                SegmentName name = index == Msr.FS_BASE ? SegmentName.Fs : SegmentName.Gs;
                cpu.SetSegment(name, cpu.GetSegment(name) with { Base = value });
                break;
        }

        return MsrEffect.Done;
    }

    /// <summary>hvm_set_efer.</summary>
    private static MsrEffect SetEfer(Vcpu v, ulong value)
    {
        value &= ~EferLma;
        if (EferProblem(v, value) is { } problem)
        {
            v.Domain.Xen.Log(LogLevel.Warn, $"d{v.Domain.Id.Value}v{v.Id} Invalid EFER update: 0x{v.Cpu.Efer:x} -> 0x{value:x} - {problem}");
            return MsrEffect.GeneralProtection;
        }

        bool changesMode = ((value ^ v.Cpu.Efer) & EferLme) != 0;
        if (changesMode && (v.Cpu.Cr0 & Paging) != 0)
            return MsrEffect.GeneralProtection;
        SegmentRegister cs = v.Cpu.GetSegment(SegmentName.Cs);
        if (changesMode && (value & EferLme) != 0 && cs.Long)
            v.Cpu.SetSegment(SegmentName.Cs, cs with { Access = (ushort)(cs.Access & ~0x2000) });
        v.Cpu.Efer = value | (v.Cpu.Efer & EferLma);
        return MsrEffect.Done;
    }

    /// <summary>hvm_efer_valid without its CR0.PG part: null when the value is.</summary>
    internal static string? EferProblem(Vcpu v, ulong value)
    {
        if ((value & ~EferKnown) != 0)
            return "Unknown bits set";
        if ((value & EferSyscall) != 0 && !v.Has(new CpuFeature(0x8000_0001, 'd', 11)))
            return "SCE without feature";
        if ((value & (EferLme | EferLma)) != 0 && !v.Has(new CpuFeature(0x8000_0001, 'd', 29)))
            return "LME/LMA without feature";
        if ((value & EferLma) != 0 && (value & EferLme) == 0)
            return "LMA/LME/CR0.PG inconsistency";
        if ((value & EferNx) != 0 && !v.Has(new CpuFeature(0x8000_0001, 'd', 20)))
            return "NXE without feature";
        if ((value & EferSvme) != 0)
            return "SVME without nested virt";
        return (value & EferFfxsr) != 0 && !v.Has(new CpuFeature(0x8000_0001, 'd', 25)) ? "FFXSE without feature" : null;
    }

    /// <summary>VMX refuses what it does not virtualise; SVM takes any value. Branch records are not kept: asking for them stops by name.</summary>
    private static MsrEffect SetDebugControl(Vcpu v, ulong value)
    {
        if (v.Domain.Xen.Options.Host.Vendor == CpuVendor.Intel && (value & ~(DebugLastBranch | DebugBranchStep)) != 0)
            return MsrEffect.GeneralProtection;
        if ((value & (DebugLastBranch | DebugBranchStep)) != 0)
            v.Domain.Xen.NotImplemented("IA32_DEBUGCTL", "branches are not recorded and not stepped", ours: true);
        v.DebugControl = value;
        return MsrEffect.Done;
    }

    /// <summary>svm_msr_read_intercept, vmx_msr_read_intercept.</summary>
    private static bool ReadVendor(Vcpu v, uint index, out ulong value)
    {
        HostModel host = v.Domain.Xen.Options.Host;
        bool amd = host.Vendor == CpuVendor.AMD;
        value = 0;
        switch (index)
        {
            case Msr.K8_ENABLE_C1E or Msr.AMD64_NB_CFG:
            case Msr.IA32_EBC_FREQUENCY_ID when amd:
            case var _ when Msr.IsPerformanceCounter(index, amd):
            case var _ when IsLastBranch(index):
                return true;
            case Msr.K8_SYSCFG or Msr.K8_TOP_MEM1 or Msr.K8_TOP_MEM2 or Msr.K8_VM_CR or Msr.AMD64_EX_CFG or Msr.K8_VM_HSAVE_PA when amd:
                return true;
            case Msr.IA32_MC4_MISC or (>= Msr.F10_MC4_MISC1 and <= Msr.F10_MC4_MISC3) when amd:
                value = 1ul << 61; // MC4_MISC.Locked
                return true;
            case Msr.IA32_MISC_ENABLE when !amd && host.TryReadMsr(index, out value):
                value |= MiscTraceUnavailable;
                return true;
            default:
                v.Domain.Xen.Log(LogLevel.Warn, $"d{v.Domain.Id.Value}v{v.Id} RDMSR 0x{index:x8} unimplemented");
                return false;
        }
    }

    private static bool WriteVendor(Vcpu v, uint index, ulong value)
    {
        bool amd = v.Domain.Xen.Options.Host.Vendor == CpuVendor.AMD;
        switch (index)
        {
            case Msr.AMD64_NB_CFG:
            case var _ when Msr.IsPerformanceCounter(index, amd):
            case Msr.K8_SYSCFG or Msr.K8_TOP_MEM1 or Msr.K8_TOP_MEM2 or Msr.K8_VM_CR or Msr.AMD64_EX_CFG when amd:
            case Msr.IA32_MC4_MISC or (>= Msr.F10_MC4_MISC1 and <= Msr.F10_MC4_MISC3) when amd:
            case var _ when amd && IsLastBranch(index):
                return true;
            case Msr.IA32_MISC_ENABLE when !amd:
                return true;
            default:
                v.Domain.Xen.Log(LogLevel.Warn, $"d{v.Domain.Id.Value}v{v.Id} WRMSR 0x{index:x8} val 0x{value:x16} unimplemented");
                return false;
        }
    }

    /// <summary>MSR_IA32_LASTBRANCHFROMIP to LASTINTTOIP.</summary>
    private static bool IsLastBranch(uint index) => index is >= 0x1DB and <= 0x1DE;
}
