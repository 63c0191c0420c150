namespace XenSim.Hypervisor.Public.Wire;

// arch-x86/xen.h: a PV vCPU's registers and tables, as XEN_DOMCTL_setvcpucontext and VCPUOP_initialise take them.

/// <summary>General registers of both ABIs; what the 32-bit ABI lacks stays as it is.</summary>
[XenStruct("cpu_user_regs", Abis.Both, Releases.Both)]
public record struct CpuUserRegs : IWireRecord
{
    [XenField(Abis = Abis.X64)] public ulong R15;
    [XenField(Abis = Abis.X64)] public ulong R14;
    [XenField(Abis = Abis.X64)] public ulong R13;
    [XenField(Abis = Abis.X64)] public ulong R12;
    [XenField("ebp", Abis = Abis.X32), XenField("rbp", Abis = Abis.X64)] public ulong Rbp;
    [XenField("ebx", Abis = Abis.X32), XenField("rbx", Abis = Abis.X64)] public ulong Rbx;
    [XenField(Abis = Abis.X64)] public ulong R11;
    [XenField(Abis = Abis.X64)] public ulong R10;
    [XenField(Abis = Abis.X64)] public ulong R9;
    [XenField(Abis = Abis.X64)] public ulong R8;
    [XenField("eax", Abis = Abis.X32), XenField("rax", Abis = Abis.X64)] public ulong Rax;
    [XenField("ecx", Abis = Abis.X32), XenField("rcx", Abis = Abis.X64)] public ulong Rcx;
    [XenField("edx", Abis = Abis.X32), XenField("rdx", Abis = Abis.X64)] public ulong Rdx;
    [XenField("esi", Abis = Abis.X32), XenField("rsi", Abis = Abis.X64)] public ulong Rsi;
    [XenField("edi", Abis = Abis.X32), XenField("rdi", Abis = Abis.X64)] public ulong Rdi;
    public uint ErrorCode;
    public uint EntryVector;
    [XenField("eip", Abis = Abis.X32), XenField("rip", Abis = Abis.X64)] public ulong Rip;
    public ushort Cs;
    public byte SavedUpcallMask;
    [XenField("eflags", Abis = Abis.X32), XenField("rflags", Abis = Abis.X64)] public ulong Rflags;
    [XenField("esp", Abis = Abis.X32), XenField("rsp", Abis = Abis.X64)] public ulong Rsp;
    public ushort Ss;
    public ushort Es;
    public ushort Ds;
    public ushort Fs;
    public ushort Gs;

    public void Visit(ref WireCursor cursor)
    {
        if (cursor.Abi == Abi.X64)
            VisitX64(ref cursor);
        else
            VisitX32(ref cursor);
        cursor.Long(ref Rflags);
        cursor.Long(ref Rsp);
        Selector(ref cursor, ref Ss);
        Selector(ref cursor, ref Es);
        Selector(ref cursor, ref Ds);
        Selector(ref cursor, ref Fs);
        Selector(ref cursor, ref Gs);
    }

    private static void Selector(ref WireCursor cursor, ref ushort selector)
    {
        cursor.U16(ref selector);
        cursor.AlignLong();
    }

    private void VisitX64(ref WireCursor cursor)
    {
        cursor.Long(ref R15);
        cursor.Long(ref R14);
        cursor.Long(ref R13);
        cursor.Long(ref R12);
        cursor.Long(ref Rbp);
        cursor.Long(ref Rbx);
        cursor.Long(ref R11);
        cursor.Long(ref R10);
        cursor.Long(ref R9);
        cursor.Long(ref R8);
        cursor.Long(ref Rax);
        cursor.Long(ref Rcx);
        cursor.Long(ref Rdx);
        cursor.Long(ref Rsi);
        cursor.Long(ref Rdi);
        cursor.U32(ref ErrorCode);
        cursor.U32(ref EntryVector);
        cursor.Long(ref Rip);
        cursor.U16(ref Cs);
        cursor.Skip(2);
        cursor.U8(ref SavedUpcallMask);
        cursor.AlignLong();
    }

