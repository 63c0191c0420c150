using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hvm;

/// <summary>Register state in which a hardware virtual machine's vCPU starts.</summary>
public static class HvmVcpuState
{
    private const ulong Cr0ExtensionType = 1 << 4;
    private const ulong Cr0ProtectionEnable = 1 << 0;
    private const ulong ReservedFlag = 2;
    private const uint ResetSignature = 0xF00;

    /// <summary>XEN_X86_FPU_INITIALISED of public/arch-x86/hvm/save.h; without it the FPU stays in its reset state.</summary>
    private const uint FpuInitialised = 1 << 0;
    private const uint RealModeLimit = 0xFFFF;

    /// <summary>hvm_vcpu_reset_state of 4.0: real mode at cs:ip, as after INIT.</summary>
    /// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/hvm/hvm.c: hvm_vcpu_reset_state.</remarks>
    public static void Reset(VirtualCpu cpu, ushort cs, ushort ip)
    {
        for (Gpr r = Gpr.Rax; r <= Gpr.R15; r++)
            cpu[r] = 0;
        cpu[Gpr.Rdx] = ResetSignature;
        cpu.Rip = ip;
        cpu.Rflags = ReservedFlag;
        cpu.Cr0 = Cr0ExtensionType;
        cpu.Cr2 = 0;
        cpu.Cr3 = 0;
        cpu.Cr4 = 0;
        cpu.Efer = 0;
        cpu.SetSegment(SegmentName.Cs, new SegmentRegister(cs, (ulong)cs << 4, RealModeLimit, 0x9B));
        foreach (SegmentName data in (SegmentName[])[SegmentName.Ds, SegmentName.Es, SegmentName.Fs, SegmentName.Gs, SegmentName.Ss])
            cpu.SetSegment(data, new SegmentRegister(0, 0, RealModeLimit, 0x93));
        cpu.SetSegment(SegmentName.Ldtr, new SegmentRegister(0, 0, RealModeLimit, 0x82));
        cpu.SetSegment(SegmentName.Tr, new SegmentRegister(0, 0, RealModeLimit, 0x8B));
        cpu.Gdtr = new DescriptorTableRegister(0, (ushort)RealModeLimit);
        cpu.Idtr = new DescriptorTableRegister(0, (ushort)RealModeLimit);
        cpu.Cpl = 0;
    }

    /// <summary>
    /// construct_vmcs and construct_vmcb of 4.0: flat 32-bit protected mode at address 0, where xc_hvm_build puts a jump. Null
    /// selectors; what is wide about the segments is in their hidden parts only.
    /// </summary>
    /// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/hvm/vmx/vmcs.c: construct_vmcs, svm/vmcb.c: construct_vmcb; hvm.c: hvm_vcpu_initialise.</remarks>
    public static void Construct(VirtualCpu cpu)
    {
        const ushort flatCode = 0xC09B, flatData = 0xC093, busyTss = 0x8B, ldt = 0x82;
        for (Gpr r = Gpr.Rax; r <= Gpr.R15; r++)
            cpu[r] = 0;
        cpu.Rip = 0;
        cpu.Rflags = ReservedFlag;
        cpu.Efer = 0;
        cpu.Cr0 = Cr0ProtectionEnable | Cr0ExtensionType;
        cpu.Cr4 = 0;
        cpu.SetSegment(SegmentName.Cs, new SegmentRegister(0, 0, uint.MaxValue, flatCode));
        foreach (SegmentName data in (SegmentName[])[SegmentName.Ds, SegmentName.Es, SegmentName.Fs, SegmentName.Gs, SegmentName.Ss])
            cpu.SetSegment(data, new SegmentRegister(0, 0, uint.MaxValue, flatData));
        cpu.SetSegment(SegmentName.Ldtr, new SegmentRegister(0, 0, 0, ldt));
        cpu.SetSegment(SegmentName.Tr, new SegmentRegister(0, 0, 0xFF, busyTss));
        cpu.Gdtr = default;
        cpu.Idtr = default;
        cpu.Cpl = 0;
    }

    /// <summary>hvm_vcpu_down: the vCPU runs no more; with the last one of its domain the domain is powered off.</summary>
    internal static void Down(Vcpu v)
    {
        v.TakeDown();
        Domain d = v.Domain;
        if (d.Vcpus.Any(x => (x.PauseFlags & PauseFlags.Down) == 0))
            return;
        d.Xen.Log(LogLevel.Info, d.Xen.Profile.Release == XenRelease.V4_0 ? "hvm.c: all CPUs offline -- powering off." : $"d{d.Id.Value}v{v.Id} All CPUs offline -- powering off.");
        d.Shutdown((uint)ShutdownReason.poweroff);
    }

