using System.Buffers.Binary;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Traps;

/// <summary>
/// pv_emulate_gate_op: far calls and jumps of a 32-bit guest through its call gates. Under a 64-bit hypervisor the processor knows only 64-bit gates,
/// so check_descriptor takes each gate's DPL away and every use ends in #GP with the gate's selector.
/// </summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/traps.c: emulate_gate_op, read_gate_descriptor; RELEASE-4.17.0 xen/arch/x86/pv/emul-gate-op.c.</remarks>
internal static class GateOps
{
    private const byte InvalidTss = 10;
    private const ulong ResumeFlag = 1 << 16;
    private const uint WriteAccess = 2;
    private const int CallGate = 12;
    private const int Word = 4;

    /// <summary>What <paramref name="exit"/>, a #GP with a selector in its error code, becomes: the transfer, or an exception of the guest's.</summary>
    public static void Emulate(Vcpu v, in CpuExit exit)
    {
        uint gateSelector = exit.ErrorCode;
        int cpl = v.Cpu.Cpl;
        if (ReadGate(v, gateSelector) is not { } gate || gate.Dpl < cpl)
        {
            PvInjection.Inject(v, PvInjection.GeneralProtection, gateSelector);
            return;
        }

        if (!gate.Present)
        {
            PvInjection.Inject(v, PvInjection.NotPresent, gateSelector);
            return;
        }

        bool call = exit.Operation == PrivilegedOperation.CallFar;
        if ((!call && exit.Operation != PrivilegedOperation.JmpFar) || (exit.Operand & 0xFFFC) != gateSelector || gate.Dpl < (int)(exit.Operand & 3))
        {
            PvInjection.Inject(v, PvInjection.GeneralProtection, gateSelector);
            return;
        }

        GuestSegments.TryReadDescriptor(v, gate.Target, out ulong raw);
        Segment target = Descriptor(raw);
        if (!target.IsCode || (call || target.Conforming ? target.Dpl > cpl : target.Dpl != cpl))
            PvInjection.Inject(v, PvInjection.GeneralProtection, gate.Target);
        else if (!target.Present)
            PvInjection.Inject(v, PvInjection.NotPresent, gate.Target);
        else if (gate.Offset > target.Limit)
            PvInjection.Inject(v, PvInjection.GeneralProtection, 0);
        else if (!call)
            Arrive(v, gate, cpl, v.Cpu.GetSegment(SegmentName.Ss).Selector);
        else if (target.Dpl < cpl)
            CallInward(v, exit, gate, target.Dpl);
        else
            CallLevel(v, exit, gate);
    }

    private static Gate? ReadGate(Vcpu v, uint selector)
    {
        bool listed = (selector & 4) != 0 || v.Domain.Xen.Profile.Release == XenRelease.V4_0
            ? (selector & 4) != 0 || selector < Memory.DescriptorTables.FirstReservedByte
            : selector >> 3 < v.GdtEntries;
        if (!listed || !GuestSegments.TryReadDescriptor(v, (ushort)selector, out ulong raw) || (raw >> 45 & 3) != 0 || (raw >> 40 & 0x1F) != CallGate)
            return null;
        return new Gate((ushort)(raw >> 16 & 0xFFFC), (uint)(raw & 0xFFFF) | (uint)(raw >> 32 & 0xFFFF_0000), (int)(raw >> 16 & 3), (int)(raw >> 32 & 0x1F), (raw >> 47 & 1) != 0);
    }

    /// <summary>To the kernel's ring, whose stack stack_switch named; that of another inner ring Xen does not know.</summary>
    private static void CallInward(Vcpu v, in CpuExit exit, in Gate gate, int ring)
    {
        VirtualCpu cpu = v.Cpu;
        ushort ss = (ushort)v.KernelSs;
        if (ring != v.Domain.KernelRing)
        {
            PvInjection.Inject(v, PvInjection.GeneralProtection, exit.ErrorCode);
            return;
        }

        GuestSegments.TryReadDescriptor(v, ss, out ulong raw);
        Segment stack = Descriptor(raw);
        if ((ss & 3) != ring || stack.Dpl != ring || !stack.IsWritableData)
        {
            PvInjection.Inject(v, InvalidTss, ss & ~3u);
            return;
        }

        uint esp = (uint)v.KernelSp;
        int bytes = (4 + gate.Parameters) * Word;
        if (!stack.Present || !InStackLimit(stack, esp, bytes))
        {
            PvInjection.Inject(v, PvInjection.StackFault, ss & ~3u);
            return;
        }

        uint top = stack.Base + esp;
        uint lowest = top - (uint)bytes;
        if (!v.Memory.IsGuestRange(lowest, (ulong)bytes) || !ParametersOkay(v, gate.Parameters, esp - (2 * Word), out uint parameters))
        {
            PvInjection.Inject(v, PvInjection.GeneralProtection, exit.ErrorCode);
            return;
        }

        Span<uint> frame = stackalloc uint[4 + 31];
        int n = 0;
        frame[n++] = cpu.GetSegment(SegmentName.Ss).Selector;
        frame[n++] = (uint)cpu[Gpr.Rsp];
        Span<byte> word = stackalloc byte[Word];
        for (int i = gate.Parameters - 1; i >= 0; i--)
        {
            if (!cpu.TryRead(new LinearAddress(parameters + (uint)(i * Word)), word, 0, out LinearAddress fault, out _))
            {
                PvInjection.InjectPageFault(v, 0, fault.Value);
                return;
            }

            frame[n++] = BitConverter.ToUInt32(word);
        }

        frame[n++] = cpu.GetSegment(SegmentName.Cs).Selector;
        frame[n++] = (uint)exit.NextRip;
        if (Push(v, top, frame[..n]))
            Enter(v, gate, ring, ss, esp - (uint)(n * Word));
    }

