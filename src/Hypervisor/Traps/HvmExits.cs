using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Scheduling;

namespace XenSim.Hypervisor.Traps;

/// <summary>What an exit of a translated guest's vCPU means.</summary>
/// <remarks>
/// Source: stable-4.17 xen/arch/x86/hvm/svm/svm.c: svm_vmexit_handler; vmx/vmx.c: vmx_vmexit_handler; hvm.c: hvm_hap_nested_page_fault,
/// hvm_ud_intercept; emulate.c: null_ops; io.c: hvm_io_intercept.
/// </remarks>
internal sealed class HvmExits(Xen xen, StandInPage standIn)
{
    private const byte InvalidOpcode = 6;
    private const byte GeneralProtection = 13;

    /// <summary>ud2a; "xen": what stands before an instruction that Xen shall emulate.</summary>
    private static ReadOnlySpan<byte> ForcedEmulation => [0x0F, 0x0B, 0x78, 0x65, 0x6E];

    /// <summary>True when the exit is one of a hardware guest alone; <paramref name="stop"/> as for the dispatcher.</summary>
    public bool TryHandle(Vcpu v, in CpuExit exit, out RunStop? stop)
    {
        stop = null;
        v.Domain.Platform?.DeassertCallbackIfDone();
        switch (exit.Reason)
        {
            case ExitReason.Vmcall or ExitReason.Vmmcall:
                bool svm = xen.Hvm?.Flavour == HypercallPages.HypercallPageFlavour.Svm;
                if (svm == (exit.Reason == ExitReason.Vmmcall))
                    HypercallEntry.Hardware(v, exit.NextRip);
                else
                    Inject(v, InvalidOpcode, null);
                return true;
            case ExitReason.Cpuid:
                if (v.CpuidFaulting && v.Cpu.Cpl != 0)
                    Inject(v, GeneralProtection, 0);
                else
                    PrivilegedOps.Cpuid(v, exit.NextRip, forced: false);
                return true;
            case ExitReason.PortIn or ExitReason.PortOut:
                if (exit.AddressSize == 0)
                    HvmPorts.Access(v, exit);
                else
                    HvmPorts.String(v, exit);
                return true;
            case ExitReason.ReadMsr or ExitReason.WriteMsr:
                HvmMsrs.Handle(v, exit);
                return true;
            case ExitReason.PrivilegedInstruction:
                return TryPrivileged(v, exit);
            case ExitReason.Halt:
                v.Cpu.CompleteInstruction(exit.NextRip);
                HvmInterrupts.Halt(v);
                return true;
            case ExitReason.TripleFault:
                HvmInterrupts.TripleFault(v);
                return true;
            case ExitReason.Exception:
                Exception(v, exit);
                return true;
            case ExitReason.PhysicalAccess when v.Domain.Physmap is not null:
                return AccessHole(v, exit, out stop);
            default:
                return false;
        }
    }

    public static void Inject(Vcpu v, byte vector, uint? errorCode)
    {
        if (!v.Cpu.Inject(vector, errorCode is not null, errorCode ?? 0))
            HvmInterrupts.TripleFault(v);
    }

    /// <summary>Instructions that SVM and VMX intercept for Xen. False: not one of these.</summary>
    private static bool TryPrivileged(Vcpu v, in CpuExit exit)
    {
        switch (exit.Operation)
        {
            case PrivilegedOperation.Xsetbv when PrivilegedOps.Xsetbv(v):
            case PrivilegedOperation.Invd or PrivilegedOperation.Wbinvd: // no caches
                v.Cpu.CompleteInstruction(exit.NextRip);
                return true;
            case PrivilegedOperation.Xsetbv or PrivilegedOperation.Rdpmc: // there is no vPMU
                Inject(v, GeneralProtection, 0);
                return true;
            case PrivilegedOperation.Monitor or PrivilegedOperation.Mwait:
                Inject(v, InvalidOpcode, null);
                return true;
            default:
                return false;
        }
    }

    /// <summary>Only with hvm_fep are exceptions intercepted: an invalid opcode that asks for emulation is stepped over, all others are the guest's.</summary>
    private static void Exception(Vcpu v, in CpuExit exit)
    {
        Span<byte> bytes = stackalloc byte[5];
        ulong linear = v.Cpu.GetSegment(SegmentName.Cs).Base + v.Cpu.Rip;
        if (exit.Vector == InvalidOpcode && v.Cpu.TryRead(new LinearAddress(linear), bytes, v.Cpu.Cpl, out _, out _) && bytes.SequenceEqual(ForcedEmulation))
        {
            // Emulated or not, the instruction does the same here: it is executed next.
            v.Cpu.Rip += (ulong)ForcedEmulation.Length;
            return;
        }

        Inject(v, exit.Vector, exit.HasErrorCode ? exit.ErrorCode : null);
    }

    /// <summary>
    /// An access to guest-physical memory that is not there: a register of a device that Xen emulates, or a hole, which no I/O server claims, so that it reads
    /// all ones and takes no write.
    /// </summary>
    private bool AccessHole(Vcpu v, in CpuExit exit, out RunStop? stop)
    {
        stop = null;
        if ((AccessKind)exit.Vector == AccessKind.Execute)
        {
            Inject(v, GeneralProtection, 0);
            return true;
        }

        int size = StandInPage.SizeOf(exit);
        bool device = HvmMmio.Claims(v, exit.Address);
        ulong before = device ? HvmMmio.Read(v, exit.Address, size) : ulong.MaxValue, value = before;
        CpuExit after = standIn.Run(v, exit, ref value);
        if (device && ((AccessKind)exit.Vector == AccessKind.Write || value != before))
            HvmMmio.Write(v, exit.Address, size, value);
        if (after.Reason == ExitReason.BudgetSpent)
            return true;
        if (TryHandle(v, after, out stop))
            return true;
        stop = TrapDispatcher.Common(v, after);
        return true;
    }
}
