using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Scheduling;

namespace XenSim.Hypervisor.Traps;

/// <summary>What an exit of a vCPU means to Xen.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/traps.c: do_page_fault, do_general_protection, do_invalid_op, do_device_not_available.</remarks>
internal sealed class TrapDispatcher
{
    private const byte DebugException = 1;
    private const byte Breakpoint = 3;
    private const byte Overflow = 4;
    private const byte InvalidOpcode = 6;
    private const byte DeviceNotAvailable = 7;
    private const byte GeneralProtection = 13;
    private const byte PageFault = 14;
    private const byte HypercallVector = 0x82;
    private const uint WriteAccess = 2;
    private const uint PresentPage = 1;
    private const ulong Cr0TaskSwitched = 8;
    private const ulong ResumeFlag = 1 << 16;
    private const ushort XenCs = 0xE008;

    private readonly Xen _xen;
    private readonly HvmExits _hardware;
    private readonly WritablePageTables _pageTables = new();
    private readonly StandInPage _standIn;

    internal TrapDispatcher(Xen xen)
    {
        _xen = xen;
        _standIn = new StandInPage(xen);
        _hardware = new HvmExits(xen, _standIn);
    }

    /// <summary>Null: the vCPU goes on (or was blocked, shut down, crashed: its state says so).</summary>
    public RunStop? Handle(Vcpu v, in CpuExit exit)
    {
        RunStop? stop = v.Domain.IsHvm ? HandleHardware(v, exit) : HandleParavirtual(v, exit);
        if (stop is null && v.State == VcpuState.Running)
        {
            TestAllEvents(v);
            if (!v.Domain.IsHvm)
                GuestSegments.ClearUnreachable(v);
        }

        return stop;
    }

    /// <summary>test_all_events: an unmasked pending upcall enters the guest before it goes on.</summary>
    public static void TestAllEvents(Vcpu v)
    {
        if (v.Domain.IsHvm)
        {
            HvmInterrupts.Assist(v);
            return;
        }

        VcpuInfo info = v.VcpuInfo;
        if (v.NmiPending && !v.NmiMasked)
        {
            v.NmiPending = false;
            if (v.TrapTable[Hypercalls.TrapCallbacks.NmiVector].Address != 0)
            {
                v.NmiMasked = true;
                GuestBounce.Trap(v, Hypercalls.TrapCallbacks.NmiVector);
            }
        }

        if (info.Exists && info.UpcallPending && !info.UpcallMask)
            GuestBounce.Enter(v, v.EventCallback with { MasksEvents = true });
    }

    private RunStop? HandleParavirtual(Vcpu v, in CpuExit exit)
    {
        switch (exit.Reason)
        {
            case ExitReason.Syscall:
                Syscall(v, exit);
                return null;
            case ExitReason.Sysenter:
                PvSyscalls.Sysenter(v);
                return null;
            case ExitReason.SoftwareInterrupt:
                SoftwareInterrupt(v, exit);
                return null;
            case ExitReason.Exception:
                Exception(v, exit);
                return null;
            case ExitReason.Vmcall or ExitReason.Vmmcall:
                PvInjection.Inject(v, InvalidOpcode, null);
                return null;
            case ExitReason.PrivilegedInstruction or ExitReason.Halt or ExitReason.PortIn or ExitReason.PortOut
                or ExitReason.ReadMsr or ExitReason.WriteMsr or ExitReason.Cpuid or ExitReason.ReadTsc:
                if (!PrivilegedOps.TryEmulate(v, exit))
                    Fault(v, GeneralProtection, 0);
                return null;
            case ExitReason.PhysicalAccess when (AccessKind)exit.Vector != AccessKind.Execute && _xen.Ports.Pci.Claims(exit.Address):
                ulong value = _xen.Ports.Pci.ReadMemory(exit.Address, StandInPage.SizeOf(exit));
                CpuExit after = _standIn.Run(v, exit, ref value);
                return after.Reason == ExitReason.BudgetSpent ? null : HandleParavirtual(v, after);
            default:
                return Common(v, exit);
        }
    }

    private RunStop? HandleHardware(Vcpu v, in CpuExit exit) => _hardware.TryHandle(v, exit, out RunStop? stop) ? stop : Common(v, exit);

