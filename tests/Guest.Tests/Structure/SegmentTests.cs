using XenSim.Guest.Cpu;
using static XenSim.Guest.Tests.Structure.SystemMachine;

namespace XenSim.Guest.Tests.Structure;

/// <summary>Segment limits, types and the instructions that ask about them. SDM vol. 3A, chapters 3 and 5; vol. 2 for each instruction.</summary>
public sealed class SegmentTests
{
    // 5.3: an expand-down segment is valid above its limit, up to FFFFH or FFFFFFFFH by its B flag.
    [Theory]
    [InlineData(0x1000u, 0x0FFFu, true, -1)]
    [InlineData(0x1000u, 0x0FFFu, false, -1)]
    [InlineData(0x0FFFu, 0x0FFFu, true, 13)]
    [InlineData(0x0FFDu, 0x0FFFu, true, 13)]
    [InlineData(0xFFFCu, 0x0FFFu, false, -1)]
    [InlineData(0xFFFDu, 0x0FFFu, false, 13)]
    [InlineData(0xFFFDu, 0x0FFFu, true, -1)]
    public void An_expand_down_segment_is_valid_above_its_limit(uint offset, uint limit, bool big, int vector)
    {
        using SystemMachine m = new();
        m.Descriptor(Free, 0, limit, 0x97, big ? 4 : 0);
        m[Gpr.Rax] = Free;
        m[Gpr.Rbx] = offset;
        m.Program(0x8E, 0xD8, 0x8B, 0x03); // mov %eax,%ds; mov (%ebx),%eax
        Check(m, vector, 0, Code + 4);
    }

    // 5.5, 5.7 and vol. 2, MOV: loading a data or stack segment register. The register: 0 DS, 1 SS.
    [Theory]
    [InlineData(0, 0x93, 0, 0, -1)]
    [InlineData(0, 0x93, 3, 0, 13)] // DPL 0 with RPL 3
    [InlineData(0, 0xF3, 3, 3, -1)]
    [InlineData(0, 0x93, 0, 3, 13)] // DPL 0 at CPL 3
    [InlineData(0, 0x9F, 3, 3, -1)] // conforming readable code: any level
    [InlineData(0, 0x9D, 0, 0, 13)] // conforming, not readable
    [InlineData(0, 0x9B, 0, 0, -1)]
    [InlineData(0, 0x9B, 0, 3, 13)]
    [InlineData(0, 0x13, 0, 0, 11)]
    [InlineData(0, 0x82, 0, 0, 13)] // a system segment
    [InlineData(1, 0x93, 0, 0, -1)]
    [InlineData(1, 0x91, 0, 0, 13)] // read-only
    [InlineData(1, 0x9B, 0, 0, 13)]
    [InlineData(1, 0xF3, 0, 0, 13)] // DPL 3 at CPL 0
    [InlineData(1, 0xF3, 3, 3, -1)]
    [InlineData(1, 0x13, 0, 0, 12)]
    public void A_segment_register_takes_only_what_the_manual_allows(int register, int access, int rpl, int cpl, int vector)
    {
        using SystemMachine m = new(32, cpl);
        m.Descriptor(Free, 0, 0xFFFFF, access, 0xC);
        m[Gpr.Rax] = (ulong)(Free | rpl);
        m.Program(0x8E, (byte)(register == 0 ? 0xD8 : 0xD0), 0x90, 0xCD, 0x80);
        if (vector < 0)
            m.ToVector(0x80);
        else
            Check(m, vector, Free, 0);
    }

    [Fact]
    public void A_segment_of_the_LDT_is_loaded_and_marked_accessed()
    {
        using SystemMachine m = new();
        m.Descriptor(0x0C, Data, 0xFF, 0x92, 4, true);
        m[Gpr.Rax] = 0x0C;
        m[Gpr.Rbx] = 0;
        m.Write32(Data, 0x12345678);
        m.Program(0x8E, 0xD8, 0x8B, 0x0B); // mov %eax,%ds; mov (%ebx),%ecx
        m.ToHalt();
        Assert.Equal((0x12345678u, 0x93), ((uint)m[Gpr.Rcx], (int)(m.Read64(Ldt + 8) >> 40) & 0xFF));
    }

