using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Traps;

/// <summary>HYPERVISOR_iret: back to what a PV guest's handler interrupted.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/x86_64/traps.c and x86_32/traps.c: do_iret; x86_64/compat/traps.c: compat_iret.</remarks>
internal static class GuestReturn
{
    private const ulong InterruptFlag = 1 << 9;
    private const ulong VirtualMode = 1 << 17;
    private const ulong IoplMask = 3 << 12;
    private const ulong InSyscall = 1 << 8;

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
            v.Domain.Crash(v, "Fault while reading IRET context from guest stack");
            return;
        }

        if ((frame.Cs & 3) == 3)
        {
            if (v.GuestTableUser == Mfn.Invalid)
            {
                v.Domain.Crash(v, "Guest switching to user mode with no user page tables");
                return;
            }

            GuestBounce.ToggleMode(v);
        }

        cpu.Rip = frame.Rip;
        cpu.Rflags = (frame.Rflags & ~(IoplMask | VirtualMode)) | InterruptFlag | 2;
        cpu[Gpr.Rsp] = frame.Rsp;
        if ((frame.Flags & InSyscall) == 0)
        {
            cpu[Gpr.R11] = frame.R11;
            cpu[Gpr.Rcx] = frame.Rcx;
        }
        else
        {
            // SYSRET: RCX and R11 carry RIP and RFLAGS.
            cpu[Gpr.Rcx] = frame.Rip;
            cpu[Gpr.R11] = cpu.Rflags;
        }

        cpu[Gpr.Rax] = frame.Rax;
        GuestSegments.LoadCodeAndStack(v, (ushort)(frame.Cs | 3), (ushort)(frame.Ss | 3));
        Unmask(v, (frame.Rflags & InterruptFlag) == 0);
    }

    private static void Iret32(Vcpu v)
    {
        VirtualCpu cpu = v.Cpu;
        uint sp = (uint)cpu[Gpr.Rsp];
        if (!TryRead(v, sp, out uint eax) || !TryRead(v, sp + 4, out uint eip) || !TryRead(v, sp + 8, out uint cs) || !TryRead(v, sp + 12, out uint eflags))
        {
            v.Domain.Crash(v, "Fatal error");
            return;
        }

        if ((eflags & VirtualMode) != 0)
        {
            v.Domain.Crash(v, "VM86 mode unavailable (forced guest to #GP)");
            return;
        }

        // Also for a kernel in ring 0: its frames must bear RPL 1, which the way out drops.
        int ring = (int)(cs & 3);
        if (ring == 0)
        {
            v.Domain.Crash(v, "Fatal error");
            return;
        }

        ushort ss = cpu.GetSegment(SegmentName.Ss).Selector;
        uint esp = sp + 16;
        if (ring != KernelRing32)
        {
            if (!TryRead(v, sp + 16, out esp) || !TryRead(v, sp + 20, out uint newSs))
            {
                v.Domain.Crash(v, "Fatal error");
                return;
            }

            ss = (ushort)newSs;
        }

        cpu[Gpr.Rax] = eax;
        cpu.Rip = eip;
        cpu.Rflags = (eflags & ~IoplMask) | InterruptFlag | 2;
        cpu[Gpr.Rsp] = esp;
        GuestSegments.LoadCodeAndStack(v, (ushort)cs, ss);
        Unmask(v, (eflags & InterruptFlag) == 0);
    }

    private static bool TryRead(Vcpu v, uint address, out uint value) => v.Memory.TryReadStruct(new VirtualAddress(address), out value);

    private static void Unmask(Vcpu v, bool masked)
    {
        VcpuInfo info = v.VcpuInfo;
        info.UpcallMask = masked;
    }
}
