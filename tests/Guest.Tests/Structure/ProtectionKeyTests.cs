using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using static XenSim.Guest.Tests.Structure.SystemMachine;

namespace XenSim.Guest.Tests.Structure;

/// <summary>Protection keys, INVPCID and CLZERO. SDM vol. 3A, 4.6.2 and 4.7, vol. 2; APM vol. 3.</summary>
public sealed class ProtectionKeyTests
{
    private const ulong P = 1, W = 2, U = 4, Wp = 0x10000, Pke = 0x400000;
    private const int Key = 5;

    // 4.6.2: AD stops every data access, WD writes by user mode, and by the supervisor under CR0.WP; 4.7: bit 5 of the error code.
    [Theory]
    [InlineData(3, AccessKind.Read, P | W | U, 1u, Wp, Pke, 0x25)]
    [InlineData(3, AccessKind.Write, P | W | U, 1u, Wp, Pke, 0x27)]
    [InlineData(3, AccessKind.Read, P | W | U, 2u, Wp, Pke, -1)]
    [InlineData(3, AccessKind.Write, P | W | U, 2u, 0ul, Pke, 0x27)]
    [InlineData(0, AccessKind.Write, P | W | U, 2u, Wp, Pke, 0x23)]
    [InlineData(0, AccessKind.Write, P | W | U, 2u, 0ul, Pke, -1)]
    [InlineData(0, AccessKind.Read, P | W | U, 1u, 0ul, Pke, 0x21)]
    [InlineData(0, AccessKind.Write, P | W, 3u, Wp, Pke, -1)] // a supervisor page has no key
    [InlineData(3, AccessKind.Execute, P | W | U, 3u, Wp, Pke, -1)]
    [InlineData(3, AccessKind.Write, P | U, 2u, Wp, Pke, 0x27)]
    [InlineData(3, AccessKind.Write, P | U, 0u, Wp, Pke, 7)]
    [InlineData(3, AccessKind.Write, P | W | U, 3u, Wp, 0ul, -1)]
    [InlineData(3, AccessKind.Read, 0ul, 3u, Wp, Pke, 4)]
    public void Rights_of_a_key_are_those_of_the_manual(int cpl, AccessKind kind, ulong leaf, uint rights, ulong cr0, ulong cr4, int error)
    {
        using SystemMachine m = new(64);
        m.Page(Data, leaf == 0 ? 0 : Data | leaf | ((ulong)Key << 59));
        SetRights(m, rights << (2 * Key));
        m.Cpu.Cr0 = (m.Cpu.Cr0 & ~Wp) | cr0;
        m.Cpu.Cr4 = (m.Cpu.Cr4 & ~Pke) | cr4;
        bool done = m.Cpu.TryTranslate(new LinearAddress(Data), kind, cpl, out _, out uint code);
        Assert.Equal((error < 0, error < 0 ? 0u : (uint)error), (done, code));
    }

    [Fact]
    public void Wrpkru_counts_for_the_next_access_to_a_page_that_was_used_before()
    {
        using SystemMachine m = new(64);
        m.Cpu.Cr4 |= Pke;
        m.Page(Data, Data | P | W | U | ((ulong)Key << 59));
        (m[Gpr.Rbx], m[Gpr.Rcx], m[Gpr.Rdx]) = (Data, 0, 0);
        m[Gpr.Rax] = 1 << (2 * Key);
        m.Program(0x8B, 0x33, 0x0F, 0x01, 0xEF, 0x8B, 0x33).ToVector(14); // mov (%rbx),%esi; wrpkru; mov (%rbx),%esi
        Assert.Equal((0x21ul, Data), (m.Stacked(0), m.Cpu.Cr2));
    }

