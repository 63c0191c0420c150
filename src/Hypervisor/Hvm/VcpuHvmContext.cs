using System.Buffers.Binary;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Traps;

namespace XenSim.Hypervisor.Hvm;

/// <summary>VCPUOP_initialise of a translated guest: a vCPU's first state as vcpu_hvm_context has it, in 32-bit or in 64-bit form.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/domain.c: arch_set_info_hvm_guest; xen/include/public/hvm/hvm_vcpu.h.</remarks>
internal static class VcpuHvmContext
{
    /// <summary>sizeof(vcpu_hvm_context_t): mode and padding, then the larger of the two forms.</summary>
    private const int Size = 128;
    private const int Registers = 8;
    private const uint Mode32 = 0, Mode64 = 1;

    private const ulong Paging = 1u << 31, Pae = 1 << 5, EferLme = 1 << 8, EferLma = 1 << 10;

    private const ushort Granularity = 0x8000;

    private static readonly Gpr[] _order = [Gpr.Rax, Gpr.Rcx, Gpr.Rdx, Gpr.Rbx, Gpr.Rsp, Gpr.Rbp, Gpr.Rsi, Gpr.Rdi];

    public static XenErrno Set(Vcpu v, ICallerMemory memory, VirtualAddress at)
    {
        byte[] context = new byte[Size];
        if (!memory.TryRead(at, context))
            return XenErrno.EFAULT;
        if (v.IsInitialised)
            return XenErrno.EEXIST;
        if (Word(context, 4) != 0)
            return XenErrno.EINVAL;
        ReadOnlySpan<byte> registers = context.AsSpan(Registers);
        return Word(context, 0) switch
        {
            Mode32 => Set32(v, registers),
            Mode64 => Set64(v, registers),
            _ => XenErrno.EINVAL,
        };
    }

    private static XenErrno Set32(Vcpu v, ReadOnlySpan<byte> r)
    {
        // eax … edi, eip, eflags, cr0, cr3, cr4, padding, efer, five bases, limits and attributes, padding.
        const int eip = 32, eflags = 36, cr0 = 40, cr3 = 44, cr4 = 48, pad = 52, efer = 56, bases = 64, limits = 84, attributes = 104, tail = 114;
        if (Word(r, pad) != 0 || Word(r, tail) != 0 || BinaryPrimitives.ReadUInt16LittleEndian(r[(tail + 4)..]) != 0)
            return XenErrno.EINVAL;
        ReadOnlySpan<SegmentName> names = [SegmentName.Cs, SegmentName.Ds, SegmentName.Ss, SegmentName.Es, SegmentName.Tr];
        ReadOnlySpan<int> places = [0, 1, 2, 3, 4];
        Span<SegmentRegister> segments = new SegmentRegister[names.Length];
        bool good = true;
        for (int i = 0; i < names.Length; i++)
        {
            int place = places[i];
            ushort raw = BinaryPrimitives.ReadUInt16LittleEndian(r[(attributes + (2 * place))..]);
            if ((raw & 0x80) != 0)
                raw |= (ushort)(names[i] == SegmentName.Tr ? 2 : 1);
            good &= Check(v, names[i], raw);
            segments[i] = Segment(Word(r, bases + (4 * place)), Word(r, limits + (4 * place)), raw);
        }

        if (!good)
            return XenErrno.EINVAL;
        int dpl = Dpl(segments[0]);
        uint limit = (segments[0].Access & Granularity) != 0 ? (segments[0].Limit << 12) | 0xFFF : segments[0].Limit;
        if (Word(r, eip) > limit)
            return Refuse(v, $"EIP (0x{Word(r, eip):x6}) outside CS limit (0x{limit:x6})");
        if (Dpl(segments[2]) != dpl)
            return Refuse(v, $"SS.DPL ({Dpl(segments[2])}) is different than CS.DPL ({dpl})");
        if (IsPresent(segments[1]) && Dpl(segments[1]) > dpl)
            return Refuse(v, $"DS.DPL ({Dpl(segments[1])}) is greater than CS.DPL ({dpl})");
        if (IsPresent(segments[3]) && Dpl(segments[3]) > dpl)
            return Refuse(v, $"ES.DPL ({Dpl(segments[3])}) is greater than CS.DPL ({dpl})");
        ulong wanted = Long(r, efer);
        if ((wanted & EferLma) != 0 && (wanted & EferLme) == 0)
            return Refuse(v, $"EFER.LMA set without EFER.LME (0x{wanted:x14})");
        for (int i = 0; i < _order.Length; i++)
            v.Cpu[_order[i]] = Word(r, 4 * i);
        return Finish(v, Word(r, eip), Word(r, eflags), Word(r, cr0), Word(r, cr3), Word(r, cr4), wanted, names, segments);
    }

