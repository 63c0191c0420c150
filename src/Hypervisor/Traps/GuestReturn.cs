using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Traps;

/// <summary>HYPERVISOR_iret: back to what a PV guest's handler interrupted, and what becomes of a frame that cannot be returned to.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 xen/arch/x86/x86_64/traps.c and x86_32/traps.c: do_iret; x86_64/compat/traps.c: compat_iret; stable-4.17
/// xen/arch/x86/pv/iret.c; entry.S of each: restore_all_guest.
/// </remarks>
internal static class GuestReturn
{
    private const ulong TrapFlag = 1 << 8;
    private const ulong InterruptFlag = 1 << 9;
    private const ulong VirtualMode = 1 << 17;
    private const ulong ResumeFlag = 1 << 16;
    private const ulong IoplMask = 3 << 12;
    private const ulong InSyscall = 1 << 8;
    private const ushort UserCs32 = 0xE023;
    private const ushort Cs64 = 0xE033;
    private const ushort Ss64 = 0xE02B;

    /// <summary>RPL of a 32-bit guest kernel's selectors in a frame.</summary>
    private const int KernelRing32 = 1;

    public static void Iret(Vcpu v)
    {
        if (v.Domain.Is32BitPv)
            Iret32(v);
        else
            Iret64(v);
    }

    private static void Iret64(Vcpu v)
    {
        VirtualCpu cpu = v.Cpu;
        if (!v.Memory.TryReadStruct(new VirtualAddress(cpu[Gpr.Rsp]), out IretContext frame))
        {
            Crash(v, "Fault while reading IRET context from guest stack", 104);
            return;
        }

        if ((frame.Cs & 3) == 3)
        {
            if (v.GuestTableUser == Mfn.Invalid)
            {
                Crash(v, "Guest switching to user mode with no user page tables", 104);
                return;
            }

            GuestBounce.ToggleMode(v);
        }

        SetIopl(v, frame.Rflags);
        cpu.Rip = frame.Rip;
        cpu.Rflags = (frame.Rflags & ~(IoplMask | VirtualMode)) | InterruptFlag | 2;
        cpu[Gpr.Rsp] = frame.Rsp;
        cpu[Gpr.Rax] = frame.Rax;
        Unmask(v, frame.Rflags);
        bool canonical = (long)(frame.Rip << 16) >> 16 == (long)frame.Rip;
        if ((frame.Flags & InSyscall) != 0 && canonical)
        {
            Sysret(v, frame);
            return;
        }

        // An address that SYSRET cannot take: by IRET, with RCX and R11 as it would have left them.
        bool inSyscall = (frame.Flags & InSyscall) != 0;
        cpu[Gpr.Rcx] = inSyscall ? frame.Rip : frame.Rcx;
        cpu[Gpr.R11] = inSyscall ? cpu.Rflags : frame.R11;
        Load(v, (ushort)(frame.Cs | 3), (ushort)(frame.Ss | 3));
    }

    /// <summary>SYSRET looks at no table and knows two code segments; RCX and R11 carry RIP and RFLAGS. A trap flag that it sets traps before the next instruction.</summary>
    private static void Sysret(Vcpu v, in IretContext frame)
    {
        VirtualCpu cpu = v.Cpu;
        cpu[Gpr.Rcx] = frame.Rip;
        cpu[Gpr.R11] = cpu.Rflags;
        cpu.Rflags &= ~ResumeFlag;
        bool narrow = (ushort)(frame.Cs | 3) == UserCs32;
        GuestSegments.LoadCodeAndStack(v, narrow ? UserCs32 : Cs64, Ss64);
        if (narrow)
            cpu.Rip = (uint)frame.Rip;
        if ((frame.Rflags & TrapFlag) != 0)
            PvDebug.SingleStep(v);
    }