    // Vol. 2, RDPKRU and WRPKRU.
    [Theory]
    [InlineData(0ul, 0ul, 0ul, (byte)0xEE, 6)]
    [InlineData(0ul, 0ul, 0ul, (byte)0xEF, 6)]
    [InlineData(Pke, 1ul, 0ul, (byte)0xEE, 13)]
    [InlineData(Pke, 1ul, 0ul, (byte)0xEF, 13)]
    [InlineData(Pke, 0ul, 1ul, (byte)0xEF, 13)]
    public void The_instructions_want_CR4_PKE_and_zeros(ulong cr4, ulong ecx, ulong edx, byte last, int vector)
    {
        using SystemMachine m = new(64);
        m.Cpu.Cr4 |= cr4;
        (m[Gpr.Rcx], m[Gpr.Rdx]) = (ecx, edx);
        m.Program(0x0F, 0x01, last).ToVector(vector);
    }

    [Fact]
    public void Rdpkru_reads_back_what_wrpkru_wrote()
    {
        using SystemMachine m = new(64);
        SetRights(m, 0xDEADBEEF);
        (m[Gpr.Rax], m[Gpr.Rdx]) = (0, ulong.MaxValue);
        m.Program(0x31, 0xC9, 0x0F, 0x01, 0xEE).ToHalt(); // xor %ecx,%ecx; rdpkru
        Assert.Equal((0xDEADBEEFul, 0ul), (m[Gpr.Rax], m[Gpr.Rdx]));
    }

    // Vol. 2, INVPCID: type, PCID, address; -1: no fault. Without CR4.PCIDE only PCID 0 exists.
    [Theory]
    [InlineData(0ul, 0ul, Data, -1)]
    [InlineData(0ul, 0ul, 1ul << 63, 13)]
    [InlineData(1ul, 0ul, 1ul << 63, -1)]
    [InlineData(1ul, 1ul, 0ul, 13)]
    [InlineData(2ul, 0ul, 0ul, -1)]
    [InlineData(2ul, 0x1000ul, 0ul, 13)]
    [InlineData(3ul, 0ul, 0ul, -1)]
    [InlineData(4ul, 0ul, 0ul, 13)]
    public void Invpcid_drops_translations_or_faults(ulong type, ulong pcid, ulong address, int vector)
    {
        using SystemMachine m = new(64);
        m.Page(Data, Data | P | W);
        m.Write64(Data + 0x1000, pcid);
        m.Write64(Data + 0x1008, address);
        (m[Gpr.Rbx], m[Gpr.Rcx], m[Gpr.Rax]) = (Data, Data + 0x1000, type);
        m.Write32(Data, 1);
        m.Write32(Data + 0x2000, 2);
        m.Program(0x8B, 0x33, 0xF4);
        m.ToHalt();
        m.Write64(0xA000 + (Data >> 12 << 3), (Data + 0x2000) | P | W); // without the flush of Page
        m.Program(0x66, 0x0F, 0x38, 0x82, 0x01, 0x8B, 0x3B);
        if (vector >= 0)
        {
            m.ToVector(vector);
            return;
        }

        m.ToHalt();
        Assert.Equal((1ul, 2ul), (m[Gpr.Rsi], m[Gpr.Rdi]));
    }

    [Fact]
    public void Clzero_clears_the_line_around_rax_and_nothing_else()
    {
        using SystemMachine m = new(64);
        for (ulong i = 0; i < 256; i += 8)
            m.Write64(Data + i, ulong.MaxValue);
        m[Gpr.Rax] = Data + 100;
        m.Program(0x0F, 0x01, 0xFC).ToHalt();
        Assert.All(Enumerable.Range(0, 32), i => Assert.Equal(i is >= 8 and < 16 ? 0 : ulong.MaxValue, m.Read64(Data + ((ulong)i * 8))));
    }

    private static void SetRights(SystemMachine m, uint rights)
    {
        m.Cpu.Cr4 |= Pke;
        (m[Gpr.Rax], m[Gpr.Rcx], m[Gpr.Rdx]) = (rights, 0, 0);
        m.Program(0x0F, 0x01, 0xEF).ToHalt();
    }
}
