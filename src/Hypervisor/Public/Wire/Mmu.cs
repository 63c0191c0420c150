using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// xen.h: mmu_update, mmuext_op, multicall.

[XenStruct("mmu_update", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct MmuUpdate
{
    [FieldOffset(0)] public ulong Ptr;
    [FieldOffset(8)] public ulong Val;
}

[XenStruct("mmuext_op", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct MmuextOp32
{
    [FieldOffset(0)] public uint Cmd;
    [FieldOffset(4)] public uint Arg1Mfn;
    [FieldOffset(4)] public uint Arg1LinearAddr;
    [FieldOffset(8)] public uint Arg2NrEnts;
    [FieldOffset(8)] public uint Arg2Vcpumask;
    [FieldOffset(8)] public uint Arg2SrcMfn;
}

[XenStruct("mmuext_op", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct MmuextOp64
{
    [FieldOffset(0)] public uint Cmd;
    [FieldOffset(8)] public ulong Arg1Mfn;
    [FieldOffset(8)] public ulong Arg1LinearAddr;
    [FieldOffset(16)] public uint Arg2NrEnts;
    [FieldOffset(16)] public ulong Arg2Vcpumask;
    [FieldOffset(16)] public ulong Arg2SrcMfn;
}

[XenStruct("multicall_entry", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct MulticallEntry32
{
    [FieldOffset(0)] public uint Op;
    [FieldOffset(4)] public uint Result;
    [FieldOffset(8)] public Array6<uint> Args;
}

[XenStruct("multicall_entry", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 64)]
public struct MulticallEntry64
{
    [FieldOffset(0)] public ulong Op;
    [FieldOffset(8)] public ulong Result;
    [FieldOffset(16)] public Array6<ulong> Args;
}
