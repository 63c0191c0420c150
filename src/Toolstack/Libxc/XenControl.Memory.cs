using System.Runtime.InteropServices;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Libxc;

/// <summary>memory_op, mmu_update and mmuext_op.</summary>
internal sealed partial class XenControl
{
    /// <summary>xc_domain_populate_physmap (4.17): extents done; the array holds the frames afterwards (PV) or stays (translated).</summary>
    public XcReturn PopulatePhysmap(uint domid, Span<ulong> extents, uint order, uint memFlags = 0)
        => Reserve(MemoryOpCommand.populate_physmap, domid, extents, order, memFlags);

    /// <summary>xc_domain_memory_populate_physmap (4.0) / xc_domain_populate_physmap_exact: 0, or -1 with EBUSY for a short count.</summary>
    public XcReturn PopulatePhysmapExact(uint domid, Span<ulong> extents, uint order, uint memFlags = 0)
    {
        XcReturn rc = PopulatePhysmap(domid, extents, order, memFlags);
        if (rc.Value == extents.Length)
            return XcReturn.Ok;
        if (rc.Failed)
            return rc;
        string text = $"Failed allocation for dom {domid}: {extents.Length} extents of order {order}";
        _log.Detail(Is40 ? $"{text}, flags {memFlags:x}" : text);
        return XcReturn.Fail(XenErrno.EBUSY);
    }

    public XcReturn DecreaseReservation(uint domid, ulong frame) => Reserve(MemoryOpCommand.decrease_reservation, domid, [frame], 0, 0);

    /// <summary>One new frame below 2^<paramref name="addressBits"/>; 0 extents done when there is none.</summary>
    public XcReturn IncreaseReservation(uint domid, uint addressBits, out ulong frame)
    {
        ulong[] extents = [0];
        XcReturn rc = Reserve(MemoryOpCommand.increase_reservation, domid, extents, 0, addressBits);
        frame = extents[0];
        return rc;
    }

    /// <summary>xc_domain_maximum_gpfn.</summary>
    public XcReturn MaximumGpfn(uint domid)
    {
        Span<byte> domain = stackalloc byte[2];
        BitConverter.TryWriteBytes(domain, (ushort)domid);
        return Call(HypercallNumber.memory_op, (uint)MemoryOpCommand.maximum_gpfn, _buffers.Add(domain.ToArray()).Value);
    }

    /// <summary>xc_maximum_ram_page: the highest machine frame.</summary>
    public ulong MaximumRamPage() => (ulong)Call(HypercallNumber.memory_op, (uint)MemoryOpCommand.maximum_ram_page).Value;

    /// <summary>xc_domain_claim_pages; 0 cancels the claim.</summary>
    public XcReturn ClaimPages(uint domid, ulong pages)
        => MemoryOp(MemoryOpCommand.claim_pages, new MemoryReservation { NrExtents = pages, Domid = (ushort)domid });

    /// <summary>xc_domain_set_memory_map; xc_domain_set_memmap_limit is the same with one RAM entry from 0.</summary>
    public XcReturn SetMemoryMap(uint domid, ReadOnlySpan<E820Entry> entries)
    {
        byte[] map = MemoryMarshal.AsBytes(entries).ToArray();
        ulong buffer = _buffers.Add(map).Value;
        return MemoryOp(
            MemoryOpCommand.set_memory_map, new ForeignMemoryMap { Domid = (ushort)domid, Map = new() { NrEntries = (uint)entries.Length, Buffer = buffer } });
    }

    /// <summary>Mapping spaces: 0 shared_info, 1 grant_table, 2 gmfn.</summary>
    public XcReturn AddToPhysmap(uint domid, uint space, ulong index, ulong gpfn)
        => MemoryOp(MemoryOpCommand.add_to_physmap, new AddToPhysmap { Domid = (ushort)domid, Space = space, Idx = index, Gpfn = gpfn });

    /// <summary>xc_mmuext_op with one MMUEXT_PIN_L<paramref name="level"/>_TABLE (the command is level - 1).</summary>
    public XcReturn PinTable(uint domid, uint level, ulong mfn)
    {
        ulong handle = _buffers.Add(WireRecord.ToBytes(new MmuextOp { Cmd = level - 1, Arg1 = mfn }, Abi)).Value;
        return Call(HypercallNumber.mmuext_op, handle, 1, 0, domid);
    }

    /// <summary>xc_add_mmu_update and xc_flush_mmu_updates with one MMU_MACHPHYS_UPDATE.</summary>
    public XcReturn MachphysUpdate(uint domid, ulong mfn, ulong pfn)
    {
        ulong handle = _buffers.Add(new MmuUpdate { Ptr = (mfn << 12) | 1, Val = pfn }, out _).Value;
        return Call(HypercallNumber.mmu_update, handle, 1, 0, domid);
    }

    private XcReturn Reserve(MemoryOpCommand command, uint domid, Span<ulong> extents, uint order, uint memFlags)
    {
        int word = Abi.LongSize();
        byte[] list = new byte[extents.Length * word];
        for (int i = 0; i < extents.Length; i++)
            MemoryMarshal.AsBytes(extents.Slice(i, 1))[..word].CopyTo(list.AsSpan(i * word));

        ulong start = _buffers.Add(list).Value;
        XcReturn rc = MemoryOp(
            command, new MemoryReservation { ExtentStart = start, NrExtents = (uint)extents.Length, ExtentOrder = order, MemFlags = memFlags, Domid = (ushort)domid });
        for (int i = 0; i < extents.Length; i++)
        {
            extents[i] = 0;
            list.AsSpan(i * word, word).CopyTo(MemoryMarshal.AsBytes(extents.Slice(i, 1)));
        }

        return rc;
    }

    /// <summary>
    /// do_memory_op. 4.17 on 64 bits wraps the call in a multicall of one entry, because an ioctl returns an int and the result may not fit.
    /// </summary>
    private XcReturn MemoryOp<T>(MemoryOpCommand command, T argument)
        where T : IWireRecord, new()
    {
        ulong handle = _buffers.Add(WireRecord.ToBytes(argument, Abi)).Value;
        if (Is40 || Abi != Abi.X64)
            return Call(HypercallNumber.memory_op, (uint)command, handle);

        MulticallEntry entry = new() { Op = (ulong)HypercallNumber.memory_op };
        entry.Args[0] = (uint)command;
        entry.Args[1] = handle;
        byte[] list = WireRecord.ToBytes(entry, Abi);
        XcReturn rc = Call(HypercallNumber.multicall, _buffers.Add(list).Value, 1);
        return rc.Failed ? rc : XcReturn.FromResult((long)WireRecord.Decode<MulticallEntry>(list, Abi).Result);
    }
}
