using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using static XenSim.Guest.Tests.Structure.SystemMachine;

namespace XenSim.Guest.Tests.Structure;

/// <summary>Rights, reserved bits and what is cached. SDM vol. 3A, chapter 4.</summary>
public sealed class PagingTests
{
    private const ulong P = 1, W = 2, U = 4, Ps = 0x80, Nx = 1ul << 63;
    private const ulong Wp = 0x10000, Smep = 0x100000, Smap = 0x200000, Ac = 0x40000;

    // 4.6.1 and 4.7: rights by page, mode and kind of access; the error code, or -1 for an access that succeeds.
    [Theory]
    [InlineData(0, AccessKind.Read, P, 0ul, 0ul, 0ul, -1)]
    [InlineData(3, AccessKind.Read, P, 0ul, 0ul, 0ul, 5)]
    [InlineData(3, AccessKind.Write, P | U, 0ul, 0ul, 0ul, 7)]
    [InlineData(0, AccessKind.Write, P, 0ul, 0ul, 0ul, -1)]
    [InlineData(0, AccessKind.Write, P, Wp, 0ul, 0ul, 3)]
    [InlineData(0, AccessKind.Write, P | U, Wp, 0ul, 0ul, 3)]
    [InlineData(0, AccessKind.Execute, P | Nx, 0ul, 0ul, 0ul, 0x11)]
    [InlineData(3, AccessKind.Execute, P | U | Nx, 0ul, 0ul, 0ul, 0x15)]
    [InlineData(3, AccessKind.Read, P | U | Nx, 0ul, 0ul, 0ul, -1)]
    [InlineData(0, AccessKind.Execute, P | U, 0ul, 0ul, 0ul, -1)]
    [InlineData(0, AccessKind.Execute, P | U, 0ul, Smep, 0ul, 0x11)]
    [InlineData(0, AccessKind.Execute, P, 0ul, Smep, 0ul, -1)]
    [InlineData(3, AccessKind.Execute, P | U, 0ul, Smep, 0ul, -1)]
    [InlineData(0, AccessKind.Read, P | U, 0ul, Smap, 0ul, 1)]
    [InlineData(0, AccessKind.Write, P | W | U, 0ul, Smap, 0ul, 3)]
    [InlineData(0, AccessKind.Read, P | U, 0ul, Smap, Ac, -1)]
    [InlineData(0, AccessKind.Execute, P | U, 0ul, Smap, 0ul, -1)]
    [InlineData(3, AccessKind.Read, P | U, 0ul, Smap, 0ul, -1)]
    [InlineData(3, AccessKind.Write, 0ul, 0ul, 0ul, 0ul, 6)]
    [InlineData(0, AccessKind.Execute, 0ul, 0ul, 0ul, 0ul, 0x10)]
    public void Rights_of_a_page_are_those_of_the_manual(int cpl, AccessKind kind, ulong leaf, ulong cr0, ulong cr4, ulong flags, int error)
    {
        foreach (int bits in new[] { 32, 64 })
        {
            using SystemMachine m = new(bits, cpl);
            if (bits == 32)
                m.PagingPae();
            m.Cpu.Cr0 = (m.Cpu.Cr0 & ~Wp) | cr0;
            m.Cpu.Cr4 |= cr4;
            m.Cpu.Rflags = 2 | flags;
            m.Page(Data, leaf == 0 ? 0 : Data | leaf);
            bool done = m.Cpu.TryTranslate(new LinearAddress(Data), kind, cpl, out PhysicalAddress physical, out uint code);
            Assert.Equal((error < 0, error < 0 ? Data : 0ul, error < 0 ? 0u : (uint)error), (done, physical.Value, code));
        }
    }

    // 4.6.1: accesses to descriptor tables are implicit supervisor accesses, which AC does not let through SMAP.
    [Fact]
    public void A_descriptor_table_on_a_user_page_is_out_of_reach_under_SMAP_even_with_AC()
    {
        using SystemMachine m = new(64);
        m.Cpu.Cr4 |= Smap;
        m.Cpu.Rflags = 2 | Ac;
        for (ulong page = 0; page < 0x80000; page += 0x1000)
            m.Page(page, page | P | W);
        m.Page(Data, Data | P | W | U);
        m.Cpu.Gdtr = new DescriptorTableRegister(Data, 0xFF);
        m[Gpr.Rax] = KernelData;
        m.Program(0x8E, 0xD8); // mov %eax,%ds
        CpuExit exit = m.Cpu.Run(3);
        // The #PF cannot be delivered either, its handler's descriptor being in the same table.
        Assert.Equal((ExitReason.TripleFault, Data + 8), (exit.Reason, m.Cpu.Cr2));
    }

