using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;

namespace XenSim.Hypervisor.Traps;

/// <summary>MSR accesses of a translated guest that leave it.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/hvm/svm/svm.c, vmx/vmx.c: *_msr_*_intercept; stable-4.17 xen/arch/x86/msr.c.</remarks>
internal static class HvmMsrs
{
    private const byte GeneralProtection = 13;

    public static void Handle(Vcpu v, in CpuExit exit)
    {
        uint index = (uint)exit.Operand;
        bool write = exit.Reason == ExitReason.WriteMsr;
        ulong value = (uint)v.Cpu[Gpr.Rax] | (v.Cpu[Gpr.Rdx] << 32);
        MsrEffect effect = write ? Write(v, index, value) : Read(v, index, out value);
        PrivilegedOps.Report(v, write ? "wrmsr" : "rdmsr", index, value);
        if (effect is MsrEffect.GeneralProtection or MsrEffect.Unknown)
        {
            if (!v.Cpu.Inject(GeneralProtection, true))
                v.Domain.Crash(v, "Triple fault");
            return;
        }

        if (!write)
        {
            v.Cpu[Gpr.Rax] = (uint)value;
            v.Cpu[Gpr.Rdx] = value >> 32;
        }

        v.Cpu.Rip = exit.NextRip;
    }

    private static MsrEffect Write(Vcpu v, uint index, ulong value)
    {
        bool viridian = Viridian.IsOn(v.Domain);
        if (viridian && v.Domain.Viridian.TryWrite(index, value))
            return MsrEffect.Done;
        if (HypervisorMsrs.IsHypercallPage(index, viridian))
            return PrivilegedOps.WriteHypercallMsr(v, value, viridian);
        return HypervisorMsrs.IsXens(v.Domain.Xen.Profile.Release, index, viridian) && index >> 16 == 0x4000
            ? HypervisorMsrs.Refused(v.Domain.Xen.Profile.Release, isHvm: true)
            : v.Domain.Xen.Profile.Release == Public.XenRelease.V4_0 ? MsrEffect.Ignored : MsrEffect.GeneralProtection;
    }

    private static MsrEffect Read(Vcpu v, uint index, out ulong value)
    {
        bool viridian = Viridian.IsOn(v.Domain);
        if (viridian && v.Domain.Viridian.TryRead(v, index, out value))
            return MsrEffect.Done;
        if (index >> 16 == 0x4000)
            return HypervisorMsrs.Read(v.Domain.Xen.Profile.Release, isHvm: true, viridian, index, out value);
        return v.Domain.Xen.Options.Host.Msrs.TryGetValue(index, out value) ? MsrEffect.Done : MsrEffect.GeneralProtection;
    }
}