    /// <summary>hvm_latch_shinfo_size: shared_info takes the layout of the mode in which the guest makes its page or names its callback, and gets its wall clock (4.0: if the layout changes).</summary>
    internal static void LatchSharedInfoSize(Domain d, Vcpu caller)
    {
        bool is32 = d.SharedInfo.Layout == SharedInfoLayout.X32;
        bool wanted = HvmHypercallRules.LatchShinfoSize(is32, caller.Domain == d, HvmHypercallRules.Mode(caller.Cpu));
        if (!d.IsHvm || caller.Domain != d || (wanted == is32 && d.Xen.Profile.Release == XenRelease.V4_0))
            return;
        d.SharedInfo.Layout = wanted ? SharedInfoLayout.X32 : SharedInfoLayout.X64;
        GuestTime.UpdateWallClock(d);
    }

    /// <summary>hvm_load_cpu_ctxt: the CPU record of XEN_DOMCTL_sethvmcontext, with which the tools start a PVH guest.</summary>
    /// <remarks>Source: stable-4.17 xen/arch/x86/hvm/hvm.c: hvm_load_cpu_ctxt.</remarks>
    public static void Load(VirtualCpu cpu, in HvmHwCpuV40 r, uint flags)
    {
        ReadOnlySpan<ulong> general =
            [r.Rax, r.Rcx, r.Rdx, r.Rbx, r.Rsp, r.Rbp, r.Rsi, r.Rdi, r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15];
        for (int i = 0; i < general.Length; i++)
            cpu[(Gpr)i] = general[i];
        cpu.Rip = r.Rip;
        cpu.Rflags = r.Rflags | ReservedFlag;
        cpu.Cr0 = r.Cr0 | Cr0ExtensionType;
        cpu.Cr2 = r.Cr2;
        cpu.Efer = r.MsrEfer;
        cpu.Cr4 = r.Cr4;
        cpu.Cr3 = r.Cr3;
        cpu.SetSegment(SegmentName.Cs, Segment(r.CsSel, r.CsBase, r.CsLimit, r.CsArbytes));
        cpu.SetSegment(SegmentName.Ds, Segment(r.DsSel, r.DsBase, r.DsLimit, r.DsArbytes));
        cpu.SetSegment(SegmentName.Es, Segment(r.EsSel, r.EsBase, r.EsLimit, r.EsArbytes));
        cpu.SetSegment(SegmentName.Fs, Segment(r.FsSel, r.FsBase, r.FsLimit, r.FsArbytes));
        cpu.SetSegment(SegmentName.Gs, Segment(r.GsSel, r.GsBase, r.GsLimit, r.GsArbytes));
        cpu.SetSegment(SegmentName.Ss, Segment(r.SsSel, r.SsBase, r.SsLimit, r.SsArbytes));
        cpu.SetSegment(SegmentName.Tr, Segment(r.TrSel, r.TrBase, r.TrLimit, r.TrArbytes));
        cpu.SetSegment(SegmentName.Ldtr, Segment(r.LdtrSel, r.LdtrBase, r.LdtrLimit, r.LdtrArbytes));
        cpu.Gdtr = new DescriptorTableRegister(r.GdtrBase, (ushort)r.GdtrLimit);
        cpu.Idtr = new DescriptorTableRegister(r.IdtrBase, (ushort)r.IdtrLimit);
        (cpu.SysenterCs, cpu.SysenterEsp, cpu.SysenterEip, cpu.KernelGsBase) = (r.SysenterCs, r.SysenterEsp, r.SysenterEip, r.ShadowGs);
        (cpu.Star, cpu.LStar, cpu.CStar, cpu.SyscallMask, cpu.TscAux) = (r.MsrStar, r.MsrLstar, r.MsrCstar, r.MsrSyscallMask, r.MsrTscAux);
        ReadOnlySpan<(int Number, ulong Value)> debug = [(0, r.Dr0), (1, r.Dr1), (2, r.Dr2), (3, r.Dr3), (6, r.Dr6), (7, r.Dr7)];
        foreach ((int number, ulong value) in debug)
            cpu.SetDebugRegister(number, value);
        cpu.Cpl = cpu.GetSegment(SegmentName.Ss).Dpl;
        if ((flags & FpuInitialised) == 0)
            return;
        Array512<byte> fpu = r.FpuRegs;
        cpu.LoadFx(WireMemory.AsBytes(ref fpu));
    }

