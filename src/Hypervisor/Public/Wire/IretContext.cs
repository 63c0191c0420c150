using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// arch-x86/xen.h: the frame that HYPERVISOR_iret takes from the guest stack.

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
