using System.Buffers.Binary;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domains;

/// <summary>arch_set_info_guest and arch_get_info_guest: a vCPU's registers and tables as its builder gives them.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/domain.c.</remarks>
public static class VcpuContext
{
    // What a PV vCPU's CR0 and CR4 read as (oracle: vcpu0-context of every PV guest).
    internal const ulong PvCr0 = 0x8005_0033;
    internal const ulong PvCr4 = 0x660;
    private const ulong Cr0TaskSwitched = 8;

    // The processor under a PV guest: PAE, OSFXSR, OSXMMEXCPT; of 4.17 also MCE, and OSXSAVE if it has XSAVE.
    private const ulong RealCr4 = 0x620;
    private const ulong Cr4Mce = 1 << 6, Cr4Pge = 1 << 7;
    private const ulong Cr4Tsd = 1 << 2, Cr4De = 1 << 3, Cr4Fsgsbase = 1 << 16, Cr4Osxsave = 1 << 18;
    private static readonly CpuFeature _fsgsbase = new(7, 'b', 0);
    private const ulong EferLong = 1 | 1 << 8 | 1 << 10 | 1 << 11;
    private const ulong EferNx = 1 << 11;
    private const ulong EferSvme = 1 << 12;
    private const ulong X87AndSse = 3;
    private const ulong IoplMask = 3 << 12;
    private const ulong InterruptFlag = 1 << 9;
    private const ulong AlwaysOne = 1 << 1;
    private const ushort FcwDefault = 0x37F;
    private const uint MxcsrDefault = 0x1F80;

    public static XenErrno Set(Vcpu v, VcpuGuestContext c)
    {
        Domain d = v.Domain;
        if (!d.IsHvm && ((c.LdtBase & 0xFFF) != 0 || c.LdtEnts > 8192 || !v.Memory.IsGuestRange(c.LdtBase, c.LdtEnts * 8)))
            return XenErrno.EINVAL;
        VcpuContextFlags flags = (VcpuContextFlags)c.Flags;
        v.FpuInitialised = (flags & VcpuContextFlags.I387_VALID) != 0;
        v.KernelMode = (flags & VcpuContextFlags.in_kernel) != 0 || d.IsHvm;
        CopyIn(v, c, flags);
        if (!v.IsInitialised && !d.IsHvm)
        {
            XenErrno errno = FirstTime(v, c, flags);
            if (errno != XenErrno.None)
                return errno;
        }

        LoadProcessor(v, c);
        if ((flags & VcpuContextFlags.online) != 0)
            v.BringUp();
        else
            v.TakeDown();
        return XenErrno.None;
    }

    /// <summary>Loads what the processor itself holds of a PV vCPU whose tables are in place.</summary>
    public static void LoadProcessor(Vcpu v, VcpuGuestContext c)
    {
        Domain d = v.Domain;
        VirtualCpu cpu = v.Cpu;
        CpuUserRegs r = c.UserRegs;
        ReadOnlySpan<ulong> general = [r.Rax, r.Rcx, r.Rdx, r.Rbx, r.Rsp, r.Rbp, r.Rsi, r.Rdi, r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15];
        for (int i = 0; i < general.Length; i++)
            cpu[(Gpr)i] = general[i];
        cpu.Rip = r.Rip;
        v.Iopl = (int)(r.Rflags >> 12) & 3;
        ulong rflags = (r.Rflags & ~IoplMask) | InterruptFlag;
        cpu.Rflags = rflags | AlwaysOne;
        v.UnloadedRflags = d.Xen.Options.Release == XenRelease.V4_0 ? rflags | AlwaysOne : rflags;
        if (v.FpuInitialised)
            cpu.LoadFx(c.FpuCtxt);
        if (d.IsHvm)
            return;
        if (!v.FpuInitialised)
            cpu.LoadFx(InitialFpu());
        LoadCr4(v);
        cpu.Efer = (d.Host64 ? EferLong : EferNx) | (d.Xen.Hvm?.Flavour == HypercallPages.HypercallPageFlavour.Svm ? EferSvme : 0);
        cpu.Cr0 = v.ControlRegisters[0] | (LoadsFpuLazily(d) ? Cr0TaskSwitched : 0);
        cpu.Xcr0 = d.Xen.Options.Host.Cpuid(1, 0) is { Ecx: var features } && (features >> 26 & 1) != 0 ? X87AndSse : cpu.Xcr0;

        // Where Xen's table lies is nobody's business; how long it is, SIDT says: 256 gates.
        cpu.Idtr = new DescriptorTableRegister(0, (ushort)((d.Host64 ? 256 * 16 : 256 * 8) - 1));
        GuestTables.LoadCr3(v);
        cpu.Gdtr = new DescriptorTableRegister(d.Xen.Mappings.GdtBase(v.Id), DescriptorTables.Limit);
        GuestTables.LoadLdtr(v);
        LoadSelectors(v, r, c);
    }