    /// <summary>hvm_save_cpu_ctxt, without the FPU, which the XSAVE record has.</summary>
    /// <remarks>Source: stable-4.17 xen/arch/x86/hvm/hvm.c: hvm_save_cpu_ctxt.</remarks>
    internal static HvmHwCpuV40 Save(Vcpu v)
    {
        VirtualCpu c = v.Cpu;
        HvmHwCpuV40 r = new()
        {
            Rax = c[Gpr.Rax],
            Rbx = c[Gpr.Rbx],
            Rcx = c[Gpr.Rcx],
            Rdx = c[Gpr.Rdx],
            Rbp = c[Gpr.Rbp],
            Rsi = c[Gpr.Rsi],
            Rdi = c[Gpr.Rdi],
            Rsp = c[Gpr.Rsp],
            R8 = c[Gpr.R8],
            R9 = c[Gpr.R9],
            R10 = c[Gpr.R10],
            R11 = c[Gpr.R11],
            R12 = c[Gpr.R12],
            R13 = c[Gpr.R13],
            R14 = c[Gpr.R14],
            R15 = c[Gpr.R15],
            Rip = c.Rip,
            Rflags = c.Rflags,
            Cr0 = c.Cr0,
            Cr2 = c.Cr2,
            Cr3 = c.Cr3,
            Cr4 = c.Cr4,
            MsrEfer = c.Efer,
            Dr0 = c.GetDebugRegister(0),
            Dr1 = c.GetDebugRegister(1),
            Dr2 = c.GetDebugRegister(2),
            Dr3 = c.GetDebugRegister(3),
            Dr6 = c.GetDebugRegister(6),
            Dr7 = c.GetDebugRegister(7),
            IdtrBase = c.Idtr.Base,
            IdtrLimit = c.Idtr.Limit,
            GdtrBase = c.Gdtr.Base,
            GdtrLimit = c.Gdtr.Limit,
            SysenterCs = c.SysenterCs,
            SysenterEsp = c.SysenterEsp,
            SysenterEip = c.SysenterEip,
            ShadowGs = c.KernelGsBase,
            MsrLstar = c.LStar,
            MsrStar = c.Star,
            MsrCstar = c.CStar,
            MsrSyscallMask = c.SyscallMask,
            MsrTscAux = c.TscAux,
            Tsc = v.ReadTsc(0),
        };
        (r.CsSel, r.CsBase, r.CsLimit, r.CsArbytes) = Hidden(c, SegmentName.Cs);
        (r.DsSel, r.DsBase, r.DsLimit, r.DsArbytes) = Hidden(c, SegmentName.Ds);
        (r.EsSel, r.EsBase, r.EsLimit, r.EsArbytes) = Hidden(c, SegmentName.Es);
        (r.FsSel, r.FsBase, r.FsLimit, r.FsArbytes) = Hidden(c, SegmentName.Fs);
        (r.GsSel, r.GsBase, r.GsLimit, r.GsArbytes) = Hidden(c, SegmentName.Gs);
        (r.SsSel, r.SsBase, r.SsLimit, r.SsArbytes) = Hidden(c, SegmentName.Ss);
        (r.TrSel, r.TrBase, r.TrLimit, r.TrArbytes) = Hidden(c, SegmentName.Tr);
        (r.LdtrSel, r.LdtrBase, r.LdtrLimit, r.LdtrArbytes) = Hidden(c, SegmentName.Ldtr);
        return r;
    }

    private static (uint Selector, ulong Base, uint Limit, uint Attributes) Hidden(VirtualCpu cpu, SegmentName name)
    {
        SegmentRegister s = cpu.GetSegment(name);
        return (s.Selector, s.Base, s.Limit, (uint)((s.Access & 0xFF) | (s.Access >> 4 & 0xF00)));
    }

    /// <summary>Access bytes of the record are in VMX's 16-bit form without the reserved nibble that LAR has; ours have LAR's.</summary>
    private static SegmentRegister Segment(uint selector, ulong segmentBase, uint limit, uint arbytes)
        => new((ushort)selector, segmentBase, limit, (ushort)((arbytes & 0xFF) | ((arbytes & 0xF00) << 4)));
}