    internal static RunStop? Common(Vcpu v, in CpuExit exit)
    {
        switch (exit.Reason)
        {
            case ExitReason.Unimplemented:
                return new RunStop(RunStopReason.Unimplemented, v.Domain.Id, v.Id, $"instruction {v.Cpu.UnimplementedText} at {v.Cpu.Rip:x}");
            case ExitReason.PhysicalAccess:
                return new RunStop(RunStopReason.Unimplemented, v.Domain.Id, v.Id, $"access to physical address {exit.Address:x}, where no memory and no device is, at {v.Cpu.Rip:x}");
            default:
                return new RunStop(RunStopReason.Unimplemented, v.Domain.Id, v.Id, $"exit {exit.Reason} ({exit.Operation}) at {v.Cpu.Rip:x}");
        }
    }

    private static void Syscall(Vcpu v, in CpuExit exit)
    {
        if (!v.Domain.Is32BitPv && v.KernelMode)
        {
            HypercallEntry.Syscall(v, exit.NextRip);
            return;
        }

        if (v.Domain.Is32BitPv)
            PvSyscalls.Compat(v, exit.NextRip);
        else
            PvSyscalls.ToKernel(v, exit.NextRip);
    }

    private void SoftwareInterrupt(Vcpu v, in CpuExit exit)
    {
        bool kernel = GuestBounce.InKernel(v);
        if (exit.Vector == HypercallVector && v.Domain.Is32BitPv && v.Cpu.Cpl <= 1)
        {
            ulong from = v.Cpu.Rip;
            v.Cpu.Rip = exit.NextRip;
            HypercallEntry.Int82(v, from);
            return;
        }

        if (exit.Vector == Breakpoint && kernel && v.Domain.DebuggerAttached)
        {
            v.Cpu.Rip = exit.NextRip;
            PauseForDebugger(v);
            return;
        }

        // permit_softint: the guest's own gate decides; breakpoint and overflow are open to all.
        // Vector 0x80 has a gate of its own and goes where the guest says if it says anything (int80_direct_trap).
        bool direct = exit.Vector == 0x80 && v.TrapTable[exit.Vector].Address != 0;
        if (direct || exit.Vector is 3 or 4 || v.TrapTable[exit.Vector].Dpl >= (kernel ? 1 : 3))
        {
            v.Cpu.Rip = exit.NextRip;
            PvInjection.Inject(v, exit.Vector, null);
            return;
        }

        Fault(v, GeneralProtection, ((uint)exit.Vector << 3) | 2);
    }

    /// <summary>domain_pause_for_debugger, from debugger_trap_entry: the tools are told and may unpause the domain.</summary>
    /// <remarks>Source: RELEASE-4.0.4 xen/include/asm-x86/debugger.h, xen/common/domain.c; stable-4.17 xen/arch/x86/traps.c: do_int3, do_debug, gdbsx.c.</remarks>
    private void PauseForDebugger(Vcpu v)
    {
        v.Domain.PauseByController();
        _xen.SchedulePending = true;
        _xen.RaiseGlobalVirq(Virq.DEBUGGER);
    }

    private void Exception(Vcpu v, in CpuExit exit)
    {
        switch (exit.Vector)
        {
            case DebugException:
                PvDebug.Collect(v);
                if (!v.Domain.DebuggerAttached || !GuestBounce.InKernel(v))
                    break;
                PauseForDebugger(v);
                return;
            case Breakpoint when v.Domain.DebuggerAttached && GuestBounce.InKernel(v):
                PauseForDebugger(v);
                return;
            case PageFault:
                OnPageFault(v, exit);
                return;
            case InvalidOpcode when PrivilegedOps.TryForcedCpuid(v):
                return;
            case GeneralProtection when v.Domain.IsCompat && exit.ErrorCode != 0 && (exit.ErrorCode & 3) == 0:
                GateOps.Emulate(v, exit);
                return;
            case InvalidOpcode or GeneralProtection when exit.Operation != PrivilegedOperation.None && PrivilegedOps.TryEmulate(v, exit):
                return;
            case GeneralProtection when (exit.ErrorCode & 7) == 2 && v.TrapTable[exit.ErrorCode >> 3 & 0xFF].Address != 0
                && v.TrapTable[exit.ErrorCode >> 3 & 0xFF].Dpl >= (GuestBounce.InKernel(v) ? 1 : 3) && exit.NextRip > v.Cpu.Rip:
                v.Cpu.Rip = exit.NextRip;
                PvInjection.Inject(v, (byte)(exit.ErrorCode >> 3), null);
                return;
            case DeviceNotAvailable:
                v.Cpu.Cr0 &= ~Cr0TaskSwitched;
                if ((v.ControlRegisters[0] & Cr0TaskSwitched) == 0)
                    return;
                v.ControlRegisters[0] &= ~Cr0TaskSwitched;
                break;
        }

        uint? errorCode = exit.HasErrorCode ? exit.ErrorCode : null;
        if (exit.Vector is DebugException or Breakpoint or Overflow)
            PvInjection.Inject(v, exit.Vector, errorCode, exit.Address);
        else
            Fault(v, exit.Vector, errorCode, exit.Address);
    }

