using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Domctl;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Traps;

/// <summary>emulate_privileged_op: what a PV guest's privileged instruction does. What it does not know faults in the guest.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/traps.c: emulate_privileged_op, emulate_forced_invalid_op; stable-4.17 xen/arch/x86/pv/emul-priv-op.c.</remarks>
internal static class PrivilegedOps
{
    private const ulong Cr0TaskSwitched = 8;
    private const ulong TrapFlag = 1 << 8;
    private const ulong Cr4Osxsave = 1 << 18;

    // ud2a; "xen"; cpuid: xen/include/public/arch-x86/xen.h, XEN_CPUID.
    private static ReadOnlySpan<byte> ForcedCpuid => [0x0F, 0x0B, 0x78, 0x65, 0x6E, 0x0F, 0xA2];

    /// <summary>True: done, RIP is behind the sequence.</summary>
    public static bool TryForcedCpuid(Vcpu v)
    {
        Span<byte> bytes = stackalloc byte[7];
        if (!v.Cpu.TryRead(new LinearAddress(v.Cpu.Rip), bytes, 0, out _, out _) || !bytes.SequenceEqual(ForcedCpuid))
            return false;
        Cpuid(v, v.Cpu.Rip + (ulong)ForcedCpuid.Length, forced: true);
        return true;
    }

    /// <summary>True: done, an exception of the emulated instruction's own included. False: the exception is the guest's.</summary>
    public static bool TryEmulate(Vcpu v, in CpuExit exit)
    {
        bool kernel = GuestBounce.InKernel(v);
        switch (exit.Operation)
        {
            case PrivilegedOperation.In or PrivilegedOperation.Out when GuestIoOkay(v, kernel, (uint)exit.Operand, exit.Size):
                Port(v, exit);
                break;
            case PrivilegedOperation.Ins or PrivilegedOperation.Outs when StringPorts.Count(v, exit) == 0:
                break;
            case PrivilegedOperation.Ins or PrivilegedOperation.Outs when GuestIoOkay(v, kernel, (uint)exit.Operand, exit.Size):
                return StringPorts.Emulate(v, exit);
            case PrivilegedOperation.Cli or PrivilegedOperation.Sti when IoplOkay(v, kernel):
                break;
            case PrivilegedOperation.Cpuid:
                Cpuid(v, exit.NextRip, forced: false);
                return true;
            case PrivilegedOperation.Xsetbv when v.Domain.Xen.Profile.Release != XenRelease.V4_0 && (v.ControlRegisters[4] & Cr4Osxsave) == 0:
                return Undefined(v);
            case not PrivilegedOperation.None when !kernel:
                return false;
            case PrivilegedOperation.Hlt when v.Domain.KernelRing == 0:
                // A kernel in ring 0 halts the processor itself.
                v.Cpu.Rip = exit.NextRip;
                if (!v.VcpuInfo.UpcallPending)
                    v.Block();
                return true;
            case PrivilegedOperation.Rdtsc or PrivilegedOperation.Rdtscp:
                ulong tsc = v.ReadTsc(v.Cpu.RetiredInstructions);
                v.Cpu[Gpr.Rax] = (uint)tsc;
                v.Cpu[Gpr.Rdx] = tsc >> 32;
                if (exit.Operation == PrivilegedOperation.Rdtscp)
                    v.Cpu[Gpr.Rcx] = v.TscAux;
                break;
            case PrivilegedOperation.Clts:
                v.ControlRegisters[0] &= ~Cr0TaskSwitched;
                v.Cpu.Cr0 = v.ControlRegisters[0];
                break;
            case PrivilegedOperation.MovFromCr when exit.SystemRegister is 0 or 2 or 3 or 4:
                v.Cpu[(Gpr)exit.GeneralRegister] = ReadCr(v, exit.SystemRegister);
                break;
            case PrivilegedOperation.MovToCr:
                if (!WriteCr(v, exit.SystemRegister, v.Cpu[(Gpr)exit.GeneralRegister]))
                    return false;
                break;
            case PrivilegedOperation.MovFromDr:
                if (PvDebug.Read(v, exit.SystemRegister) is not { } debug)
                    return Undefined(v);
                v.Cpu[(Gpr)exit.GeneralRegister] = debug;
                break;
            case PrivilegedOperation.MovToDr:
                XenErrno refused = PvDebug.Write(v, exit.SystemRegister, v.Cpu[(Gpr)exit.GeneralRegister]);
                if (refused == XenErrno.ENODEV)
                    return Undefined(v);
                if (refused != XenErrno.None)
                    return false;
                break;
            case PrivilegedOperation.Rdmsr:
                if (!PvMsrs.Read(v))
                    return false;
                break;
            case PrivilegedOperation.Wrmsr:
                if (!PvMsrs.Write(v))
                    return false;
                break;
            case PrivilegedOperation.Xsetbv:
                if (!Xsetbv(v))
                    return false;
                break;
            case PrivilegedOperation.Wbinvd:
                break;
            default:
                return false;
        }

        Retire(v, exit.NextRip);
        return true;
    }

