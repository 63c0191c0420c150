using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Scheduling;

namespace XenSim.Hypervisor.Traps;

/// <summary>What an exit of a vCPU means to Xen.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/traps.c: do_page_fault, do_general_protection, do_invalid_op, do_device_not_available.</remarks>
internal sealed class TrapDispatcher
{
    private const byte DebugException = 1;
    private const byte Breakpoint = 3;
    private const byte InvalidOpcode = 6;
    private const byte DeviceNotAvailable = 7;
    private const byte GeneralProtection = 13;
    private const byte PageFault = 14;
    private const byte HypercallVector = 0x82;
    private const uint UserMode = 4;
    private const uint WriteAccess = 2;
    private const uint PresentPage = 1;
    private const ulong Cr0TaskSwitched = 8;
    private const ushort XenCs = 0xE008;

    private readonly Xen _xen;
    private readonly HvmExits _hardware;

    internal TrapDispatcher(Xen xen)
    {
        _xen = xen;
        _hardware = new HvmExits(xen);
    }

    /// <summary>Null: the vCPU goes on (or was blocked, shut down, crashed: its state says so).</summary>
    public RunStop? Handle(Vcpu v, in CpuExit exit)
    {
        RunStop? stop = v.Domain.IsHvm ? HandleHardware(v, exit) : HandleParavirtual(v, exit);
        if (stop is null && v.State == VcpuState.Running)
            TestAllEvents(v);
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
        if (v.NmiPending && v.NmiCallback.Address != 0)
        {
            v.NmiPending = false;
            GuestBounce.Enter(v, v.NmiCallback);
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
            case ExitReason.SoftwareInterrupt:
                SoftwareInterrupt(v, exit);
                return null;
            case ExitReason.Exception:
                Exception(v, exit);
                return null;
            case ExitReason.Vmcall or ExitReason.Vmmcall:
                Bounce(v, InvalidOpcode, null, exit);
                return null;
            case ExitReason.PrivilegedInstruction or ExitReason.Halt or ExitReason.PortIn or ExitReason.PortOut
                or ExitReason.ReadMsr or ExitReason.WriteMsr or ExitReason.Cpuid or ExitReason.ReadTsc:
                if (!PrivilegedOps.TryEmulate(v, exit))
                    Bounce(v, GeneralProtection, 0, exit);
                return null;
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

    private void Syscall(Vcpu v, in CpuExit exit)
    {
        if (!v.Domain.Is32BitPv && v.KernelMode)
        {
            HypercallEntry.Syscall(v, exit.NextRip);
            return;
        }

        // switch_to_kernel: a user's syscall is the guest kernel's business, through the callback of the caller's width.
        bool wide = v.Cpu.GetSegment(SegmentName.Cs).Long;
        GuestCallback callback = wide ? v.SyscallCallback : v.Syscall32Callback;
        if (!wide && callback.Address == 0 && _xen.Profile.Release == Public.XenRelease.V4_0 && !v.Domain.Is32BitPv)
            callback = v.SyscallCallback;
        if (callback.Address == 0)
        {
            if (v.Domain.Is32BitPv)
                Bounce(v, GeneralProtection, 0, exit);
            else if (_xen.Profile.Release == Public.XenRelease.V4_0)
                GuestBounce.Enter(v, callback);
            else
                Bounce(v, InvalidOpcode, null, exit);
            return;
        }

        v.Cpu[Gpr.Rcx] = exit.NextRip;
        v.Cpu[Gpr.R11] = v.Cpu.Rflags;
        v.Cpu.Rip = exit.NextRip;
        GuestBounce.Enter(v, callback);
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
        bool permitted = exit.Vector is 3 or 4 || v.TrapTable[exit.Vector].Dpl >= (kernel ? 1 : 3);
        if (permitted && v.TrapTable[exit.Vector].Address != 0)
        {
            v.Cpu.Rip = exit.NextRip;
            Bounce(v, exit.Vector, null, exit);
            return;
        }

        Bounce(v, GeneralProtection, ((uint)exit.Vector << 3) | 2, exit);
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
            case DebugException or Breakpoint when v.Domain.DebuggerAttached && GuestBounce.InKernel(v):
                PauseForDebugger(v);
                return;
            case PageFault:
                OnPageFault(v, exit);
                return;
            case InvalidOpcode when PrivilegedOps.TryForcedCpuid(v):
                return;
            case InvalidOpcode or GeneralProtection when exit.Operation != PrivilegedOperation.None && PrivilegedOps.TryEmulate(v, exit):
                return;
            case GeneralProtection when (exit.ErrorCode & 7) == 2 && v.TrapTable[exit.ErrorCode >> 3 & 0xFF].Address != 0
                && v.TrapTable[exit.ErrorCode >> 3 & 0xFF].Dpl >= (GuestBounce.InKernel(v) ? 1 : 3) && exit.NextRip > v.Cpu.Rip:
                v.Cpu.Rip = exit.NextRip;
                Bounce(v, (byte)(exit.ErrorCode >> 3), null, exit);
                return;
            case DeviceNotAvailable:
                v.Cpu.Cr0 &= ~Cr0TaskSwitched;
                if ((v.ControlRegisters[0] & Cr0TaskSwitched) == 0)
                    return;
                v.ControlRegisters[0] &= ~Cr0TaskSwitched;
                break;
        }

        Bounce(v, exit.Vector, exit.HasErrorCode ? exit.ErrorCode : null, exit);
    }

    private void OnPageFault(Vcpu v, in CpuExit exit)
    {
        ulong address = exit.Address;
        if (_xen.Options.SupervisorModeKernel && v.Cpu.Rip == _xen.Options.HypercallEntry && v.Cpu.GetSegment(SegmentName.Cs).Selector == XenCs)
        {
            FarCall(v);
            return;
        }

        ulong ldt = _xen.Mappings.LdtBase(v.Id);
        if (address - ldt < 0x10000 && GuestTables.MapLdtPage(v, (int)((address - ldt) >> 12)))
            return;
        const ulong writablePageTables = 1 << 2;
        bool candidate = (exit.ErrorCode & (PresentPage | WriteAccess)) == (PresentPage | WriteAccess)
            && (v.Domain.VmAssist & writablePageTables) != 0 && GuestBounce.InKernel(v);
        if (candidate && WritablePageTables.TryEmulate(v, address))
            return;

        // A 64-bit guest kernel runs in ring 3: the user bit says which of the guest's modes faulted.
        uint code = exit.ErrorCode & ~UserMode;
        if (!GuestBounce.InKernel(v))
            code |= UserMode;
        v.VcpuInfo.SetCr2(v.Domain.SharedInfo.Layout, address);
        Bounce(v, PageFault, code, exit);
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

    private void Bounce(Vcpu v, byte vector, uint? errorCode, in CpuExit exit)
    {
        bool handled = v.TrapTable[vector].Address != 0;
        if (_xen.Events.Wants<GuestException>())
        {
            _xen.Events.Emit(new GuestException(
                v.Domain.Id, v.Id, vector, errorCode ?? 0, v.Cpu.Rip, exit.Reason == ExitReason.Exception && vector == PageFault ? exit.Address : 0, handled ? "bounced" : "unhandled"));
        }

        if (handled)
        {
            GuestBounce.Trap(v, vector, errorCode);
            return;
        }

        ReportUnhandled(v, vector, errorCode ?? 0, exit.Address);
        GuestBounce.Trap(v, vector, errorCode);
    }

    /// <summary>RELEASE-4.0.4 traps.c: do_guest_trap (a debug build's line), propagate_page_fault; stable-4.17 pv/traps.c: pv_inject_event.</summary>
    private void ReportUnhandled(Vcpu v, byte vector, uint errorCode, ulong address)
    {
        bool v40 = _xen.Profile.Release == Public.XenRelease.V4_0;
        v.Unhandled = new UnhandledTrap(vector, errorCode, vector == PageFault ? address : null);
        if (!v40)
            _xen.Log(LogLevel.Error, $"d{v.Domain.Id.Value}v{v.Id} Unhandled: vec {vector}, {(vector < _vectors.Length ? _vectors[vector] : "???")}[{errorCode:x4}]");
        else if (vector == PageFault)
            _xen.Log(LogLevel.Error, $"d{v.Domain.Id.Value}:v{v.Id}: unhandled page fault (ec={errorCode:X4})");
        else if (_xen.Options.DebugBuild)
            _xen.Log(LogLevel.Warn, $"d{v.Domain.Id.Value}:v{v.Id}: Unhandled {(vector < _names.Length ? _names[vector] : "???")} fault/trap [#{vector}] on VCPU {v.Id} [ec={errorCode:x4}]");
        if (vector != PageFault)
            return;
        foreach (string line in ExecutionState.PageWalk(v, address))
            _xen.Log(LogLevel.Error, line);
    }

    // vector_name of stable-4.17 xen/arch/x86/traps.c.
    private static readonly string[] _vectors =
    [
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "CSO", "#TS", "#NP", "#SS", "#GP", "#PF", "SPV", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
    ];

    // trapstr of RELEASE-4.0.4 xen/arch/x86/traps.c.
    private static readonly string[] _names =
    [
        "divide error", "debug", "nmi", "bkpt", "overflow", "bounds", "invalid opcode", "device not available", "double fault",
        "coprocessor segment", "invalid tss", "segment not found", "stack error", "general protection fault", "page fault",
        "spurious interrupt", "coprocessor error", "alignment check", "machine check", "simd error",
    ];
}