    /// <summary>opt_global_pages of 4.17: not on a virtualised processor of AMD.</summary>
    private static bool HasGlobalPages(HostModel host) => host.Vendor != CpuVendor.AMD || (host.Cpuid(1, 0).Ecx >> 31 & 1) == 0;

    /// <summary>CR0.TS is set until a guest touches the FPU; 4.17 gives Intel's processors the state at once (opt_eager_fpu, xen/arch/x86/spec_ctrl.c).</summary>
    private static bool LoadsFpuLazily(Domain d) => d.Xen.Profile.Release == XenRelease.V4_0 || d.Xen.Options.Host.Vendor == CpuVendor.AMD;

    /// <summary>pv_fixup_guest_cr4 and pv_make_cr4 (4.17): the guest chooses TSD, DE, FSGSBASE and OSXSAVE if its policy has them.</summary>
    internal static void SetCr4(Vcpu v, ulong value)
    {
        if (v.Domain.Xen.Profile.Release == XenRelease.V4_0)
        {
            v.ControlRegisters[4] = value;
            return;
        }

        ulong choice = Cr4Tsd | Cr4De | (v.Has(_fsgsbase) ? Cr4Fsgsbase : 0) | (v.Has(CpuFeature.Xsave) ? Cr4Osxsave : 0);
        v.ControlRegisters[4] = (value & choice) | PvCr4;
        LoadCr4(v);
    }

    private static void LoadCr4(Vcpu v)
    {
        Xen xen = v.Domain.Xen;
        if (xen.Profile.Release == XenRelease.V4_0)
        {
            v.Cpu.Cr4 = RealCr4 | Cr4Pge;
            return;
        }

        ulong chosen = v.ControlRegisters[4] & (Cr4Tsd | Cr4Fsgsbase);
        bool fsgsbase = v.Domain.IsCompat && v.Has(_fsgsbase);
        v.Cpu.Cr4 = RealCr4 | Cr4Mce | chosen | (fsgsbase ? Cr4Fsgsbase : 0) | (HasGlobalPages(xen.Options.Host) ? Cr4Pge : 0)
            | (xen.Options.Host.Has(CpuFeature.Xsave) ? Cr4Osxsave : 0);
    }

    /// <summary>arch_get_info_guest.</summary>
    public static VcpuGuestContext Get(Vcpu v)
    {
        VirtualCpu cpu = v.Cpu;
        VcpuGuestContext c = new();
        if (v.UnloadedRflags is null || v.FpuInitialised || v.Domain.IsHvm)
            cpu.SaveFx(c.FpuCtxt);
        else if (v.Domain.Xen.Options.Release != XenRelease.V4_0)
            InitialFpu().CopyTo(c.FpuCtxt, 0);
        c.Flags = (ulong)((v.FpuInitialised ? VcpuContextFlags.I387_VALID : 0)
            | (v.KernelMode ? VcpuContextFlags.in_kernel : 0)
            | ((v.PauseFlags & PauseFlags.Down) == 0 ? VcpuContextFlags.online : 0)
            | (v.FailsafeCallback.MasksEvents ? VcpuContextFlags.failsafe_disables_events : 0)
            | (v.SyscallCallback.MasksEvents ? VcpuContextFlags.syscall_disables_events : 0));
        c.UserRegs = Registers(v);
        for (int i = 0; i < c.TrapCtxt.Length; i++)
        {
            GuestTrap t = v.TrapTable[i];
            c.TrapCtxt[i] = new TrapInfo { Vector = t.Address == 0 ? (byte)0 : (byte)i, Flags = t.Flags, Cs = t.Cs, Address = t.Address };
        }

        c.LdtBase = v.LdtBase;
        c.LdtEnts = v.LdtEntries;
        for (int i = 0; i < v.GdtFrames.Count; i++)
            c.GdtFrames[i] = v.GdtFrames[i].Value;
        c.GdtEnts = v.GdtEntries;
        c.KernelSs = v.KernelSs;
        c.KernelSp = v.KernelSp;
        v.ControlRegisters.CopyTo(c.Ctrlreg, 0);
        c.Ctrlreg[1] = v.GuestTableUser == Mfn.Invalid ? 0 : v.GuestTableUser.Value << 12;
        c.Ctrlreg[3] = v.GuestTable == Mfn.Invalid ? 0 : EncodeCr3(v.Domain, v.GuestTable);
        for (int i = 0; i < 8; i++)
            c.Debugreg[i] = i is 4 or 5 ? 0 : i == 6 && !v.Domain.IsHvm ? v.DebugStatus : cpu.GetDebugRegister(i);
        c.EventCallbackCs = v.EventCallback.Cs;
        c.EventCallbackEip = v.EventCallback.Address;
        c.FailsafeCallbackCs = v.FailsafeCallback.Cs;
        c.FailsafeCallbackEip = v.FailsafeCallback.Address;
        c.SyscallCallbackEip = v.SyscallCallback.Address;
        c.VmAssist = v.Domain.VmAssist;
        c.FsBase = cpu.GetSegment(SegmentName.Fs).Base;
        c.GsBaseKernel = v.KernelMode ? cpu.GetSegment(SegmentName.Gs).Base : v.GsBaseKernel;
        c.GsBaseUser = v.KernelMode ? v.GsBaseUser : cpu.GetSegment(SegmentName.Gs).Base;
        return c;
    }