    private static void Iret32(Vcpu v)
    {
        VirtualCpu cpu = v.Cpu;
        uint sp = (uint)cpu[Gpr.Rsp];
        if (!TryRead(v, sp, out uint eax))
        {
            Crash(v, null, 121);
            return;
        }

        bool named = TryRead(v, sp + 4, out uint eip) & TryRead(v, sp + 8, out uint cs);
        if (!named | !TryRead(v, sp + 12, out uint eflags))
        {
            // What was read is in the registers already, and what was not is zero.
            cpu[Gpr.Rax] = eax;
            cpu.Rip = eip;
            cpu.SetSegment(SegmentName.Cs, cpu.GetSegment(SegmentName.Cs) with { Selector = (ushort)cs });
            Crash(v, null, named ? 139 : 129);
            return;
        }

        if ((eflags & VirtualMode) != 0)
        {
            RefuseVirtualMode(v, sp, eflags);
            return;
        }

        // Also for a kernel in ring 0: its frames must bear RPL 1, which the way out drops.
        int ring = (int)(cs & 3);
        if (ring == 0)
        {
            Crash(v, null, 204);
            return;
        }

        ushort ss = cpu.GetSegment(SegmentName.Ss).Selector;
        uint esp = sp + 16;
        if (ring != KernelRing32)
        {
            if (!TryRead(v, sp + 16, out esp) || !TryRead(v, sp + 20, out uint newSs))
            {
                Crash(v, null, 213);
                return;
            }

            ss = (ushort)newSs;
        }

        SetIopl(v, eflags);
        cpu[Gpr.Rax] = eax;
        cpu.Rip = eip;
        cpu.Rflags = (eflags & ~IoplMask) | InterruptFlag | 2;
        cpu[Gpr.Rsp] = esp;
        Unmask(v, eflags);
        Load(v, (ushort)cs, ss);
    }

    /// <summary>
    /// There is no way back to virtual-8086 mode: the frame moves to the kernel stack, and the guest's #GP handler finds it with an error
    /// code of 0 in the place of EAX.
    /// </summary>
    private static void RefuseVirtualMode(Vcpu v, uint sp, uint eflags)
    {
        const int gp = 13, words = 10;
        VirtualCpu cpu = v.Cpu;
        Span<byte> frame = stackalloc byte[words * 4];
        uint to = (uint)v.KernelSp - (words * 4);
        if (!v.Memory.TryRead(new VirtualAddress(sp), frame))
        {
            Crash(v, null, 183);
            return;
        }

        frame[..4].Clear();
        if (!v.Memory.TryWrite(new VirtualAddress(to), frame))
        {
            Crash(v, null, 196);
            return;
        }

        GuestTrap t = v.TrapTable[gp];
        SetIopl(v, eflags);
        if (t.MasksEvents)
            eflags &= ~(uint)InterruptFlag;
        cpu[Gpr.Rax] = BitConverter.ToUInt32(frame);
        cpu[Gpr.Rsp] = to;
        cpu.Rip = t.Address;
        cpu.Rflags = (eflags & ~(IoplMask | VirtualMode | ResumeFlag | 1 << 14 | TrapFlag)) | InterruptFlag | 2;
        Unmask(v, eflags);
        Load(v, t.Cs, (ushort)v.KernelSs);
    }

    /// <summary>The last instruction of the way out. What it faults on is an exception of the guest's at the place it should have come to; 4.0 calls the failsafe callback.</summary>
    internal static void Load(Vcpu v, ushort cs, ushort ss)
    {
        if (GuestSegments.RefuseReturn(v, cs, ss, out uint errorCode) is not { } vector)
        {
            GuestSegments.LoadCodeAndStack(v, cs, ss);
            return;
        }

        v.Cpu.SetSegment(SegmentName.Cs, v.Cpu.GetSegment(SegmentName.Cs) with { Selector = cs });
        v.Cpu.SetSegment(SegmentName.Ss, v.Cpu.GetSegment(SegmentName.Ss) with { Selector = ss });
        if (v.Domain.Xen.Profile.Release == XenRelease.V4_0)
            GuestBounce.Failsafe(v);
        else
            PvInjection.Inject(v, vector, errorCode);
    }

    /// <summary>domain_crash of a line of iret.c: its number is RELEASE-4.17.7's.</summary>
    private static void Crash(Vcpu v, string? reason, int line)
    {
        Xen xen = v.Domain.Xen;
        bool v40 = xen.Profile.Release == XenRelease.V4_0;
        if (v40)
        {
            v.Domain.Crash(v, reason ?? "Fatal error");
            return;
        }

        if (reason is not null)
            xen.Log(Public.Events.LogLevel.Error, $"d{v.Domain.Id.Value}v{v.Id} {reason}");
        v.Domain.Crash(v, $"domain_crash called from arch/x86/pv/iret.c:{line}");
    }

    private static void SetIopl(Vcpu v, ulong flags)
    {
        if (v.HasArchitecturalIopl)
            v.Iopl = (int)(flags >> 12) & 3;
    }

    private static bool TryRead(Vcpu v, uint address, out uint value) => v.Memory.TryReadStruct(new VirtualAddress(address), out value);

    /// <summary>The upcall mask from IF, and, as every iret ends an NMI, the next one may come.</summary>
    private static void Unmask(Vcpu v, ulong flags)
    {
        VcpuInfo info = v.VcpuInfo;
        info.UpcallMask = (flags & InterruptFlag) == 0;
        v.NmiMasked = false;
    }
}
