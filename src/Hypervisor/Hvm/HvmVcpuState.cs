using XenSim.Guest.Cpu;
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
        ReadOnlySpan<(int Number, ulong Value)> debug = [(0, r.Dr0), (1, r.Dr1), (2, r.Dr2), (3, r.Dr3), (6, r.Dr6), (7, r.Dr7)];
        foreach ((int number, ulong value) in debug)
            cpu.SetDebugRegister(number, value);
        cpu.Cpl = cpu.GetSegment(SegmentName.Ss).Dpl;
        if ((flags & FpuInitialised) == 0)
            return;
        Array512<byte> fpu = r.FpuRegs;
        cpu.LoadFx(WireMemory.AsBytes(ref fpu));
    }

    /// <summary>Access bytes of the record are in VMX's 16-bit form without the reserved nibble that LAR has; ours have LAR's.</summary>
    private static SegmentRegister Segment(uint selector, ulong segmentBase, uint limit, uint arbytes)
        => new((ushort)selector, segmentBase, limit, (ushort)((arbytes & 0xFF) | ((arbytes & 0xF00) << 4)));
}
