using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// arch-x86/hvm/start_info.h, hvm/hvm_info_table.h, hvm/hvm_op.h: what an HVM or PVH guest is started with.

[XenStruct("hvm_start_info", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 56)]
public struct HvmStartInfo
{
    [FieldOffset(0)] public uint Magic;
    [FieldOffset(4)] public uint Version;
    [FieldOffset(8)] public uint Flags;
    [FieldOffset(12)] public uint NrModules;
    [FieldOffset(16)] public ulong ModlistPaddr;
    [FieldOffset(24)] public ulong CmdlinePaddr;
    [FieldOffset(32)] public ulong RsdpPaddr;
    [FieldOffset(40)] public ulong MemmapPaddr;
    [FieldOffset(48)] public uint MemmapEntries;
    [FieldOffset(52)] public uint Reserved;
}

[XenStruct("hvm_modlist_entry", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 32)]
public struct HvmModlistEntry
{
    [FieldOffset(0)] public ulong Paddr;
    [FieldOffset(8)] public ulong Size;
    [FieldOffset(16)] public ulong CmdlinePaddr;
    [FieldOffset(24)] public ulong Reserved;
}

[XenStruct("hvm_memmap_table_entry", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct HvmMemmapTableEntry
{
    [FieldOffset(0)] public ulong Addr;
    [FieldOffset(8)] public ulong Size;
    [FieldOffset(16)] public uint Type;
    [FieldOffset(20)] public uint Reserved;
}

[XenStruct("hvm_info_table", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 48)]
public struct HvmInfoTableV40
{
    [FieldOffset(0)] public Array8<byte> Signature;
    [FieldOffset(8)] public uint Length;
    [FieldOffset(12)] public byte Checksum;
    [FieldOffset(13)] public byte AcpiEnabled;
    [FieldOffset(14)] public byte ApicMode;
    [FieldOffset(16)] public uint NrVcpus;
    [FieldOffset(20)] public uint LowMemPgend;
    [FieldOffset(24)] public uint ReservedMemPgstart;
    [FieldOffset(28)] public uint HighMemPgend;
    [FieldOffset(32)] public Array16<byte> VcpuOnline;
}

[XenStruct("hvm_info_table", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 48)]
public struct HvmInfoTableV417
{
    [FieldOffset(0)] public Array8<byte> Signature;
    [FieldOffset(8)] public uint Length;
    [FieldOffset(12)] public byte Checksum;
    [FieldOffset(13)] public byte ApicMode;
    [FieldOffset(16)] public uint NrVcpus;
    [FieldOffset(20)] public uint LowMemPgend;
    [FieldOffset(24)] public uint ReservedMemPgstart;
    [FieldOffset(28)] public uint HighMemPgend;
    [FieldOffset(32)] public Array16<byte> VcpuOnline;
}

[XenStruct("xen_hvm_param", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct HvmParamOp
{
    [FieldOffset(0)] public ushort Domid;
    [FieldOffset(4)] public uint Index;
    [FieldOffset(8)] public ulong Value;
}

[XenStruct("xen_hvm_evtchn_upcall_vector", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct HvmEvtchnUpcallVector
{
    [FieldOffset(0)] public uint Vcpu;
    [FieldOffset(4)] public byte Vector;
}