    /// <summary>instruction_done: an emulated instruction is over; under the trap flag #DB follows at once.</summary>
    public static void Retire(Vcpu v, ulong nextRip)
    {
        v.Cpu.Rip = nextRip;
        if ((v.Cpu.Rflags & TrapFlag) != 0)
            PvDebug.SingleStep(v);
    }

    private static bool Undefined(Vcpu v)
    {
        PvInjection.Inject(v, PvInjection.InvalidOpcode, null);
        return true;
    }

    /// <summary>iopl_ok: a kernel's privilege level is 1, with the architectural IOPL 0.</summary>
    private static bool IoplOkay(Vcpu v, bool kernel) => v.Iopl >= (!kernel ? 3 : v.HasArchitecturalIopl ? 0 : 1);

    /// <summary>guest_io_okay: by the virtual IOPL, or a clear bit for each port in the guest's own bitmap.</summary>
    private static bool GuestIoOkay(Vcpu v, bool kernel, uint port, uint bytes)
    {
        if (IoplOkay(v, kernel))
            return true;
        if (v.IoBitmapLimit <= port + bytes)
            return false;

        // What cannot be read permits nothing. A user program's bitmap is its kernel's: read with ring 0's rights.
        Span<byte> bits = [0xFF, 0xFF];
        if (!v.Memory.TryRead(new VirtualAddress(v.IoBitmap + (port >> 3)), bits))
            bits.Fill(0xFF);
        uint mask = bits[0] | ((uint)bits[1] << 8);
        return (mask & (((1u << (int)bytes) - 1) << (int)(port & 7))) == 0;
    }

    /// <param name="forced">A PV guest asks Xen; otherwise the processor answers it.</param>
    public static void Cpuid(Vcpu v, ulong nextRip, bool forced)
    {
        uint leaf = (uint)v.Cpu[Gpr.Rax];
        uint subleaf = (uint)v.Cpu[Gpr.Rcx];
        CpuidResult r = forced ? v.PolicyCpuid(leaf, subleaf) : v.Cpuid(leaf, subleaf);
        v.Cpu[Gpr.Rax] = r.Eax;
        v.Cpu[Gpr.Rbx] = r.Ebx;
        v.Cpu[Gpr.Rcx] = r.Ecx;
        v.Cpu[Gpr.Rdx] = r.Edx;
        Report(v, "cpuid", leaf, r.Eax);
        if (v.Domain.IsHvm)
            v.Cpu.Rip = nextRip;
        else
            Retire(v, nextRip);
    }

