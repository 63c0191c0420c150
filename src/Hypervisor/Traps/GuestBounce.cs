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

    // AC, VM, RF, NT, TF on 64 bits; without AC on 32.
    private const ulong ClearedFlags64 = 1 << 18 | ClearedFlags32;
    private const ulong ClearedFlags32 = 1 << 17 | 1 << 16 | 1 << 14 | 1 << 8;

    /// <summary>do_guest_trap: an exception or software interrupt to the guest's own table.</summary>
    public static void Trap(Vcpu v, byte vector, uint? errorCode = null)
    {
        GuestTrap t = v.TrapTable[vector];
        Enter(v, new GuestCallback(t.Cs, t.Address, t.MasksEvents), errorCode);
    }

    /// <summary>Enters a callback; a null or unreachable one crashes the domain, as in Xen.</summary>
    public static void Enter(Vcpu v, GuestCallback to, uint? errorCode = null)
    {
        if (to.Address == 0 || !(v.Domain.Is32BitPv ? Enter32(v, to, errorCode) : Enter64(v, to, errorCode)))
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

    private static bool Enter64(Vcpu v, GuestCallback to, uint? errorCode)
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
        Span<ulong> frame = stackalloc ulong[8];
        int n = 0;
        frame[n++] = cpu[Gpr.Rcx];
        frame[n++] = cpu[Gpr.R11];
        if (errorCode is { } code)
            frame[n++] = code;
        frame[n++] = cpu.Rip;
        frame[n++] = cs | (masked ? 1UL << 32 : 0);
        frame[n++] = (cpu.Rflags & ~InterruptFlag) | (masked ? 0 : InterruptFlag);
        frame[n++] = cpu[Gpr.Rsp];
        frame[n++] = cpu.GetSegment(SegmentName.Ss).Selector;
        sp = (sp & ~0xFUL) - (ulong)(n * 8);
        if (!Push(v, sp, System.Runtime.InteropServices.MemoryMarshal.AsBytes(frame[..n])))
            return false;
        if (to.MasksEvents)
            info.UpcallMask = true;
        cpu[Gpr.Rsp] = sp;
        cpu.Rip = to.Address;
        cpu.Rflags &= ~ClearedFlags64;
        GuestSegments.LoadCodeAndStack(v, TrapCallbacks.KernelCs(v.Domain), 0xE02B);
        return true;
    }

    private static bool Enter32(Vcpu v, GuestCallback to, uint? errorCode)
    {
        VirtualCpu cpu = v.Cpu;
        ushort oldCs = cpu.GetSegment(SegmentName.Cs).Selector;
        ushort oldSs = cpu.GetSegment(SegmentName.Ss).Selector;
        bool fromUser = (oldCs & 3) > v.Domain.KernelRing;
        VcpuInfo info = v.VcpuInfo;
        bool masked = info.UpcallMask;
        Span<uint> frame = stackalloc uint[6];
        int n = 0;
        if (errorCode is { } code)
            frame[n++] = code;
        frame[n++] = (uint)cpu.Rip;
        frame[n++] = oldCs | (masked ? 1u << 16 : 0);
        frame[n++] = (uint)((cpu.Rflags & ~InterruptFlag) | (masked ? 0 : InterruptFlag));
        if (fromUser)
        {
            frame[n++] = (uint)cpu[Gpr.Rsp];
            frame[n++] = oldSs;
        }

        // The stack segment is flat: its base does not count.
        uint sp = (uint)((fromUser ? v.KernelSp : cpu[Gpr.Rsp]) - (ulong)(n * 4));
        if (!Push(v, sp, System.Runtime.InteropServices.MemoryMarshal.AsBytes(frame[..n])))
            return false;
        if (to.MasksEvents)
            info.UpcallMask = true;
        cpu[Gpr.Rsp] = sp;
        cpu.Rip = (uint)to.Address;
        cpu.Rflags &= ~ClearedFlags32;
        GuestSegments.LoadCodeAndStack(v, to.Cs, fromUser ? (ushort)v.KernelSs : oldSs);
        return true;
    }

    private static bool Push(Vcpu v, ulong address, ReadOnlySpan<byte> frame)
        => v.Memory.IsGuestRange(address, (ulong)frame.Length) && v.Cpu.TryWrite(new LinearAddress(address), frame, 0, out _, out _);
}