    // 4.5, tables 4-14 to 4-20; 4.4.2, tables 4-9 to 4-11: reserved bits give P | RSVD = 9.
    [Theory]
    [InlineData(64, 0x1_0000_0000_00ul, 36, 9)] // above MAXPHYADDR
    [InlineData(64, 0x8_0000_0000ul, 36, -1)] // the highest address bit there is
    [InlineData(32, 1ul << 36, 36, 9)]
    [InlineData(32, 1ul << 52, 36, 9)] // 62:52 are free to use in long mode only
    [InlineData(64, 1ul << 52, 36, -1)]
    public void Bits_beyond_the_physical_address_width_are_reserved(int bits, ulong extra, int width, int error)
    {
        using SystemMachine m = new(bits);
        if (bits == 32)
            m.PagingPae();
        m.Cpu.PhysicalAddressBits = width;
        m.Page(Data, Data | P | W | extra);
        bool done = m.Cpu.TryTranslate(new LinearAddress(Data), AccessKind.Read, 0, out _, out uint code);
        Assert.Equal((error == 9, error == 9 ? 9u : 0u), (!done && code == 9, error == 9 ? code : 0));
    }

    // 4.5, table 4-18: bits 20:13 of a 2 MiB page; NX without EFER.NXE.
    [Theory]
    [InlineData(0x2000ul, true, 9u)]
    [InlineData(0x20_0000ul, true, 0u)]
    [InlineData(Nx, false, 9u)]
    [InlineData(Nx, true, 0u)]
    public void Reserved_bits_of_a_large_page_are_checked(ulong extra, bool nxe, uint error)
    {
        using SystemMachine m = new(64);
        if (!nxe)
            m.Cpu.Efer &= ~0x800ul;
        m.Write64(0x9000 + 8, P | W | Ps | extra); // 2 MiB at 2 MiB
        m.Cpu.FlushTlb();
        bool done = m.Cpu.TryTranslate(new LinearAddress(0x20_1000), AccessKind.Read, 0, out PhysicalAddress p, out uint code);
        Assert.Equal((error == 0, error), (done, code));
        if (done)
            Assert.Equal(((extra & 0x20_0000) != 0 ? 0x20_0000ul : 0) + 0x1000, p.Value);
    }

    // 4.3, table 4-4: PSE-36.
    [Theory]
    [InlineData(0x2000ul, 40, 0x1_0000_0000ul)]
    [InlineData(0x2000ul, 32, ulong.MaxValue)]
    [InlineData(0x20_0000ul, 40, ulong.MaxValue)]
    public void A_4_MiB_page_has_its_high_address_bits_at_13(ulong extra, int width, ulong physical)
    {
        using var memory = new PhysicalMemory(0x10_0400);
        using var cpu = new VirtualCpu(memory, new Support.FixedPolicy(), Intercepts.None);
        cpu.PhysicalAddressBits = width;
        memory.TryWrite(new PhysicalAddress(0x1000), BitConverter.GetBytes((uint)(P | W | Ps | extra)));
        cpu.Cr4 = 0x10;
        cpu.Cr3 = 0x1000;
        cpu.Cr0 = 0x8000_0011;
        bool done = cpu.TryTranslate(new LinearAddress(0x123), AccessKind.Read, 0, out PhysicalAddress p, out uint code);
        Assert.Equal(physical == ulong.MaxValue ? (false, 0ul, 9u) : (true, physical + 0x123, 0u), (done, p.Value, code));
    }

    // 4.8: accessed is set in every entry used, dirty in the leaf of a write only.
    [Fact]
    public void Accessed_and_dirty_bits_are_set_when_they_should_be()
    {
        using SystemMachine m = new(64);
        m[Gpr.Rbx] = Data;
        m.Program(0x8B, 0x03, 0x89, 0x43, 0x04); // mov (%rbx),%eax; mov %eax,4(%rbx)
        m.Page(Data, Data | P | W);
        m.Cpu.Run(1);
        Assert.Equal((0x20ul, 0x20ul, 0x20ul), (m.Read64(0xA000 + (Data >> 9)) & 0x60, m.Read64(0x9000) & 0x60, m.Read64(Pml4) & 0x60));
        m.Cpu.Run(1);
        Assert.Equal(0x60ul, m.Read64(0xA000 + (Data >> 9)) & 0x60);
    }