    /// <summary>wrmsr_hypervisor_regs: installs a hypercall page. Null: done; else what the guest sees.</summary>
    public static MsrEffect WriteHypercallMsr(Vcpu v, ulong value, bool viridian = false)
    {
        Xen xen = v.Domain.Xen;
        HypercallMsrWrite write = HypervisorMsrs.Decode(xen.Profile.Release, value, viridian);
        if (write.Refusal is { } refusal)
        {
            xen.Log(LogLevel.Info, refusal);
            return HypervisorMsrs.Refused(xen.Profile.Release, v.Domain.IsHvm);
        }

        Mfn mfn = v.Domain.GfnToMfn(write.Frame);
        if (xen.PageTypes.GetPageAndType(mfn, v.Domain, PageType.PGT_writable_page) != XenErrno.None)
        {
            xen.Log(LogLevel.Info, HypervisorMsrs.BadFrameLine(xen.Profile.Release, write.Frame, mfn, viridian));
            return HypervisorMsrs.Refused(xen.Profile.Release, v.Domain.IsHvm);
        }

        if (v.Domain.IsHvm)
            HvmVcpuState.LatchSharedInfoSize(v.Domain, v);
        HypercallInit.hypercall_page_initialise(v.Domain, mfn);
        xen.PageTypes.PutPageAndType(mfn);
        return MsrEffect.Done;
    }

    /// <summary>IN and OUT. Xen's debug port is no device of the machine's.</summary>
    public static void Port(Vcpu v, in CpuExit exit)
    {
        bool read = exit.Operation == PrivilegedOperation.In || exit.Reason == ExitReason.PortIn;
        ulong mask = exit.Size switch { 1 => 0xFF, 2 => 0xFFFF, _ => 0xFFFF_FFFF };
        uint value = (uint)(v.Cpu[Gpr.Rax] & mask);
        if (read)
        {
            value = GuestIo.Read(v.Domain, exit.Operand, exit.Size);
            v.Cpu[Gpr.Rax] = exit.Size == 4 ? value : (v.Cpu[Gpr.Rax] & ~mask) | value;
        }
        else if (exit is { Operand: Hvm.DebugPort.Number, Size: 1 } && v.Domain.DebugPort is { } console)
        {
            console.Write((byte)value);
        }
        else
        {
            GuestIo.Write(v.Domain, exit.Operand, exit.Size, value);
        }

        Report(v, read ? "in" : "out", exit.Operand, value);
    }

    public static void Report(Vcpu v, string kind, ulong index, ulong value)
    {
        if (v.Domain.Xen.Events.Wants<PrivilegedAccess>())
            v.Domain.Xen.Events.Emit(new PrivilegedAccess(v.Domain.Id, v.Id, kind, index, value, v.Cpu.Rip));
        else
            v.Domain.Xen.Events.Pass();
    }

    private static ulong ReadCr(Vcpu v, int number) => number switch
    {
        2 => BitConverter.ToUInt64(v.VcpuInfo.Bytes[v.Domain.SharedInfo.Layout.Cr2..]) & (v.Domain.Is32BitPv ? uint.MaxValue : ulong.MaxValue),
        3 => VcpuContext.EncodeCr3(v.Domain, v.GuestTable),
        0 or 4 => v.ControlRegisters[number],
        _ => 0,
    };

    private static bool WriteCr(Vcpu v, int number, ulong value)
    {
        switch (number)
        {
            case 0:
                // Only TS is the guest's.
                if (((value ^ v.ControlRegisters[0]) & ~Cr0TaskSwitched) != 0)
                    return false;
                v.ControlRegisters[0] = value;
                v.Cpu.Cr0 = value;
                return true;
            case 2:
                v.VcpuInfo.SetCr2(v.Domain.SharedInfo.Layout, value);
                return true;
            case 3:
                return GuestTables.NewGuestCr3(v, VcpuContext.DecodeCr3(v.Domain, value)) == XenErrno.None;
            case 4:
                VcpuContext.SetCr4(v, value);
                return true;
            default:
                return false;
        }
    }

    /// <summary>handle_xsetbv: components that the policy shows and the processor takes together. False: #GP(0).</summary>
    internal static bool Xsetbv(Vcpu v)
    {
        ulong value = (uint)v.Cpu[Gpr.Rax] | (v.Cpu[Gpr.Rdx] << 32);
        CpuidResult components = v.Domain.CpuPolicy.Get(0xD, 0);
        ulong allowed = components.Eax | ((ulong)components.Edx << 32);
        return v.Has(CpuFeature.Xsave) && (value & ~allowed) == 0 && v.Cpu.TrySetXcr0((uint)v.Cpu[Gpr.Rcx], value);
    }
}
