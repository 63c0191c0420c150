using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;

namespace XenSim.Hypervisor.Traps;

/// <summary>create_bounce_frame: enters a PV guest's handler with a frame on its kernel stack.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/x86_64/entry.S, x86_64/compat/entry.S, x86_32/entry.S: create_bounce_frame; stable-4.17 the same.</remarks>
internal static class GuestBounce
{
    private const ulong InterruptFlag = 1 << 9;
    private const ulong IoplMask = 3 << 12;

    // HYPERVISOR_VIRT_START and _END, and what a frame may need above the end.
    private const ulong XenStart = 0xFFFF_8000_0000_0000;
    private const ulong XenEnd = 0xFFFF_8800_0000_0000;
    private const ulong StackHeadroom = 7 * 8;

    // AC, VM, RF, NT, TF on 64 bits; without AC on 32.
    private const ulong ClearedFlags64 = 1 << 18 | ClearedFlags32;
    private const ulong ClearedFlags32 = 1 << 17 | 1 << 16 | 1 << 14 | 1 << 8;

    /// <summary>do_guest_trap: an exception or software interrupt to the guest's own table.</summary>
    public static void Trap(Vcpu v, byte vector, uint? errorCode = null)
    {
        GuestTrap t = v.TrapTable[vector];
        Enter(v, new GuestCallback(t.Cs, t.Address, t.MasksEvents), errorCode);
    }

    /// <summary>Enters a callback. One that cannot be reached crashes the domain, as in Xen.</summary>
    public static void Enter(Vcpu v, GuestCallback to, uint? errorCode = null) => Enter(v, to, errorCode, FrameKind.Plain);

    private static void Enter(Vcpu v, GuestCallback to, uint? errorCode, FrameKind kind)
    {
        bool entered = v.Domain.Is32BitPv ? Enter32(v, to, errorCode, kind) : Enter64(v, to, errorCode, kind);
        if (!entered)
            v.Domain.Crash(v, "domain_crash_sync called from entry.S");
    }

    /// <summary>guest_kernel_mode.</summary>
    public static bool InKernel(Vcpu v) => v.Domain.Is32BitPv ? v.Cpu.Cpl <= v.Domain.KernelRing : v.KernelMode;

    /// <summary>toggle_guest_mode: the other page table and the other GS base of a 64-bit guest.</summary>
    public static void ToggleMode(Vcpu v)
    {
        ulong running = v.Cpu.GetSegment(SegmentName.Gs).Base;
        if (v.KernelMode)
            v.GsBaseKernel = running;
        else
            v.GsBaseUser = running;
        v.KernelMode = !v.KernelMode;
        GuestSegments.SetBase(v, SegmentName.Gs, v.KernelMode ? v.GsBaseKernel : v.GsBaseUser);
        Memory.GuestTables.LoadCr3(v);
        if (v.KernelMode && (v.TimeStale || v.RunstateStale))
            GuestTime.WriteStaleCopies(v);
    }

    /// <summary>
    /// The failsafe callback, for a data segment or a frame that cannot be loaded on the way out: the frame holds DS, ES, FS, GS as the guest
    /// wanted them, below RCX and R11 of a 64-bit one.
    /// </summary>
    /// <remarks>RELEASE-4.0.4 entry.S: failsafe_callback; RELEASE-4.0.4 and stable-4.17 xen/arch/x86/domain.c: load_segments.</remarks>
    public static void Failsafe(Vcpu v) => Enter(v, v.FailsafeCallback, null, FrameKind.Segments);

    /// <summary>load_segments builds the same frame itself. It takes Xen's own selectors for the kernel and does not look whether there is a callback.</summary>
    public static void FailsafeOfLoad(Vcpu v)
    {
        GuestCallback to = v.FailsafeCallback with { Cs = TrapCallbacks.KernelCs(v.Domain) };
        bool wide = !v.Domain.Is32BitPv;
        bool entered = wide ? Enter64(v, to, null, FrameKind.LoadSegments) : Enter32(v, to, null, FrameKind.LoadSegments);
        if (!entered)
            v.Domain.Crash(v, $"{v.Domain.Id}v{v.Id} error while creating {(wide ? "" : "compat ")}failsafe callback frame");
        else if (!wide)
            GuestSegments.LoadCodeAndStack(v, to.Cs, TrapCallbacks.KernelSs(v.Domain));
    }