    // 4.4.1: the four pointers are latched when CR3 is loaded, not when a translation needs them.
    [Fact]
    public void Page_directory_pointers_of_PAE_are_those_of_the_last_load_of_CR3()
    {
        using SystemMachine m = new();
        m.PagingPae();
        m.Write64(Pml4 + 8, 0);
        m.Program(0x8B, 0x03, 0x0F, 0x20, 0xDA, 0x0F, 0x22, 0xDA, 0x8B, 0x03); // mov (%ebx),%eax; mov %cr3,%edx; mov %edx,%cr3; mov (%ebx),%eax
        m[Gpr.Rbx] = 0x4000_0000 + Data;
        m.Cpu.FlushTlb();
        m.Write64(Pml4 + 8, 0x6001);
        m.ToVector(14);
        Assert.Equal(0x4000_0000 + Data, m.Cpu.Cr2);
        m.Cpu.Rip = Code + 2;
        Assert.Equal(Code + 10, m.ToHalt());
    }

    // 4.4.1: a load of CR3 that would latch reserved bits is #GP(0) and changes nothing. Also MOV CR0 that turns paging on.
    [Theory]
    [InlineData(0x2ul, true)]
    [InlineData(0x100ul, true)]
    [InlineData(1ul << 40, true)]
    [InlineData(1ul << 63, true)]
    [InlineData(0x18ul, false)]
    [InlineData(0xE00ul, false)]
    public void A_load_of_CR3_with_reserved_bits_in_a_pointer_is_refused(ulong extra, bool refused)
    {
        using SystemMachine m = new();
        m.PagingPae();
        m.Cpu.PhysicalAddressBits = 40;
        m.Write64(0x4000, 0x6001);
        m.Write64(0x4018, 0x6001 | extra);
        m[Gpr.Rdx] = 0x4000;
        m.Program(0x0F, 0x22, 0xDA); // mov %edx,%cr3
        if (refused)
            m.ToVector(13);
        else
            m.ToHalt();
        Assert.Equal(refused ? Pml4 : 0x4000, m.Cpu.Cr3);
    }

    // vol. 2, MOV to control registers.
    [Theory]
    [InlineData(0, 0x8000_0010ul, true)] // PG without PE
    [InlineData(0, 0x2000_0011ul, true)] // NW without CD
    [InlineData(0, 0x1_8000_0011ul, true)] // an upper bit
    [InlineData(0, 0x11ul, true)] // paging off in 64-bit code
    [InlineData(4, 0x0ul, true)] // PAE off in long mode
    [InlineData(4, 0x8020ul, true)] // a reserved bit
    [InlineData(4, 0x2_0020ul, false)] // PCIDE with a clean CR3
    [InlineData(3, 0x10_0000_0000_5000ul, true)] // above MAXPHYADDR
    [InlineData(8, 0x10ul, true)]
    [InlineData(8, 0x7ul, false)]
    public void A_reserved_value_of_a_control_register_is_refused(int register, ulong value, bool refused)
    {
        using SystemMachine m = new(64);
        m.Cpu.PhysicalAddressBits = 48;
        m[Gpr.Rax] = value;
        m.Program(register == 8 ? [0x44, 0x0F, 0x22, 0xC0] : [0x0F, 0x22, (byte)(0xC0 | (register << 3))]);
        if (refused)
            m.ToVector(13);
        else
            m.ToHalt();
        if (register == 8)
            Assert.Equal(refused ? 0ul : 7, m.Cpu.Cr8);
    }

    // vol. 3A, 4.10.4: what makes a changed entry be seen.
    [Theory]
    [InlineData(new byte[] { 0x0F, 0x01, 0x3B })] // invlpg (%rbx)
    [InlineData(new byte[] { 0x0F, 0x20, 0xD9, 0x0F, 0x22, 0xD9 })] // reload CR3
    [InlineData(new byte[] { 0x0F, 0x20, 0xE1, 0x48, 0x81, 0xF1, 0x80, 0x00, 0x00, 0x00, 0x0F, 0x22, 0xE1 })] // change CR4.PGE
    public void An_invalidation_makes_a_changed_entry_seen(byte[] invalidate)
    {
        using SystemMachine m = new(64);
        m.Write64(Data, 0x11);
        m.Write64(0x30000, 0x22);
        m[Gpr.Rbx] = Data;
        m[Gpr.Rsi] = 0xA000 + (Data >> 9);
        m[Gpr.Rdi] = 0x30003;
        // mov (%rbx),%al; mov %rdi,(%rsi); …; mov (%rbx),%ah
        m.Program([0x8A, 0x03, 0x48, 0x89, 0x3E, .. invalidate, 0x8A, 0x23]);
        m.ToHalt();
        Assert.Equal(0x2211u, (uint)m[Gpr.Rax] & 0xFFFF);
    }

