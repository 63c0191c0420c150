namespace XenSim.Hypervisor.Public.Wire;

// grant_table.h: arguments of grant_table_op that depend on the ABI.

[XenStruct("gnttab_setup_table", Abis.Both, Releases.Both)]
public record struct GnttabSetupTable : IWireRecord
{
    public ushort Dom;
    public uint NrFrames;
    public short Status;
    public ulong FrameList;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U16(ref Dom);
        cursor.U32(ref NrFrames);
        cursor.S16(ref Status);
        cursor.Long(ref FrameList);
    }
}

[XenStruct("gnttab_transfer", Abis.Both, Releases.Both)]
public record struct GnttabTransfer : IWireRecord
{
    public ulong Mfn;
    public ushort Domid;
    public uint Ref;
    public short Status;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Long(ref Mfn);
        cursor.U16(ref Domid);
        cursor.U32(ref Ref);
        cursor.S16(ref Status);
    }
}

[XenStruct("gnttab_copy", Abis.Both, Releases.Both)]
public record struct GnttabCopy : IWireRecord
{
    /// <summary>A gmfn, or in its low 32 bits a grant reference.</summary>
    [XenField("source.u.gmfn")]
    public ulong SourceFrame;
    public ushort SourceDomid;
    public ushort SourceOffset;
    [XenField("dest.u.gmfn")]
    public ulong DestFrame;
    public ushort DestDomid;
    public ushort DestOffset;
    public ushort Len;
    public ushort Flags;
    public short Status;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Long(ref SourceFrame);
        cursor.U16(ref SourceDomid);
        cursor.U16(ref SourceOffset);
        cursor.AlignLong();
        cursor.Long(ref DestFrame);
        cursor.U16(ref DestDomid);
        cursor.U16(ref DestOffset);
        cursor.AlignLong();
        cursor.U16(ref Len);
        cursor.U16(ref Flags);
        cursor.S16(ref Status);
    }
}

[XenStruct("gnttab_get_status_frames", Abis.Both, Releases.Both)]
public record struct GnttabGetStatusFrames : IWireRecord
{
    public uint NrFrames;
    public ushort Dom;
    public short Status;

    /// <summary>Handle to uint64_t[].</summary>
    public ulong FrameList;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U32(ref NrFrames);
        cursor.U16(ref Dom);
        cursor.S16(ref Status);
        cursor.Long(ref FrameList);
    }
}
