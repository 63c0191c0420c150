using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;

namespace XenSim.Hypervisor.Traps;

/// <summary>INS and OUTS of a PV guest that may use the port.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 xen/arch/x86/traps.c: emulate_privileged_op, cases 0x6c-0x6f; stable-4.17 xen/arch/x86/pv/emul-priv-op.c: rep_ins,
/// rep_outs, pv_emul_virt_to_linear.
/// </remarks>
internal static class StringPorts
{
    private const ulong DirectionFlag = 1 << 10;
    private const uint WriteAccess = 2;

    /// <summary>Repetitions of one exit: what is left is asked for again, as after Xen's check for pending work.</summary>
    private const int MostAtOnce = 1024;

    /// <summary>The repetition count that an instruction begins with.</summary>
    public static ulong Count(Vcpu v, in CpuExit exit) => exit.Repeated ? v.Cpu[Gpr.Rcx] & AddressMask(exit) : 1;

    /// <summary>True: done, in part done, or a fault of the access was given to the guest. False: #GP is the guest's.</summary>
    public static bool Emulate(Vcpu v, in CpuExit exit)
    {
        bool input = exit.Operation == PrivilegedOperation.Ins;
        if (!TrySegment(v, exit, input, out ulong segment, out ulong limit))
            return false;
        Gpr index = input ? Gpr.Rdi : Gpr.Rsi;
        ulong mask = AddressMask(exit);
        ulong step = (v.Cpu.Rflags & DirectionFlag) != 0 ? 0UL - exit.Size : exit.Size;
        Span<byte> data = stackalloc byte[4];
        ulong left = Count(v, exit);
        for (int done = 0; left > 0 && done < MostAtOnce && !(done > 0 && Continuation.IsDue(v)); done++)
        {
            ulong offset = v.Cpu[index] & mask;
            if (offset > limit || offset + exit.Size - 1 > limit)
                return false;
            ulong at = v.Domain.Is32BitPv ? (uint)(segment + offset) : segment + offset;
            LinearAddress fault = new(at);
            if (input)
                BitConverter.TryWriteBytes(data, GuestIo.Read(v.Domain, exit.Operand, exit.Size));
            if (!v.Memory.IsGuestRange(at, exit.Size) || !(input
                    ? v.Cpu.TryWrite(new LinearAddress(at), data[..exit.Size], 0, out fault, out _)
                    : v.Cpu.TryRead(new LinearAddress(at), data[..exit.Size], 0, out fault, out _)))
            {
                PvInjection.InjectPageFault(v, input ? WriteAccess : 0, fault.Value);
                return true;
            }

            if (!input)
                GuestIo.Write(v.Domain, exit.Operand, exit.Size, BitConverter.ToUInt32(data));
            PrivilegedOps.Report(v, input ? "in" : "out", exit.Operand, BitConverter.ToUInt32(data));
            left--;
            v.Cpu[index] = Keep(v.Cpu[index], offset + step, exit);
            if (exit.Repeated)
                v.Cpu[Gpr.Rcx] = Keep(v.Cpu[Gpr.Rcx], left, exit);
        }

        if (left == 0)
            PrivilegedOps.Retire(v, exit.NextRip);
        return true;
    }

    /// <summary>A segment that does not exist leaves the #GP as it is; one of the wrong kind gets one too.</summary>
    private static bool TrySegment(Vcpu v, in CpuExit exit, bool input, out ulong start, out ulong limit)
    {
        const int code = 8, writable = 2, notSystem = 0x10, present = 0x80;
        SegmentRegister loaded = v.Cpu.GetSegment(exit.Segment);
        start = 0;
        limit = ulong.MaxValue;
        if (v.Cpu.GetSegment(SegmentName.Cs).Long)
        {
            start = exit.Segment is SegmentName.Fs or SegmentName.Gs ? loaded.Base : 0;
            return true;
        }

        SegmentRegister s = GuestSegments.Read(v, loaded.Selector);
        start = s.Base;
        limit = s.Limit;
        bool usable = (s.Access & (present | notSystem)) == (present | notSystem);
        return usable && (input ? (s.Access & (code | writable)) == writable : (s.Access & (code | writable)) != code);
    }

    private static ulong AddressMask(in CpuExit exit) => exit.AddressSize switch { 2 => 0xFFFF, 4 => 0xFFFF_FFFF, _ => ulong.MaxValue };

    /// <summary>A 16-bit register keeps its upper part, a 32-bit one clears it.</summary>
    private static ulong Keep(ulong old, ulong value, in CpuExit exit)
        => exit.AddressSize == 2 ? (old & ~0xFFFFUL) | (value & 0xFFFF) : value & AddressMask(exit);
}