    // 5.8.1: direct far transfers. Conforming: DPL <= CPL; else DPL = CPL and RPL <= CPL.
    [Theory]
    [InlineData(0x9B, 0, 0, -1)]
    [InlineData(0x9B, 3, 0, 13)]
    [InlineData(0xFB, 0, 0, 13)]
    [InlineData(0x9F, 3, 3, -1)]
    [InlineData(0x9F, 0, 0, -1)]
    [InlineData(0xFF, 0, 0, 13)]
    [InlineData(0x1B, 0, 0, 11)]
    public void A_far_jump_obeys_the_privilege_rules(int access, int rpl, int cpl, int vector)
    {
        using SystemMachine m = new(32, cpl);
        m.Descriptor(Free, 0, 0xFFFFFFFF, access, 0xC);
        m.Write(Code + 0x100, [0xCD, 0x80]);
        m.Program(0xEA, 0x00, 0x01, 0x01, 0x00, (byte)(Free | rpl), 0);
        if (vector >= 0)
        {
            Check(m, vector, Free, 0);
            return;
        }

        m.ToVector(0x80);
        Assert.Equal((uint)(Free | cpl), (uint)m.Stacked(1));
    }

    // vol. 2, VERR, VERW, LAR, LSL: visible from CPL and RPL, and of a type that counts. Expected: ZF of each.
    [Theory]
    [InlineData(0xF3, 3, 3, true, true, true, true)] // data
    [InlineData(0xF1, 3, 3, true, false, true, true)] // read-only data
    [InlineData(0x93, 0, 3, false, false, false, false)] // DPL 0 from CPL 3
    [InlineData(0xF9, 3, 3, false, false, true, true)] // execute-only
    [InlineData(0xFB, 3, 3, true, false, true, true)]
    [InlineData(0x9F, 3, 3, true, false, true, true)] // conforming: any level
    [InlineData(0xE2, 3, 3, false, false, true, true)] // LDT
    [InlineData(0xEC, 3, 3, false, false, true, false)] // call gate
    [InlineData(0xE5, 3, 3, false, false, true, false)] // task gate
    [InlineData(0xEE, 3, 3, false, false, false, false)] // interrupt gate
    [InlineData(0x73, 3, 3, true, true, true, true)] // not present counts
    [InlineData(0xF3, 3, 0, true, true, true, true)]
    [InlineData(0x93, 3, 0, false, false, false, false)] // RPL 3 on DPL 0
    public void A_selector_is_verified_as_in_the_manual(int access, int rpl, int cpl, bool verr, bool verw, bool lar, bool lsl)
    {
        using SystemMachine m = new(32, cpl);
        m.Descriptor(Free, 0x123456, 0x5FFF, access, 4);
        m[Gpr.Rax] = (ulong)(Free | rpl);
        bool[] found = new bool[4];
        byte[][] codes = [[0x0F, 0x00, 0xE0], [0x0F, 0x00, 0xE8], [0x0F, 0x02, 0xD8], [0x0F, 0x03, 0xC8]]; // verr, verw, lar %eax,%ebx, lsl %eax,%ecx
        for (int i = 0; i < 4; i++)
        {
            m.Program(codes[i]);
            m.Cpu.Run(1);
            found[i] = (m.Cpu.Rflags & 0x40) != 0;
        }

        Assert.Equal([verr, verw, lar, lsl], found);
        if (lar)
            Assert.Equal(0x40_0000u | ((uint)access << 8), (uint)m[Gpr.Rbx] & 0xF0FF00);
        if (lsl)
            Assert.Equal(0x5FFFu, (uint)m[Gpr.Rcx]);
    }

    // vol. 2, ARPL.
    [Theory]
    [InlineData(0x10u, 0x23u, 0x13u, true)]
    [InlineData(0x13u, 0x20u, 0x13u, false)]
    [InlineData(0x11u, 0x01u, 0x11u, false)]
    public void ARPL_raises_the_RPL_and_says_so(uint destination, uint source, uint result, bool zf)
    {
        using SystemMachine m = new();
        (m[Gpr.Rax], m[Gpr.Rcx]) = (destination, source);
        m.Program(0x63, 0xC8); // arpl %cx,%ax
        m.ToHalt();
        Assert.Equal((result, zf), ((uint)m[Gpr.Rax], (m.Cpu.Rflags & 0x40) != 0));
    }

    // vol. 2, LMSW and SMSW: PE can be set and not cleared; MP, EM, TS follow.
    [Fact]
    public void LMSW_cannot_leave_protected_mode()
    {
        using SystemMachine m = new();
        m[Gpr.Rax] = 0xFFFA;
        m.Program(0x0F, 0x01, 0xF0, 0x0F, 0x01, 0xE1); // lmsw %ax; smsw %ecx
        m.ToHalt();
        Assert.Equal((0x1Bul, 0x1Bu), (m.Cpu.Cr0, (uint)m[Gpr.Rcx]));
    }