    private static XenErrno Set64(Vcpu v, ReadOnlySpan<byte> r)
    {
        const int rip = 64, rflags = 72, cr0 = 80, cr3 = 88, cr4 = 96, efer = 104;
        if ((ulong)((long)(Long(r, rip) << 16) >> 16) != Long(r, rip))
            return Refuse(v, $"RIP contains a non-canonical address (0x{Long(r, rip):x})");
        if ((Long(r, cr0) & Paging) == 0)
            return Refuse(v, $"CR0 doesn't have paging enabled (0x{Long(r, cr0):x14})");
        if ((Long(r, cr4) & Pae) == 0)
            return Refuse(v, $"CR4 doesn't have PAE enabled (0x{Long(r, cr4):x14})");
        if ((Long(r, efer) & EferLme) == 0)
            return Refuse(v, $"EFER doesn't have LME enabled (0x{Long(r, efer):x14})");
        for (int i = 0; i < _order.Length; i++)
            v.Cpu[_order[i]] = Long(r, 8 * i);
        SegmentRegister data = Segment(0, uint.MaxValue, 0xC93);
        ReadOnlySpan<SegmentName> names = [SegmentName.Cs, SegmentName.Ds, SegmentName.Ss, SegmentName.Es, SegmentName.Tr];
        ReadOnlySpan<SegmentRegister> segments = [Segment(0, uint.MaxValue, 0xA9B), data, data, data, Segment(0, 0x67, 0x8B)];
        return Finish(v, Long(r, rip), Long(r, rflags), Long(r, cr0), Long(r, cr3), Long(r, cr4), Long(r, efer), names, segments);
    }

    private static XenErrno Finish(
        Vcpu v, ulong rip, ulong rflags, ulong cr0, ulong cr3, ulong cr4, ulong efer, ReadOnlySpan<SegmentName> names, ReadOnlySpan<SegmentRegister> segments)
    {
        // Bits that no processor here has: hvm_cr4_guest_valid_bits.
        const ulong cr4Known = 0x0077_0FFF;
        VirtualCpu cpu = v.Cpu;
        if ((efer & EferLme) != 0)
            efer |= EferLma;
        if ((cr4 & ~cr4Known) != 0)
            return Refuse(v, $"Bad CR4 value: 0x{cr4:x14}");
        if (HvmMsrs.EferProblem(v, efer) is { } problem)
            return Refuse(v, $"Bad EFER value (0x{efer:x14}): {problem}");
        cpu.Rip = rip;
        cpu.Rflags = rflags | 2;
        cpu.Cr0 = cr0 | 1 << 4;
        cpu.Efer = efer;
        cpu.Cr4 = cr4;
        cpu.Cr3 = cr3;
        for (int i = 0; i < names.Length; i++)
            cpu.SetSegment(names[i], segments[i]);
        cpu.SetSegment(SegmentName.Fs, default);
        cpu.SetSegment(SegmentName.Gs, default);
        cpu.SetSegment(SegmentName.Ldtr, default);
        cpu.Cpl = Dpl(segments[2]);
        v.TscOffset = v.Domain.Vcpus[0].TscOffset;
        v.IsInitialised = true;
        v.PauseFlags |= PauseFlags.Down;
        return XenErrno.None;
    }

    /// <summary>check_segment: complains and refuses.</summary>
    private static bool Check(Vcpu v, SegmentName name, ushort attributes)
    {
        const ushort system = 0x10, present = 0x80, busyTss = 0xB, code = 8, writable = 2;
        int type = attributes & 0xF;
        string? problem = attributes switch
        {
            _ when attributes >> 12 != 0 => "Segment attribute bits 12-15 are not zero",
            0 => name is SegmentName.Ds or SegmentName.Es ? null : "Null segment attributes for CS, SS or TR",
            _ when name == SegmentName.Tr && (attributes & system) != 0 => "Code or data segment provided for TR",
            _ when name == SegmentName.Tr && type != busyTss => "Non-32-bit-TSS segment provided for TR",
            _ when name != SegmentName.Tr && (attributes & system) == 0 => "System segment provided for a code or data segment",
            _ when (attributes & present) == 0 => "Non-present segment provided",
            _ when name == SegmentName.Cs && (type & code) == 0 => "Non-code segment provided for CS",
            _ when name == SegmentName.Ss && ((type & code) != 0 || (type & writable) == 0) => "Non-writeable segment provided for SS",
            _ when name is SegmentName.Ds or SegmentName.Es && (type & code) != 0 && (type & writable) == 0 => "Non-readable segment provided for DS or ES",
            _ => null,
        };
        if (problem is not null)
            Refuse(v, problem);
        return problem is null;
    }

    private static XenErrno Refuse(Vcpu v, string why)
    {
        v.Domain.Xen.Log(LogLevel.Error, $"d{v.Domain.Id.Value}v{v.Id} {why}");
        return XenErrno.EINVAL;
    }

    /// <summary>Attributes are in the form of the save record, the limit is in bytes.</summary>
    private static SegmentRegister Segment(uint segmentBase, uint limit, ushort attributes)
        => new(0, segmentBase, limit, (ushort)((attributes & 0xFF) | ((attributes & 0xF00) << 4)));


    private static int Dpl(SegmentRegister s) => s.Access >> 5 & 3;

    private static bool IsPresent(SegmentRegister s) => (s.Access & 0x80) != 0;

    private static uint Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong Long(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
