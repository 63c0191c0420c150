using System.Buffers.Binary;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Traps;

/// <summary>
/// ptwr_do_page_fault: a guest kernel's direct write to its L1 table, which is mapped read-only. The instruction runs once with
/// its page writable; what it stored is taken back out and goes through the checks of mmu_update.
/// </summary>
/// <remarks>
/// Source: RELEASE-4.0.4 xen/arch/x86/mm.c: ptwr_do_page_fault, ptwr_emulated_update; stable-4.17 xen/arch/x86/pv/ro-page-fault.c.
/// One of these runs at a time, so one buffer does.
/// </remarks>
internal sealed class WritablePageTables
{
    private const int PageSize = 4096;
    private const int LongestInstruction = 15;
    private readonly byte[] _before = new byte[PageSize];
    private readonly byte[] _after = new byte[PageSize];

    /// <summary>True: the write is done. False: the fault is the guest's.</summary>
    public bool TryEmulate(Vcpu v, ulong address)
    {
        Xen xen = v.Domain.Xen;
        if (MmuUpdateCall.FindL1Entry(v, address) is not { } at)
            return false;
        Mfn holder = new(at >> 12);
        int slot = (int)(at & 0xFFF) >> 3;
        ulong mapping = xen.PageTypes.ReadEntry(holder, slot);
        Mfn table = new(Pte.FrameOf(mapping));
        if ((mapping & (Pte.Present | Pte.Writable)) != Pte.Present || !xen.Frames.IsValid(table) || xen.Frames[table].Owner != v.Domain.Id.Value
            || xen.Frames[table].Type != PageType.PGT_l1_page_table || xen.Frames[table].TypeCount == 0 || NeedsFpu(v))
            return false;

        xen.Memory.Readable(table.Value).CopyTo(_before);
        Span<ulong> registers = stackalloc ulong[16];
        for (int i = 0; i < registers.Length; i++)
            registers[i] = v.Cpu[(Gpr)i];
        ulong rip = v.Cpu.Rip;
        ulong flags = v.Cpu.Rflags;
        xen.PageTypes.WriteEntry(holder, slot, mapping | Pte.Writable);
        v.Cpu.FlushTlb(new LinearAddress(address));
        CpuExit exit = v.Cpu.Run(1);
        xen.PageTypes.WriteEntry(holder, slot, mapping);
        v.Domain.FlushTlbs();
        if (exit.Reason == ExitReason.BudgetSpent && Apply(xen, v.Domain, table, (int)(address & 0xFFF)))
            return true;
        _before.CopyTo(xen.Memory.Writable(table.Value));
        for (int i = 0; i < registers.Length; i++)
            v.Cpu[(Gpr)i] = registers[i];
        v.Cpu.Rip = rip;
        v.Cpu.Rflags = flags;
        return false;
    }

    /// <summary>Puts the old contents back and makes the changed entry a checked update. The store must be aligned to its size and no longer than an entry.</summary>
    private bool Apply(Xen xen, Domain d, Mfn table, int start)
    {
        xen.Memory.Readable(table.Value).CopyTo(_after);
        _before.CopyTo(xen.Memory.Writable(table.Value));
        int first = _before.AsSpan().CommonPrefixLength(_after);
        if (first == PageSize)
            return true;
        int last = PageSize - 1;
        while (_before[last] == _after[last])
            last--;
        int alignment = (start & 7) == 0 ? 8 : start & -start;
        if (first < start || last >= start + alignment)
            return false;

        int slot = start >> 3;
        ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(_after.AsSpan(slot * 8));
        ulong old = BinaryPrimitives.ReadUInt64LittleEndian(_before.AsSpan(slot * 8));
        ulong address = (table.Value << 12) + ((ulong)slot * 8);
        if (PageTableUpdate.Write(xen, d, d, address, entry, preserveAccessedDirty: false) == XenErrno.None)
            return true;

        // A PAE guest writes an entry in two halves: the upper one may come first if PRESENT goes with it.
        bool upperHalf = d.Is32BitPv && (uint)entry == (uint)old && (entry & Pte.Present) != 0;
        return upperHalf && PageTableUpdate.Write(xen, d, d, address, entry & ~Pte.Present, preserveAccessedDirty: false) == XenErrno.None;
    }

    /// <summary>
    /// The emulator is given no FPU (x86_emulate_ops.get_fpu): x87, MMX, SSE and AVX stores are not for it. SDM vol. 2D, appendix A: escapes
    /// D8-DF, VEX, and of the two-byte map what moves from a vector register.
    /// </summary>
    private static bool NeedsFpu(Vcpu v)
    {
        Span<byte> code = stackalloc byte[LongestInstruction];
        ulong rip = v.Cpu.Rip + v.Cpu.GetSegment(SegmentName.Cs).Base;
        int have = (int)Math.Min(LongestInstruction, PageSize - (rip & 0xFFF));
        if (!v.Cpu.TryRead(new LinearAddress(rip), code[..have], 0, out _, out _))
            return false;
        bool wide = v.Cpu.GetSegment(SegmentName.Cs).Long;
        int i = 0;
        while (i < have - 1 && (code[i] is 0x66 or 0x67 or 0xF0 or 0xF2 or 0xF3 or 0x26 or 0x2E or 0x36 or 0x3E or 0x64 or 0x65 || (wide && code[i] is >= 0x40 and <= 0x4F)))
            i++;
        if (code[i] is >= 0xD8 and <= 0xDF || (wide && code[i] is 0xC4 or 0xC5 or 0x62))
            return true;
        return code[i] == 0x0F && i + 1 < have && code[i + 1] is (0x11 or 0x13 or 0x17 or 0x29 or 0x2B or 0x7E or 0x7F or 0xD6 or 0xE7);
    }
}