    /// <summary>A fault of an instruction: the processor pushes flags with RF set (SDM vol. 3B, 17.3.1.1), and so the guest's frame has it.</summary>
    private static void Fault(Vcpu v, byte vector, uint? errorCode, ulong address = 0)
    {
        v.Cpu.Rflags |= ResumeFlag;
        PvInjection.Inject(v, vector, errorCode, address);
    }

    private void OnPageFault(Vcpu v, in CpuExit exit)
    {
        ulong address = exit.Address;
        if (_xen.Options.SupervisorModeKernel && v.Cpu.Rip == _xen.Options.HypercallEntry && v.Cpu.GetSegment(SegmentName.Cs).Selector == XenCs)
        {
            FarCall(v);
            return;
        }

        if (IsDescriptorFault(v, exit))
            return;
        const uint insnFetch = 16, reservedBit = 8;

        // 4.17 looks for dom0's read-only device pages this way, and takes page tables along without asking for the assist.
        bool asked = (v.Domain.VmAssist & (1UL << (int)VmAssistType.writable_pagetables)) != 0
            || (v.Domain.IsHardwareDomain && _xen.Profile.Release != Public.XenRelease.V4_0);
        bool candidate = asked && (exit.ErrorCode & (PresentPage | WriteAccess | insnFetch | reservedBit)) == (PresentPage | WriteAccess) && GuestBounce.InKernel(v);
        if (candidate && _pageTables.TryEmulate(v, address))
            return;
        v.Cpu.Rflags |= ResumeFlag;
        PvInjection.InjectPageFault(v, exit.ErrorCode, address);
    }

    /// <summary>
    /// handle_gdt_ldt_mapping_fault: the processor looked for a descriptor where the window holds nothing. A page of the LDT is brought in;
    /// else it is the guest's fault, in the table where the guest has it.
    /// </summary>
    private bool IsDescriptorFault(Vcpu v, in CpuExit exit)
    {
        const uint window = 0x10000, localTable = 4, userOrReserved = 4 | 8;
        if ((exit.ErrorCode & userOrReserved) != 0)
            return false;
        ulong inLdt = exit.Address - _xen.Mappings.LdtBase(v.Id);
        if (exit.Address - _xen.Mappings.GdtBase(v.Id) < window)
        {
            PvInjection.Inject(v, GeneralProtection, (uint)(exit.Address - _xen.Mappings.GdtBase(v.Id)) & ~7u);
            return true;
        }

        if (inLdt >= window)
            return false;
        if (GuestTables.MapLdtPage(v, (int)(inLdt >> 12)))
            return true;
        ulong there = v.LdtBase + inLdt;
        if ((long)(there << 16) >> 16 == (long)there)
            PvInjection.InjectPageFault(v, exit.ErrorCode, there);
        else
            PvInjection.Inject(v, GeneralProtection, ((uint)inLdt & ~3u) | localTable);
        return true;
    }

    /// <summary>The ring 0 stubs' <c>lcall</c>: the far return address and the flags pushed before it are the frame.</summary>
    private static void FarCall(Vcpu v)
    {
        VirtualCpu cpu = v.Cpu;
        Span<byte> frame = stackalloc byte[12];
        if (!cpu.TryRead(new Guest.Memory.LinearAddress((uint)cpu[Gpr.Rsp]), frame, 0, out _, out _))
        {
            v.Domain.Crash(v, "domain_crash_sync called from entry.S: no frame under a ring 0 hypercall");
            return;
        }

        uint eip = BitConverter.ToUInt32(frame);
        ushort cs = BitConverter.ToUInt16(frame[4..]);
        cpu[Gpr.Rsp] = (uint)(cpu[Gpr.Rsp] + 12);
        cpu.Rip = eip;
        cpu.Rflags = BitConverter.ToUInt32(frame[8..]) | 2;
        GuestSegments.LoadCodeAndStack(v, cs, cpu.GetSegment(SegmentName.Ss).Selector);
        HypercallEntry.Int82(v, eip);
    }
}