    // vol. 1, 3.3.7.1 and vol. 2, the exceptions of 64-bit mode: #SS(0) through the stack, else #GP(0).
    [Theory]
    [InlineData(new byte[] { 0x8B, 0x03 }, 13)] // mov (%rbx),%eax
    [InlineData(new byte[] { 0x89, 0x03 }, 13)]
    [InlineData(new byte[] { 0x8B, 0x45, 0x00 }, 12)] // mov 0(%rbp),%eax
    [InlineData(new byte[] { 0x36, 0x8B, 0x03 }, 13)] // an SS prefix is ignored, as on the host
    [InlineData(new byte[] { 0x48, 0x89, 0xDC, 0x50 }, 12)] // mov %rbx,%rsp; push
    [InlineData(new byte[] { 0x48, 0x89, 0xDC, 0x58 }, 12)] // pop
    [InlineData(new byte[] { 0x48, 0x89, 0xDC, 0xC3 }, 12)] // ret
    [InlineData(new byte[] { 0xFF, 0xE3 }, 13)] // jmp *%rbx
    [InlineData(new byte[] { 0xFF, 0xD3 }, 13)] // call *%rbx
    [InlineData(new byte[] { 0xC9 }, 12)] // leave
    [InlineData(new byte[] { 0x0F, 0x01, 0x13 }, 13)] // lgdt (%rbx)
    [InlineData(new byte[] { 0x0F, 0x01, 0x3B }, -1)] // invlpg
    public void A_non_canonical_address_is_SS_or_GP(byte[] code, int vector)
    {
        using SystemMachine m = new(64);
        // #SS and #GP get a stack of their own, RSP being unusable.
        m.Vector(12, 0x8E, KernelCode, 1);
        m.Vector(13, 0x8E, KernelCode, 1);
        (m[Gpr.Rbx], m[Gpr.Rbp]) = (0x8000_0000_0010, 0x8000_0000_0010);
        m.Program(code);
        if (vector < 0)
        {
            m.ToHalt();
            return;
        }

        m.ToVector(vector);
        Assert.Equal(0ul, m.Stacked(0));
    }

    [Fact]
    public void An_access_across_the_end_of_the_canonical_half_faults()
    {
        using SystemMachine m = new(64);
        m[Gpr.Rbx] = 0x7FFF_FFFF_FFFC;
        m.Program(0x48, 0x8B, 0x03);
        CpuExit exit = m.Cpu.Run(2);
        // The lower half is not mapped: the page fault of the first page comes first.
        Assert.Equal((ExitReason.Halt, HandlerOf(14), 0x7FFF_FFFF_FFFCul), (exit.Reason, m.Cpu.Rip, m.Cpu.Cr2));
    }

    // vol. 3A, 6.15, interrupt 17: CR0.AM, RFLAGS.AC, CPL 3; words, doublewords, quadwords; no error code but 0.
    [Theory]
    [InlineData(3, 0x40000ul, Ac, 1, true)]
    [InlineData(3, 0x40000ul, Ac, 0, false)]
    [InlineData(3, 0ul, Ac, 1, false)]
    [InlineData(3, 0x40000ul, 0ul, 1, false)]
    [InlineData(0, 0x40000ul, Ac, 1, false)]
    public void Alignment_is_checked_at_CPL_3_only_when_asked_for(int cpl, ulong cr0, ulong flags, int offset, bool fault)
    {
        using SystemMachine m = new(32, cpl);
        m.Write(HandlerOf(13), [0xF4]);
        m.Cpu.Cr0 |= cr0;
        m[Gpr.Rbx] = Data + (ulong)offset;
        m.Program(0x66, 0x8B, 0x03, 0x8A, 0x03, 0xCD, 0x80); // mov (%ebx),%ax; mov (%ebx),%al; int $0x80
        m.Cpu.Rflags = 2 | flags;
        m.ToVector(fault ? 17 : 0x80);
        if (fault)
            Assert.Equal((0ul, Code), (m.Stacked(0), m.Stacked(1)));
    }

    [Theory]
    [InlineData(new byte[] { 0x8B, 0x03 }, AccessKind.Read, 4)]
    [InlineData(new byte[] { 0x88, 0x03 }, AccessKind.Write, 1)]
    [InlineData(new byte[] { 0x48, 0x89, 0x03 }, AccessKind.Write, 8)]
    public void An_access_where_no_memory_is_leaves_with_its_address_size_and_direction(byte[] code, AccessKind kind, int size)
    {
        using SystemMachine m = new(64);
        m.Page(Data, 0xFEE0_0003);
        m[Gpr.Rbx] = Data + 0x20;
        m.Program(code);
        CpuExit exit = m.Cpu.Run(2);
        Assert.Equal((ExitReason.PhysicalAccess, 0xFEE0_0020ul, (byte)size, (byte)kind), (exit.Reason, exit.Address, exit.Size, exit.Vector));
    }
}