    private void VisitX32(ref WireCursor cursor)
    {
        cursor.Long(ref Rbx);
        cursor.Long(ref Rcx);
        cursor.Long(ref Rdx);
        cursor.Long(ref Rsi);
        cursor.Long(ref Rdi);
        cursor.Long(ref Rbp);
        cursor.Long(ref Rax);
        Half(ref cursor, ref ErrorCode);
        Half(ref cursor, ref EntryVector);
        cursor.Long(ref Rip);
        cursor.U16(ref Cs);
        cursor.U8(ref SavedUpcallMask);
        cursor.AlignLong();
    }

    private static void Half(ref WireCursor cursor, ref uint field)
    {
        var half = (ushort)field;
        cursor.U16(ref half);
        field = half;
    }
}

[XenStruct("trap_info", Abis.Both, Releases.Both)]
public record struct TrapInfo : IWireRecord
{
    public byte Vector;

    /// <summary>Bits 1:0 DPL, bit 2 mask events on entry.</summary>
    public byte Flags;
    public ushort Cs;
    public ulong Address;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U8(ref Vector);
        cursor.U8(ref Flags);
        cursor.U16(ref Cs);
        cursor.Long(ref Address);
    }
}

/// <summary>vcpu_guest_context of both ABIs: 2800 bytes for 32-bit callers, 5168 for 64-bit ones, the same in both releases.</summary>
[XenStruct("vcpu_guest_context", Abis.Both, Releases.Both)]
public sealed class VcpuGuestContext : IWireRecord
{
    [XenField("fpu_ctxt.x")]
    public readonly byte[] FpuCtxt = new byte[512];

    /// <summary><see cref="Numbers.VcpuContextFlags"/>.</summary>
    public ulong Flags;
    public CpuUserRegs UserRegs;
    public readonly TrapInfo[] TrapCtxt = new TrapInfo[256];
    public ulong LdtBase;
    public ulong LdtEnts;
    public readonly ulong[] GdtFrames = new ulong[16];
    public ulong GdtEnts;
    public ulong KernelSs;
    public ulong KernelSp;

    /// <summary>CR3 is encoded: x64 mfn shifted by 12, x32 (mfn &lt;&lt; 12) | (mfn >> 20).</summary>
    public readonly ulong[] Ctrlreg = new ulong[8];
    public readonly ulong[] Debugreg = new ulong[8];
    [XenField(Abis = Abis.X32)] public ulong EventCallbackCs;
    public ulong EventCallbackEip;
    [XenField(Abis = Abis.X32)] public ulong FailsafeCallbackCs;
    public ulong FailsafeCallbackEip;
    [XenField(Abis = Abis.X64)] public ulong SyscallCallbackEip;
    public ulong VmAssist;
    [XenField(Abis = Abis.X64)] public ulong FsBase;
    [XenField(Abis = Abis.X64)] public ulong GsBaseKernel;
    [XenField(Abis = Abis.X64)] public ulong GsBaseUser;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Bytes(FpuCtxt);
        cursor.Long(ref Flags);
        UserRegs.Visit(ref cursor);
        foreach (ref TrapInfo trap in TrapCtxt.AsSpan())
            trap.Visit(ref cursor);
        cursor.Long(ref LdtBase);
        cursor.Long(ref LdtEnts);
        cursor.Longs(GdtFrames);
        cursor.Long(ref GdtEnts);
        cursor.Long(ref KernelSs);
        cursor.Long(ref KernelSp);
        cursor.Longs(Ctrlreg);
        cursor.Longs(Debugreg);
        if (cursor.Abi == Abi.X32)
        {
            cursor.Long(ref EventCallbackCs);
            cursor.Long(ref EventCallbackEip);
            cursor.Long(ref FailsafeCallbackCs);
            cursor.Long(ref FailsafeCallbackEip);
            cursor.Long(ref VmAssist);
            return;
        }

        cursor.Long(ref EventCallbackEip);
        cursor.Long(ref FailsafeCallbackEip);
        cursor.Long(ref SyscallCallbackEip);
        cursor.Long(ref VmAssist);
        cursor.Long(ref FsBase);
        cursor.Long(ref GsBaseKernel);
        cursor.Long(ref GsBaseUser);
    }
}