    // vol. 2, SYSRET, SYSEXIT, SYSENTER.
    [Theory]
    [InlineData(new byte[] { 0x48, 0x0F, 0x07 }, 13)] // sysretq to a non-canonical RCX
    [InlineData(new byte[] { 0x48, 0x0F, 0x35 }, 13)] // sysexitq to a non-canonical RDX
    [InlineData(new byte[] { 0x0F, 0x01, 0xF8 }, -1)] // swapgs
    public void Returns_to_non_canonical_addresses_fault_in_the_kernel(byte[] code, int vector)
    {
        using SystemMachine m = new(64);
        m.Cpu.SysenterCs = 8;
        m.Cpu.KernelGsBase = 0x1234;
        (m[Gpr.Rcx], m[Gpr.Rdx]) = (0x8000_0000_0000, 0x8000_0000_0000);
        m.Program(code);
        if (vector >= 0)
        {
            Check(m, vector, 0, 0);
            return;
        }

        m.ToHalt();
        Assert.Equal((0x1234ul, 0ul), (m.Cpu.GetSegment(SegmentName.Gs).Base, m.Cpu.KernelGsBase));
    }

    // vol. 2, BOUND and INTO.
    [Theory]
    [InlineData(5u, -1)]
    [InlineData(10u, -1)]
    [InlineData(4u, 5)]
    [InlineData(11u, 5)]
    [InlineData(0x8000_0000u, 5)]
    public void BOUND_faults_outside_its_bounds(uint index, int vector)
    {
        using SystemMachine m = new();
        m.Write32(Data, 5);
        m.Write32(Data + 4, 10);
        (m[Gpr.Rax], m[Gpr.Rbx]) = (index, Data);
        m.Program(0x62, 0x03); // bound %eax,(%ebx)
        if (vector < 0)
            m.ToHalt();
        else
            m.ToVector(vector);
    }

    [Theory]
    [InlineData(0x802ul, true)]
    [InlineData(0x002ul, false)]
    public void INTO_traps_on_overflow(ulong flags, bool trap)
    {
        using SystemMachine m = new(32, 3);
        m.Program(0xCE, 0xCD, 0x80);
        m.Cpu.Rflags = flags;
        m.ToVector(trap ? 4 : 0x80);
        Assert.Equal(Code + (trap ? 1ul : 3), m.Stacked(0));
    }

    // vol. 1, 19.5.2: the I/O permission map, two bytes read, all ones beyond the limit.
    [Theory]
    [InlineData(0x60, 0x00, true)]
    [InlineData(0x60, 0x01, false)]
    [InlineData(0x62, 0x04, false)]
    [InlineData(0x3F8, 0x00, false)]
    public void The_IO_permission_map_decides_at_CPL_above_IOPL(int port, int map, bool allowed)
    {
        using SystemMachine m = new(32, 3);
        m.Cpu.SetSegment(SegmentName.Tr, new SegmentRegister(TaskSelector, Tss, 0x68 + 0xD, Tss32));
        m.Write(Tss + 0x68 + 0xC, [(byte)map, 0]);
        m[Gpr.Rdx] = (ulong)port;
        m.Program(0xEC); // in (%dx),%al
        CpuExit exit = m.Cpu.Run(2);
        Assert.Equal(allowed, exit.Reason == ExitReason.PortIn);
    }

    [Theory]
    [InlineData(new byte[] { 0x6E }, 4, SegmentName.Ds, false)] // outsb
    [InlineData(new byte[] { 0x67, 0x64, 0xF3, 0x6F }, 2, SegmentName.Fs, true)] // addr16 rep outsl %fs:(%si)
    [InlineData(new byte[] { 0x26, 0xF3, 0x6C }, 4, SegmentName.Es, true)] // rep insb
    public void A_string_port_exit_names_its_address_size_and_segment(byte[] code, int size, SegmentName segment, bool repeated)
    {
        using SystemMachine m = new();
        m.Program(code);
        CpuExit exit = m.Cpu.Run(2);
        Assert.Equal(((byte)size, segment, repeated), (exit.AddressSize, exit.Segment, exit.Repeated));
    }

    private static void Check(SystemMachine m, int vector, int error, ulong halt)
    {
        if (vector < 0)
        {
            Assert.Equal(halt, m.ToHalt());
            return;
        }

        m.ToVector(vector);
        Assert.Equal((ulong)error, m.Stacked(0));
    }
}
