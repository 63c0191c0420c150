using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// arch-x86/xen.h: a PV vCPU's registers and tables, as XEN_DOMCTL_setvcpucontext and VCPUOP_initialise take them.

[XenStruct("cpu_user_regs", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 68)]
public struct CpuUserRegs32
{
    [FieldOffset(0)] public uint Ebx;
    [FieldOffset(4)] public uint Ecx;
    [FieldOffset(8)] public uint Edx;
    [FieldOffset(12)] public uint Esi;
    [FieldOffset(16)] public uint Edi;
    [FieldOffset(20)] public uint Ebp;
    [FieldOffset(24)] public uint Eax;
    [FieldOffset(28)] public ushort ErrorCode;
    [FieldOffset(30)] public ushort EntryVector;
    [FieldOffset(32)] public uint Eip;
    [FieldOffset(36)] public ushort Cs;
    [FieldOffset(38)] public byte SavedUpcallMask;
    [FieldOffset(40)] public uint Eflags;
    [FieldOffset(44)] public uint Esp;
    [FieldOffset(48)] public ushort Ss;
    [FieldOffset(52)] public ushort Es;
    [FieldOffset(56)] public ushort Ds;
    [FieldOffset(60)] public ushort Fs;
    [FieldOffset(64)] public ushort Gs;
}

[XenStruct("cpu_user_regs", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 200)]
public struct CpuUserRegs64
{
    [FieldOffset(0)] public ulong R15;
    [FieldOffset(8)] public ulong R14;
    [FieldOffset(16)] public ulong R13;
    [FieldOffset(24)] public ulong R12;
    [FieldOffset(32)] public ulong Rbp;
    [FieldOffset(40)] public ulong Rbx;
    [FieldOffset(48)] public ulong R11;
    [FieldOffset(56)] public ulong R10;
    [FieldOffset(64)] public ulong R9;
    [FieldOffset(72)] public ulong R8;
    [FieldOffset(80)] public ulong Rax;
    [FieldOffset(88)] public ulong Rcx;
    [FieldOffset(96)] public ulong Rdx;
    [FieldOffset(104)] public ulong Rsi;
    [FieldOffset(112)] public ulong Rdi;
    [FieldOffset(120)] public uint ErrorCode;
    [FieldOffset(124)] public uint EntryVector;
    [FieldOffset(128)] public ulong Rip;
    [FieldOffset(136)] public ushort Cs;
    [FieldOffset(140)] public byte SavedUpcallMask;
    [FieldOffset(144)] public ulong Rflags;
    [FieldOffset(152)] public ulong Rsp;
    [FieldOffset(160)] public ushort Ss;
    [FieldOffset(168)] public ushort Es;
    [FieldOffset(176)] public ushort Ds;
    [FieldOffset(184)] public ushort Fs;
    [FieldOffset(192)] public ushort Gs;
}

[XenStruct("trap_info", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct TrapInfo32
{
    [FieldOffset(0)] public byte Vector;
    [FieldOffset(1)] public byte Flags;
    [FieldOffset(2)] public ushort Cs;
    [FieldOffset(4)] public uint Address;
}

[XenStruct("trap_info", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct TrapInfo64
{
    [FieldOffset(0)] public byte Vector;
    [FieldOffset(1)] public byte Flags;
    [FieldOffset(2)] public ushort Cs;
    [FieldOffset(8)] public ulong Address;
}

[XenStruct("vcpu_guest_context", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 2800)]
public struct VcpuGuestContext32
{
    [XenField("fpu_ctxt.x"), FieldOffset(0)] public Array512<byte> FpuCtxt;
    [FieldOffset(512)] public uint Flags;
    [FieldOffset(516)] public CpuUserRegs32 UserRegs;
    [FieldOffset(584)] public Array256<TrapInfo32> TrapCtxt;
    [FieldOffset(2632)] public uint LdtBase;
    [FieldOffset(2636)] public uint LdtEnts;
    [FieldOffset(2640)] public Array16<uint> GdtFrames;
    [FieldOffset(2704)] public uint GdtEnts;
    [FieldOffset(2708)] public uint KernelSs;
    [FieldOffset(2712)] public uint KernelSp;
    [FieldOffset(2716)] public Array8<uint> Ctrlreg;
    [FieldOffset(2748)] public Array8<uint> Debugreg;
    [FieldOffset(2780)] public uint EventCallbackCs;
    [FieldOffset(2784)] public uint EventCallbackEip;
    [FieldOffset(2788)] public uint FailsafeCallbackCs;
    [FieldOffset(2792)] public uint FailsafeCallbackEip;
    [FieldOffset(2796)] public uint VmAssist;
}

[XenStruct("vcpu_guest_context", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 5168)]
public struct VcpuGuestContext64
{
    [XenField("fpu_ctxt.x"), FieldOffset(0)] public Array512<byte> FpuCtxt;
    [FieldOffset(512)] public ulong Flags;
    [FieldOffset(520)] public CpuUserRegs64 UserRegs;
    [FieldOffset(720)] public Array256<TrapInfo64> TrapCtxt;
    [FieldOffset(4816)] public ulong LdtBase;
    [FieldOffset(4824)] public ulong LdtEnts;
    [FieldOffset(4832)] public Array16<ulong> GdtFrames;
    [FieldOffset(4960)] public ulong GdtEnts;
    [FieldOffset(4968)] public ulong KernelSs;
    [FieldOffset(4976)] public ulong KernelSp;
    [FieldOffset(4984)] public Array8<ulong> Ctrlreg;
    [FieldOffset(5048)] public Array8<ulong> Debugreg;
    [FieldOffset(5112)] public ulong EventCallbackEip;
    [FieldOffset(5120)] public ulong FailsafeCallbackEip;
    [FieldOffset(5128)] public ulong SyscallCallbackEip;
    [FieldOffset(5136)] public ulong VmAssist;
    [FieldOffset(5144)] public ulong FsBase;
    [FieldOffset(5152)] public ulong GsBaseKernel;
    [FieldOffset(5160)] public ulong GsBaseUser;
}

[XenStruct("iret_context", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 72)]
public struct IretContext
{
    [FieldOffset(0)] public ulong Rax;
    [FieldOffset(8)] public ulong R11;
    [FieldOffset(16)] public ulong Rcx;
    [FieldOffset(24)] public ulong Flags;
    [FieldOffset(32)] public ulong Rip;
    [FieldOffset(40)] public ulong Cs;
    [FieldOffset(48)] public ulong Rflags;
    [FieldOffset(56)] public ulong Rsp;
    [FieldOffset(64)] public ulong Ss;
}