    private static bool Enter64(Vcpu v, GuestCallback to, uint? errorCode, FrameKind kind)
    {
        VirtualCpu cpu = v.Cpu;
        ulong cs = cpu.GetSegment(SegmentName.Cs).Selector;
        ulong sp = cpu[Gpr.Rsp];
        if (v.KernelMode)
        {
            cs &= ~3UL;
        }
        else
        {
            ToggleMode(v);
            sp = v.KernelSp;
        }

        VcpuInfo info = v.VcpuInfo;
        bool masked = info.UpcallMask;
        Span<ulong> frame = stackalloc ulong[12];
        int n = 0;
        frame[n++] = cpu[Gpr.Rcx];
        frame[n++] = cpu[Gpr.R11];
        if (kind != FrameKind.Plain)
        {
            foreach (SegmentName name in GuestSegments.DataSegments)
                frame[n++] = cpu.GetSegment(name).Selector;
        }

        if (errorCode is { } code)
            frame[n++] = code;
        frame[n++] = cpu.Rip;
        frame[n++] = cs | (masked ? 1UL << 32 : 0);
        frame[n++] = Flags(v, masked);
        frame[n++] = cpu[Gpr.Rsp];
        frame[n++] = cpu.GetSegment(SegmentName.Ss).Selector;
        if (kind != FrameKind.LoadSegments || v.Domain.Xen.Profile.Release != Public.XenRelease.V4_0)
            sp &= ~0xFUL;
        if (sp is > XenStart and <= XenEnd + StackHeadroom)
        {
            cpu.SetSegment(SegmentName.Cs, cpu.GetSegment(SegmentName.Cs) with { Selector = (ushort)cs });
            return false;
        }

        if (!Push(v, sp, sizeof(ulong), System.Runtime.InteropServices.MemoryMarshal.AsBytes(frame[..n])))
            return false;
        if (to.MasksEvents)
            info.UpcallMask = true;
        cpu[Gpr.Rsp] = sp - (ulong)(n * 8);
        cpu.Rflags = (cpu.Rflags & ~ClearedFlags64) | InterruptFlag;
        if (to.Address == 0 && kind != FrameKind.LoadSegments)
            return false;
        cpu.Rip = to.Address;

        // TRAP_syscall: the way out is SYSRET, unless it cannot take the address.
        cpu[Gpr.Rcx] = cpu.Rip;
        cpu[Gpr.R11] = cpu.Rflags;
        GuestSegments.LoadCodeAndStack(v, TrapCallbacks.KernelCs(v.Domain), 0xE02B);
        return true;
    }

    private static bool Enter32(Vcpu v, GuestCallback to, uint? errorCode, FrameKind kind)
    {
        VirtualCpu cpu = v.Cpu;
        ushort oldCs = cpu.GetSegment(SegmentName.Cs).Selector;
        ushort oldSs = cpu.GetSegment(SegmentName.Ss).Selector;
        bool fromUser = (oldCs & 3) > v.Domain.KernelRing;
        VcpuInfo info = v.VcpuInfo;
        bool masked = info.UpcallMask;
        Span<uint> frame = stackalloc uint[10];
        int n = 0;
        if (kind != FrameKind.Plain)
        {
            foreach (SegmentName name in GuestSegments.DataSegments)
                frame[n++] = cpu.GetSegment(name).Selector;
        }

        if (errorCode is { } code)
            frame[n++] = code;
        frame[n++] = (uint)cpu.Rip;
        frame[n++] = oldCs | (masked ? 1u << 16 : 0);
        frame[n++] = (uint)Flags(v, masked);
        if (fromUser)
        {
            frame[n++] = (uint)cpu[Gpr.Rsp];
            frame[n++] = oldSs;
        }

        // The stack segment is flat: its base does not count.
        uint sp = (uint)(fromUser ? v.KernelSp : cpu[Gpr.Rsp]);
        if (!Push(v, sp, sizeof(uint), System.Runtime.InteropServices.MemoryMarshal.AsBytes(frame[..n])))
            return false;
        if (to.MasksEvents)
            info.UpcallMask = true;
        cpu[Gpr.Rsp] = (uint)(sp - (n * 4));
        cpu.Rflags &= ~ClearedFlags32;
        if ((to.Cs & ~3) == 0)
            return false;
        cpu.Rip = (uint)to.Address;
        GuestSegments.LoadCodeAndStack(v, to.Cs, fromUser ? (ushort)v.KernelSs : oldSs);
        return true;
    }

    /// <summary>The flags of a frame: IF is the upcall mask's, IOPL the guest's if it asked for that.</summary>
    private static ulong Flags(Vcpu v, bool masked)
        => (v.Cpu.Rflags & ~(InterruptFlag | IoplMask)) | (masked ? 0 : InterruptFlag) | (v.HasArchitecturalIopl ? (ulong)v.Iopl << 12 : 0);

    /// <summary>Xen prints the page walk of what it cannot store first: SS in the highest word, of a 32-bit frame the word below it.</summary>
    private static bool Push(Vcpu v, ulong top, int word, ReadOnlySpan<byte> frame)
    {
        ulong mask = word == sizeof(uint) ? uint.MaxValue : ulong.MaxValue;
        ulong bottom = (top - (ulong)frame.Length) & mask;
        if (v.Memory.IsGuestRange(bottom, (ulong)frame.Length) && v.Cpu.TryWrite(new LinearAddress(bottom), frame, 0, out _, out _))
            return true;
        if (v.Domain.Xen.Profile.Release != Public.XenRelease.V4_0)
        {
            foreach (string line in ExecutionState.PageWalk(v, (top - (ulong)(word == sizeof(uint) ? 2 * word : word)) & mask))
                v.Domain.Xen.Log(Public.Events.LogLevel.Error, line);
        }

        return false;
    }

    /// <summary>What a frame holds, and who builds it.</summary>
    private enum FrameKind
    {
        Plain,
        Segments,
        LoadSegments,
    }
}
