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
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/mm.c: ptwr_do_page_fault, ptwr_emulated_update.</remarks>
internal static class WritablePageTables
{
    /// <summary>True: the write is done. False: the fault is the guest's.</summary>
    public static bool TryEmulate(Vcpu v, ulong address)
    {
        Xen xen = v.Domain.Xen;
        if (MmuUpdateCall.FindL1Entry(v, address) is not { } at)
            return false;
        Mfn holder = new(at >> 12);
        int slot = (int)(at & 0xFFF) >> 3;
        ulong mapping = xen.PageTypes.ReadEntry(holder, slot);
        Mfn table = new(Pte.FrameOf(mapping));
        if ((mapping & (Pte.Present | Pte.Writable)) != Pte.Present || !xen.Frames.IsValid(table) || xen.Frames[table].Owner != v.Domain.Id.Value
            || xen.Frames[table].Type != PageType.PGT_l1_page_table || xen.Frames[table].TypeCount == 0)
            return false;

        byte[] before = xen.Memory.Readable(table.Value).ToArray();
        ulong[] registers = new ulong[16];
        for (int i = 0; i < registers.Length; i++)
            registers[i] = v.Cpu[(Gpr)i];
        ulong rip = v.Cpu.Rip;
        ulong flags = v.Cpu.Rflags;
        xen.PageTypes.WriteEntry(holder, slot, mapping | Pte.Writable);
        v.Cpu.FlushTlb(new LinearAddress(address));
        CpuExit exit = v.Cpu.Run(1);
        xen.PageTypes.WriteEntry(holder, slot, mapping);
        v.Domain.FlushTlbs();
        bool done = exit.Reason == ExitReason.BudgetSpent && Apply(xen, v.Domain, table, before);
        if (done)
            return true;
        for (int i = 0; i < registers.Length; i++)
            v.Cpu[(Gpr)i] = registers[i];
        v.Cpu.Rip = rip;
        v.Cpu.Rflags = flags;
        return false;
    }

    /// <summary>Puts the old contents back and makes each changed entry a checked update.</summary>
    private static bool Apply(Xen xen, Domain d, Mfn table, byte[] before)
    {
        byte[] after = xen.Memory.Readable(table.Value).ToArray();
        before.CopyTo(xen.Memory.Writable(table.Value));
        for (int slot = 0; slot < Pte.EntriesPerTable; slot++)
        {
            ulong entry = BitConverter.ToUInt64(after, slot * 8);
            if (entry == BitConverter.ToUInt64(before, slot * 8))
                continue;
            ulong address = (table.Value << 12) + ((ulong)slot * 8);
            if (PageTableUpdate.Write(xen, d, d, address, entry, preserveAccessedDirty: false) == XenErrno.None)
                continue;

            // A PAE guest clears a present entry in two halves: its upper half may be written first if PRESENT goes with it.
            bool halfOfPae = d.Is32BitPv && (uint)entry == BitConverter.ToUInt32(before, slot * 8) && (entry & Pte.Present) != 0;
            if (!halfOfPae || PageTableUpdate.Write(xen, d, d, address, entry & ~Pte.Present, preserveAccessedDirty: false) != XenErrno.None)
                return false;
        }

        return true;
    }
}
