using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// xen.h: arguments of mmu_update, mmuext_op and multicall.

[XenStruct("mmu_update", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct MmuUpdate
{
    [FieldOffset(0)] public ulong Ptr;
    [FieldOffset(8)] public ulong Val;
}

[XenStruct("mmuext_op", Abis.Both, Releases.Both)]
public record struct MmuextOp : IWireRecord
{
    public uint Cmd;

    /// <summary>mfn or linear_addr.</summary>
    [XenField("arg1.mfn")]
    public ulong Arg1;

    /// <summary>vcpumask (a handle), src_mfn, or in its low 32 bits nr_ents.</summary>
    [XenField("arg2.vcpumask")]
    public ulong Arg2;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U32(ref Cmd);
        cursor.Long(ref Arg1);
        cursor.Long(ref Arg2);
    }
}

[XenStruct("multicall_entry", Abis.Both, Releases.Both)]
public record struct MulticallEntry : IWireRecord
{
    public ulong Op;
    public ulong Result;
    public Array6<ulong> Args;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Long(ref Op);
        cursor.Long(ref Result);
        for (int i = 0; i < 6; i++)
            cursor.Long(ref Args[i]);
    }
}
