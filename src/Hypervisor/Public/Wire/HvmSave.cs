using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// arch-x86/hvm/save.h: records of the HVM context that a PVH build loads.

[XenStruct("hvm_save_descriptor", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct HvmSaveDescriptor
{
    [FieldOffset(0)] public ushort Typecode;
    [FieldOffset(2)] public ushort Instance;
    [FieldOffset(4)] public uint Length;
}

[XenStruct("hvm_save_header", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 24)]
public struct HvmSaveHeader
{
    [FieldOffset(0)] public uint Magic;
    [FieldOffset(4)] public uint Version;
    [FieldOffset(8)] public ulong Changeset;
    [FieldOffset(16)] public uint Cpuid;
    [FieldOffset(20)] public uint GtscKhz;
}

[XenStruct("hvm_hw_cpu", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 1024)]
public struct HvmHwCpuV40
{
    [FieldOffset(0)] public Array512<byte> FpuRegs;
    [FieldOffset(512)] public ulong Rax;
    [FieldOffset(520)] public ulong Rbx;
    [FieldOffset(528)] public ulong Rcx;
    [FieldOffset(536)] public ulong Rdx;
    [FieldOffset(544)] public ulong Rbp;
    [FieldOffset(552)] public ulong Rsi;
    [FieldOffset(560)] public ulong Rdi;
    [FieldOffset(568)] public ulong Rsp;
    [FieldOffset(576)] public ulong R8;
    [FieldOffset(584)] public ulong R9;
    [FieldOffset(592)] public ulong R10;
    [FieldOffset(600)] public ulong R11;
    [FieldOffset(608)] public ulong R12;
    [FieldOffset(616)] public ulong R13;
    [FieldOffset(624)] public ulong R14;
    [FieldOffset(632)] public ulong R15;
    [FieldOffset(640)] public ulong Rip;
    [FieldOffset(648)] public ulong Rflags;
    [FieldOffset(656)] public ulong Cr0;
    [FieldOffset(664)] public ulong Cr2;
    [FieldOffset(672)] public ulong Cr3;
    [FieldOffset(680)] public ulong Cr4;
    [FieldOffset(688)] public ulong Dr0;
    [FieldOffset(696)] public ulong Dr1;
    [FieldOffset(704)] public ulong Dr2;
    [FieldOffset(712)] public ulong Dr3;
    [FieldOffset(720)] public ulong Dr6;
    [FieldOffset(728)] public ulong Dr7;
    [FieldOffset(736)] public uint CsSel;
    [FieldOffset(740)] public uint DsSel;
    [FieldOffset(744)] public uint EsSel;
    [FieldOffset(748)] public uint FsSel;
    [FieldOffset(752)] public uint GsSel;
    [FieldOffset(756)] public uint SsSel;
    [FieldOffset(760)] public uint TrSel;
    [FieldOffset(764)] public uint LdtrSel;
    [FieldOffset(768)] public uint CsLimit;
    [FieldOffset(772)] public uint DsLimit;
    [FieldOffset(776)] public uint EsLimit;
    [FieldOffset(780)] public uint FsLimit;
    [FieldOffset(784)] public uint GsLimit;
    [FieldOffset(788)] public uint SsLimit;
    [FieldOffset(792)] public uint TrLimit;
    [FieldOffset(796)] public uint LdtrLimit;
    [FieldOffset(800)] public uint IdtrLimit;
    [FieldOffset(804)] public uint GdtrLimit;
    [FieldOffset(808)] public ulong CsBase;
    [FieldOffset(816)] public ulong DsBase;
    [FieldOffset(824)] public ulong EsBase;
    [FieldOffset(832)] public ulong FsBase;
    [FieldOffset(840)] public ulong GsBase;
    [FieldOffset(848)] public ulong SsBase;
    [FieldOffset(856)] public ulong TrBase;
    [FieldOffset(864)] public ulong LdtrBase;
    [FieldOffset(872)] public ulong IdtrBase;
    [FieldOffset(880)] public ulong GdtrBase;
    [FieldOffset(888)] public uint CsArbytes;
    [FieldOffset(892)] public uint DsArbytes;
    [FieldOffset(896)] public uint EsArbytes;
    [FieldOffset(900)] public uint FsArbytes;
    [FieldOffset(904)] public uint GsArbytes;
    [FieldOffset(908)] public uint SsArbytes;
    [FieldOffset(912)] public uint TrArbytes;
    [FieldOffset(916)] public uint LdtrArbytes;
    [FieldOffset(920)] public ulong SysenterCs;
    [FieldOffset(928)] public ulong SysenterEsp;
    [FieldOffset(936)] public ulong SysenterEip;
    [FieldOffset(944)] public ulong ShadowGs;
    [FieldOffset(952)] public ulong MsrFlags;
    [FieldOffset(960)] public ulong MsrLstar;
    [FieldOffset(968)] public ulong MsrStar;
    [FieldOffset(976)] public ulong MsrCstar;
    [FieldOffset(984)] public ulong MsrSyscallMask;
    [FieldOffset(992)] public ulong MsrEfer;
    [FieldOffset(1000)] public ulong MsrTscAux;
    [FieldOffset(1008)] public ulong Tsc;
    [FieldOffset(1016)] public uint PendingEvent;
    [FieldOffset(1020)] public uint ErrorCode;
}

[XenStruct("hvm_hw_cpu", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 1032)]
public struct HvmHwCpuV417
{
    [FieldOffset(0)] public HvmHwCpuV40 Common;
    [FieldOffset(1024)] public uint Flags;
}

[XenStruct("hvm_hw_mtrr", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 240)]
public struct HvmHwMtrr
{
    [FieldOffset(0)] public ulong MsrPatCr;
    [FieldOffset(8)] public Array16<ulong> MsrMtrrVar;
    [FieldOffset(136)] public Array11<ulong> MsrMtrrFixed;
    [FieldOffset(224)] public ulong MsrMtrrCap;
    [FieldOffset(232)] public ulong MsrMtrrDefType;
}
