namespace XenSim.Hypervisor.Public.Wire;

// memory.h: arguments of memory_op.

/// <summary>Argument of increase, decrease_reservation, populate_physmap and claim_pages.</summary>
[XenStruct("xen_memory_reservation", Abis.Both, Releases.Both)]
public record struct MemoryReservation : IWireRecord
{
    public ulong ExtentStart;
    public ulong NrExtents;
    public uint ExtentOrder;
    public uint MemFlags;
    public ushort Domid;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Long(ref ExtentStart);
        cursor.Long(ref NrExtents);
        cursor.U32(ref ExtentOrder);
        cursor.U32(ref MemFlags);
        cursor.U16(ref Domid);
        cursor.AlignLong();
    }
}

[XenStruct("xen_memory_exchange", Abis.Both, Releases.Both)]
public record struct MemoryExchange : IWireRecord
{
    public MemoryReservation In;
    public MemoryReservation Out;
    public ulong NrExchanged;

    public void Visit(ref WireCursor cursor)
    {
        In.Visit(ref cursor);
        Out.Visit(ref cursor);
        cursor.Long(ref NrExchanged);
    }
}

[XenStruct("xen_machphys_mfn_list", Abis.Both, Releases.Both)]
public record struct MachphysMfnList : IWireRecord
{
    public uint MaxExtents;
    public ulong ExtentStart;
    public uint NrExtents;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U32(ref MaxExtents);
        cursor.Long(ref ExtentStart);
        cursor.U32(ref NrExtents);
    }
}

[XenStruct("xen_machphys_mapping", Abis.Both, Releases.Both)]
public record struct MachphysMapping : IWireRecord
{
    public ulong VStart;
    public ulong VEnd;
    public ulong MaxMfn;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Long(ref VStart);
        cursor.Long(ref VEnd);
        cursor.Long(ref MaxMfn);
    }
}

[XenStruct("xen_add_to_physmap", Abis.Both, Releases.Both)]
public record struct AddToPhysmap : IWireRecord
{
    public ushort Domid;

    /// <summary>Pages of XENMAPSPACE_gmfn_range.</summary>
    [XenField(Releases = Releases.V4_17)]
    public ushort Size;
    public uint Space;
    public ulong Idx;
    public ulong Gpfn;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U16(ref Domid);
        cursor.U16(ref Size);
        cursor.U32(ref Space);
        cursor.Long(ref Idx);
        cursor.Long(ref Gpfn);
    }
}

[XenStruct("xen_add_to_physmap_batch", Abis.Both, Releases.V4_17)]
public record struct AddToPhysmapBatch : IWireRecord
{
    public ushort Domid;
    public ushort Space;
    public ushort Size;
    [XenField("u.foreign_domid")]
    public ushort ForeignDomid;
    public ulong Idxs;
    public ulong Gpfns;
    public ulong Errs;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U16(ref Domid);
        cursor.U16(ref Space);
        cursor.U16(ref Size);
        cursor.U16(ref ForeignDomid);
        cursor.Long(ref Idxs);
        cursor.Long(ref Gpfns);
        cursor.Long(ref Errs);
    }
}

[XenStruct("xen_remove_from_physmap", Abis.Both, Releases.V4_17)]
public record struct RemoveFromPhysmap : IWireRecord
{
    public ushort Domid;
    public ulong Gpfn;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U16(ref Domid);
        cursor.Long(ref Gpfn);
    }
}

/// <summary>Argument of memory_map and machine_memory_map; the buffer holds <see cref="E820Entry"/>s.</summary>
[XenStruct("xen_memory_map", Abis.Both, Releases.Both)]
public record struct MemoryMap : IWireRecord
{
    public uint NrEntries;
    public ulong Buffer;

    public void Visit(ref WireCursor cursor)
    {
        cursor.AlignLong();
        cursor.U32(ref NrEntries);
        cursor.Long(ref Buffer);
    }
}

[XenStruct("xen_foreign_memory_map", Abis.Both, Releases.Both)]
public record struct ForeignMemoryMap : IWireRecord
{
    public ushort Domid;
    public MemoryMap Map;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U16(ref Domid);
        Map.Visit(ref cursor);
    }
}

[XenStruct("xen_pod_target", Abis.Both, Releases.Both)]
public record struct PodTarget : IWireRecord
{
    public ulong TargetPages;
    public ulong TotPages;
    public ulong PodCachePages;
    public ulong PodEntries;
    public ushort Domid;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U64(ref TargetPages);
        cursor.U64(ref TotPages);
        cursor.U64(ref PodCachePages);
        cursor.U64(ref PodEntries);
        cursor.U16(ref Domid);
    }
}

[XenStruct("xen_mem_acquire_resource", Abis.Both, Releases.V4_17)]
public record struct MemAcquireResource : IWireRecord
{
    public ushort Domid;
    public ushort Type;
    public uint Id;
    public uint NrFrames;
    public uint Pad;
    public ulong Frame;
    public ulong FrameList;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U16(ref Domid);
        cursor.U16(ref Type);
        cursor.U32(ref Id);
        cursor.U32(ref NrFrames);
        cursor.U32(ref Pad);
        cursor.U64(ref Frame);
        cursor.Long(ref FrameList);
    }
}