    /// <summary>Where the caller's parameters lie. The limit is looked up for the kernel's stack pointer, as in Xen.</summary>
    private static bool ParametersOkay(Vcpu v, int count, uint esp, out uint address)
    {
        address = 0;
        if (count == 0)
            return true;
        GuestSegments.TryReadDescriptor(v, v.Cpu.GetSegment(SegmentName.Ss).Selector, out ulong raw);
        Segment stack = Descriptor(raw);
        address = stack.Base + (uint)v.Cpu[Gpr.Rsp];
        return stack.Dpl == v.Cpu.Cpl && stack.IsWritableData && InStackLimit(stack, esp + (uint)(count * Word), count * Word)
            && v.Memory.IsGuestRange(address, (ulong)(count * Word));
    }

    private static void CallLevel(Vcpu v, in CpuExit exit, in Gate gate)
    {
        const int bytes = 2 * Word;
        VirtualCpu cpu = v.Cpu;
        ushort ss = cpu.GetSegment(SegmentName.Ss).Selector;
        uint esp = (uint)cpu[Gpr.Rsp];
        GuestSegments.TryReadDescriptor(v, ss, out ulong raw);
        Segment stack = Descriptor(raw);
        uint top = stack.Base + esp;
        if (stack.Dpl != cpu.Cpl)
        {
            PvInjection.Inject(v, PvInjection.GeneralProtection, exit.ErrorCode);
        }
        else if (!InStackLimit(stack, esp, bytes))
        {
            PvInjection.Inject(v, PvInjection.StackFault, 0);
        }
        else if (!v.Memory.IsGuestRange(top - bytes, bytes))
        {
            PvInjection.Inject(v, PvInjection.GeneralProtection, exit.ErrorCode);
        }
        else
        {
            ReadOnlySpan<uint> frame = [cpu.GetSegment(SegmentName.Cs).Selector, (uint)exit.NextRip];
            if (Push(v, top, frame))
                Enter(v, gate, cpu.Cpl, ss, esp - bytes);
        }
    }

    /// <summary>Stores word by word, as Xen does: what comes before a fault stays.</summary>
    private static bool Push(Vcpu v, uint top, ReadOnlySpan<uint> frame)
    {
        Span<byte> bytes = stackalloc byte[Word];
        foreach (uint word in frame)
        {
            top -= Word;
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, word);
            if (!v.Cpu.TryWrite(new LinearAddress(top), bytes, 0, out LinearAddress fault, out _))
            {
                PvInjection.InjectPageFault(v, WriteAccess, fault.Value);
                return false;
            }
        }

        return true;
    }

    private static void Enter(Vcpu v, in Gate gate, int ring, ushort ss, uint esp)
    {
        v.Cpu[Gpr.Rsp] = esp;
        Arrive(v, gate, ring, ss);
    }

    private static void Arrive(Vcpu v, in Gate gate, int ring, ushort ss)
    {
        v.Cpu.Rflags &= ~ResumeFlag;
        v.Cpu.Rip = gate.Offset;
        GuestReturn.Load(v, (ushort)(gate.Target | ring), ss);
        PrivilegedOps.Retire(v, v.Cpu.Rip);
    }

    /// <summary>check_stack_limit: whether the bytes below the pointer are in the segment.</summary>
    private static bool InStackLimit(in Segment s, uint esp, int bytes)
    {
        uint lowest = esp - (uint)bytes;
        return lowest < esp - 1 && (s.ExpandDown ? lowest > s.Limit : esp - 1 <= s.Limit);
    }

    private static Segment Descriptor(ulong raw)
    {
        uint limit = (uint)(raw & 0xFFFF) | (uint)(raw >> 32 & 0xF0000);
        bool pages = (raw >> 55 & 1) != 0;
        return new Segment((uint)(raw >> 16 & 0xFFFFFF) | (uint)(raw >> 32 & 0xFF000000), pages ? (limit << 12) | 0xFFF : limit, (uint)(raw >> 40) & 0xFF);
    }

    private readonly record struct Gate(ushort Target, uint Offset, int Dpl, int Parameters, bool Present);

    private readonly record struct Segment(uint Base, uint Limit, uint Access)
    {
        public int Dpl => (int)(Access >> 5) & 3;

        public bool Present => (Access & 0x80) != 0;

        public bool IsCode => (Access & 0x18) == 0x18;

        public bool IsWritableData => (Access & 0x1A) == 0x12;

        public bool Conforming => (Access & 4) != 0;

        public bool ExpandDown => (Access & 4) != 0;
    }
}