    /// <summary>xen_pfn_to_cr3.</summary>
    public static ulong EncodeCr3(Domain d, Mfn mfn)
        => d.Is32BitPv ? (uint)(mfn.Value << 12) | (uint)(mfn.Value >> 20) : mfn.Value << 12;

    /// <summary>xen_cr3_to_pfn: a 32-bit guest's CR3 holds the high bits of the frame in its low ones.</summary>
    public static Mfn DecodeCr3(Domain d, ulong cr3)
        => new(d.Is32BitPv ? ((uint)cr3 >> 12) | ((uint)cr3 << 20) : cr3 >> 12);

    /// <summary>
    /// The FXSAVE image a PV vCPU starts from without one of its own: FCW_DEFAULT and MXCSR_DEFAULT, everything else zero. 4.17 puts it into
    /// the save area at once (xen/arch/x86/i387.c: vcpu_setup_fpu), 4.0 into the processor at the first use (init_fpu).
    /// </summary>
    private static byte[] InitialFpu()
    {
        byte[] image = new byte[512];
        BinaryPrimitives.WriteUInt16LittleEndian(image, FcwDefault);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), MxcsrDefault);
        return image;
    }

    private static CpuUserRegs Registers(Vcpu v)
    {
        VirtualCpu cpu = v.Cpu;
        return new CpuUserRegs
        {
            Rax = cpu[Gpr.Rax],
            Rbx = cpu[Gpr.Rbx],
            Rcx = cpu[Gpr.Rcx],
            Rdx = cpu[Gpr.Rdx],
            Rsi = cpu[Gpr.Rsi],
            Rdi = cpu[Gpr.Rdi],
            Rbp = cpu[Gpr.Rbp],
            Rsp = cpu[Gpr.Rsp],
            R8 = cpu[Gpr.R8],
            R9 = cpu[Gpr.R9],
            R10 = cpu[Gpr.R10],
            R11 = cpu[Gpr.R11],
            R12 = cpu[Gpr.R12],
            R13 = cpu[Gpr.R13],
            R14 = cpu[Gpr.R14],
            R15 = cpu[Gpr.R15],
            Rip = cpu.Rip,
            Rflags = (v.UnloadedRflags ?? cpu.Rflags) | ((ulong)v.Iopl << 12),
            Cs = cpu.GetSegment(SegmentName.Cs).Selector,
            Ss = cpu.GetSegment(SegmentName.Ss).Selector,
            Ds = cpu.GetSegment(SegmentName.Ds).Selector,
            Es = cpu.GetSegment(SegmentName.Es).Selector,
            Fs = cpu.GetSegment(SegmentName.Fs).Selector,
            Gs = cpu.GetSegment(SegmentName.Gs).Selector,
        };
    }

    private static void CopyIn(Vcpu v, VcpuGuestContext c, VcpuContextFlags flags)
    {
        Domain d = v.Domain;
        for (int i = 0; i < v.TrapTable.Length; i++)
            v.TrapTable[i] = new GuestTrap(TrapCallbacks.FixSelector(d, c.TrapCtxt[i].Cs), c.TrapCtxt[i].Address, c.TrapCtxt[i].Flags);
        c.UserRegs.Cs = TrapCallbacks.FixSelector(d, c.UserRegs.Cs);
        c.UserRegs.Ss = TrapCallbacks.FixStackSelector(d, c.UserRegs.Ss);
        v.KernelSs = TrapCallbacks.FixStackSelector(d, (ushort)c.KernelSs);
        v.KernelSp = c.KernelSp;
        ushort cs = TrapCallbacks.KernelCs(d);
        v.EventCallback = new GuestCallback(d.Is32BitPv ? TrapCallbacks.FixSelector(d, (ushort)c.EventCallbackCs) : cs, c.EventCallbackEip, true);
        v.FailsafeCallback = new GuestCallback(
            d.Is32BitPv ? TrapCallbacks.FixSelector(d, (ushort)c.FailsafeCallbackCs) : cs, c.FailsafeCallbackEip,
            (flags & VcpuContextFlags.failsafe_disables_events) != 0);
        v.SyscallCallback = new GuestCallback(cs, c.SyscallCallbackEip, (flags & VcpuContextFlags.syscall_disables_events) != 0);
        v.GsBaseKernel = c.GsBaseKernel;
        v.GsBaseUser = c.GsBaseUser;
        c.Ctrlreg.CopyTo(v.ControlRegisters, 0);
        v.ControlRegisters[0] = PvCr0 | (c.Ctrlreg[0] & Cr0TaskSwitched);
        if (c.Ctrlreg[4] == 0)
            v.ControlRegisters[4] = PvCr4;
        for (int i = 0; i < 4; i++)
            v.Cpu.SetDebugRegister(i, c.Debugreg[i]);
        v.DebugStatus = c.Debugreg[6];
        v.Cpu.SetDebugRegister(6, c.Debugreg[6]);
        v.Cpu.SetDebugRegister(7, c.Debugreg[7]);
    }

    /// <summary>Only for a vCPU that never had a context: assists, GDT, base tables.</summary>
    private static XenErrno FirstTime(Vcpu v, VcpuGuestContext c, VcpuContextFlags flags)
    {
        Domain d = v.Domain;
        if (v.Id == 0)
            d.VmAssist = c.VmAssist;
        XenErrno errno = GuestTables.SetGdt(v, c.GdtFrames, (uint)Math.Min(c.GdtEnts, uint.MaxValue));
        if (errno != XenErrno.None)
            return errno;
        Mfn baseTable = d.GfnToMfn(new Gfn(DecodeCr3(d, c.Ctrlreg[3]).Value));
        errno = d.Xen.PageTypes.GetPageAndType(baseTable, d, GuestTables.BaseTableType(d));
        if (errno != XenErrno.None)
        {
            GuestTables.DestroyGdt(v);
            return XenErrno.EINVAL;
        }

        v.GuestTable = baseTable;
        if (d.ShowsM2pOnLoad)
            d.Xen.Mappings.ShowM2p(baseTable);
        if (!d.Is32BitPv)
        {
            bool fits = c.Ctrlreg[1] != 0
                ? GuestTables.NewUserBase(v, new Mfn(c.Ctrlreg[1] >> 12)) == XenErrno.None
                : (flags & VcpuContextFlags.in_kernel) != 0;
            if (!fits)
            {
                GuestTables.DropBaseTables(v);
                GuestTables.DestroyGdt(v);
                return XenErrno.EINVAL;
            }
        }

        v.LdtBase = c.LdtBase;
        v.LdtEntries = (uint)c.LdtEnts;
        if (v.Id == 0)
            GuestTime.UpdateWallClock(d);
        v.IsInitialised = true;
        return XenErrno.None;
    }

    /// <summary>CS and SS as IRET loads them, the others as MOV does; load_segments sees to those that cannot be loaded once the vCPU runs.</summary>
    private static void LoadSelectors(Vcpu v, in CpuUserRegs r, VcpuGuestContext c)
    {
        Traps.GuestSegments.LoadCodeAndStack(v, r.Cs, r.Ss);
        v.SegmentsLoaded = false;
        SetSelector(v, SegmentName.Ds, r.Ds);
        SetSelector(v, SegmentName.Es, r.Es);
        SetSelector(v, SegmentName.Fs, r.Fs);
        SetSelector(v, SegmentName.Gs, r.Gs);
        if (v.Domain.Is32BitPv)
            return;
        Traps.GuestSegments.SetBase(v, SegmentName.Fs, c.FsBase);
        Traps.GuestSegments.SetBase(v, SegmentName.Gs, v.KernelMode ? c.GsBaseKernel : c.GsBaseUser);
    }

    private static void SetSelector(Vcpu v, SegmentName name, ushort selector)
    {
        if (!v.Cpu.TryLoadSegment(name, selector, out _, out _))
            v.Cpu.SetSegment(name, new SegmentRegister(selector, 0, 0, 0));
    }
}
