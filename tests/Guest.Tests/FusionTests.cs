using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Guest.Tests.Support;

namespace XenSim.Guest.Tests;

/// <summary>
/// Instructions that the vCPU does in one, and blocks that go on with the next by themselves, are left wherever single steps can be left: by the
/// budget, by a fault of either instruction, after a watched access, before a breakpoint, when the code is overwritten, by RFLAGS.TF. Where the memory
/// operand or the stack lies is tried all along the pages: mapped, read-only, missing, and the code itself.
/// </summary>
public sealed class FusionTests
{
    private const ulong Code = 0x40_0000, Data = 0x50_0000, Done = Code + 0x80;
    private const int Most = 80;

    /// <summary>Bytes from GNU as, and where the second instruction begins.</summary>
    public static readonly TheoryData<string, int> Shapes = new()
    {
        { "4839077402ffc20f05", 3 }, // cmp %rax,(%rdi); je 1f; inc %edx; 1: syscall
        { "837f08057c02ffc20f05", 4 }, // cmpl $5,8(%rdi); jl 1f; inc %edx; 1: syscall
        { "3b0f7702ffc20f05", 2 }, // cmp (%rdi),%ecx; ja 1f; inc %edx; 1: syscall
        { "f64703017502ffc20f05", 4 }, // testb $1,3(%rdi); jnz 1f; inc %edx; 1: syscall
        { "48850f7802ffc20f05", 3 }, // test %rcx,(%rdi); js 1f; inc %edx; 1: syscall
        { "803f007502ffc20f05", 3 }, // cmpb $0,(%rdi); jne 1f; inc %edx; 1: syscall
        { "5051ffc20f05", 1 }, // push %rax; push %rcx; inc %edx; syscall
        { "5450ffc20f05", 1 }, // push %rsp; push %rax; inc %edx; syscall
        { "5054ffc20f05", 1 }, // push %rax; push %rsp; inc %edx; syscall
        { "5859ffc20f05", 1 }, // pop %rax; pop %rcx; inc %edx; syscall
        { "585cffc20f05", 1 }, // pop %rax; pop %rsp; inc %edx; syscall
        { "5c58ffc20f05", 1 }, // pop %rsp; pop %rax; inc %edx; syscall
        { "58c3", 1 }, // pop %rax; ret
        { "59c21800", 1 }, // pop %rcx; ret $24
        { "5cc3", 1 }, // pop %rsp; ret
        { "e802000000ffc2580f05", 7 }, // call 1f; inc %edx; 1: pop %rax; syscall
        { "5351525e585b0f05", 1 }, // push %rbx; push %rcx; push %rdx; pop %rsi; pop %rax; pop %rbx; syscall
    };

    /// <summary>
    /// mov $400,%ecx; 1: call 2f; dec %ecx; jnz 1b; syscall; 2: push %rbx; push %rcx; add %ecx,%edx; rol $5,%edx; cmpl $7,(%rdi); je 3f; inc %edx;
    /// 3: pop %rcx; pop %rbx; ret. Bytes from GNU as.
    /// </summary>
    private static readonly byte[] s_calls =
    [
        0xB9, 0x90, 0x01, 0, 0, 0xE8, 0x06, 0, 0, 0, 0xFF, 0xC9, 0x75, 0xF7, 0x0F, 0x05, 0x53, 0x51, 0x01, 0xCA, 0xC1, 0xC2, 0x05,
        0x83, 0x3F, 0x07, 0x74, 0x02, 0xFF, 0xC2, 0x59, 0x5B, 0xC3,
    ];

    /// <summary>The middle and both ends of two mapped pages, a read-only one and one that is missing; and the code.</summary>
    private static readonly ulong[] s_places =
    [
        .. new[] { Data, Data + 0x1000, Data + 0x2000, Data + 0x3000 }.SelectMany(p => Enumerable.Range(-6, 12).Select(i => p + (ulong)(i * 4))),
        Data + 0x800, 0x8000_0000_0000_0000 - 8, .. Enumerable.Range(0, 12).Select(i => Code + (ulong)i),
    ];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Cut_by_the_budget_a_pair_is_two_instructions(string code, int second)
    {
        using Machine whole = Flat(), steps = Flat();
        int faults = 0;
        foreach (ulong place in s_places)
        {
            string expected = Trace(steps, code, place, _ => 1, 0x202);
            faults += expected.Contains(nameof(ExitReason.Exception), StringComparison.Ordinal) ? 1 : 0;
            for (int first = 1; first <= 4; first++)
                Assert.Equal(expected, Trace(whole, code, place, done => done == 0 ? first : Most, 0x202));
        }

        Assert.True(faults > 8, $"{faults} of {s_places.Length} fault; the second instruction is at {second}");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void A_watched_byte_is_reported_between_the_two(string code, int second)
    {
        using Machine whole = Flat(), steps = Flat();
        int hits = 0;
        foreach (ulong place in s_places.Where(p => p < Data + 0x3000))
        {
            for (int offset = -16; offset <= 16; offset += 4)
            {
                WatchedRange range = new(WatchSpace.Linear, place + (ulong)offset, 4, true, true);
                Watch(steps, range);
                string expected = Trace(steps, code, place, _ => 1, 0x202);
                hits += expected.Contains(nameof(ExitReason.Watchpoint), StringComparison.Ordinal) ? 1 : 0;
                Watch(whole, range);
                Assert.Equal(expected, Trace(whole, code, place, _ => Most, 0x202));
                Watch(whole, range);
                Assert.Equal(expected, Trace(whole, code, place, _ => Most, 0x202, again: true));
            }
        }

        Assert.True(hits > 20, $"{hits} hits; the second instruction is at {second}");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void A_breakpoint_on_the_second_is_left_at(string code, int second)
    {
        using Machine m = Flat();
        Trace(m, code, Data + 0x800, _ => Most, 0x202);
        m.Memory.Traps.SetBreakpoints([Code + (ulong)second]);
        Start(m, code, Data + 0x800, 0x202);
        long before = m.Cpu.RetiredInstructions;
        Assert.Equal(ExitReason.Breakpoint, m.Cpu.Run(Most).Reason);
        Assert.Equal(Code + (ulong)second, m.Cpu.Rip);
        Assert.Equal(1, m.Cpu.RetiredInstructions - before);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Single_stepped_by_the_guest_each_instruction_traps(string code, int second)
    {
        using Machine whole = Flat(), steps = Flat();
        foreach (ulong place in s_places)
        {
            string expected = Trace(steps, code, place, _ => 1, 0x302);
            Assert.Contains($"{nameof(ExitReason.Exception)}.1.0@", Trace(steps, code, Data + 0x800, _ => 1, 0x302), StringComparison.Ordinal);
            Assert.Equal(expected, Trace(whole, code, place, _ => Most, 0x302));
        }

        Assert.True(second > 0);
    }

    [Fact]
    public void Blocks_that_follow_each_other_stop_after_exactly_the_budget()
    {
        using Machine whole = Flat(), steps = Flat();
        string code = Convert.ToHexString(s_calls);
        Start(steps, code, Data + 0x800, 0x202);
        long done = 0;
        for (int budget = 1; budget < 2200; budget += budget is > 500 and < 530 or > 1010 and < 1040 ? 1 : 13)
        {
            for (; done < budget; done++)
                Assert.Equal(ExitReason.BudgetSpent, steps.Cpu.Run(1).Reason);
            Start(whole, code, Data + 0x800, 0x202);
            long before = whole.Cpu.RetiredInstructions;
            Assert.Equal(ExitReason.BudgetSpent, whole.Cpu.Run(budget).Reason);
            Assert.Equal(budget, whole.Cpu.RetiredInstructions - before);
            Assert.Equal(State(steps), State(whole));
        }
    }

    /// <summary>Forgets a hit that a fault of the same instruction left to be reported.</summary>
    private static void Watch(Machine m, WatchedRange range)
    {
        m.Memory.Traps.SetWatchpoints([]);
        m.Memory.Traps.SetWatchpoints([range]);
    }

    /// <summary>Everything that can be seen from outside until the guest's syscall, a fault or <see cref="Most"/> instructions.</summary>
    private static string Trace(Machine m, string code, ulong place, Func<int, int> slice, uint flags, bool again = false)
    {
        Start(m, code, place, flags, again);
        StringBuilder log = new();
        long start = m.Cpu.RetiredInstructions;
        for (int events = 0; events < Most;)
        {
            int done = (int)(m.Cpu.RetiredInstructions - start);
            if (done >= Most)
                break;
            CpuExit exit = m.Cpu.Run(Math.Min(slice(done), Most - done));
            if (exit.Reason == ExitReason.BudgetSpent)
                continue;
            events++;
            log.Append(CultureInfo.InvariantCulture, $"{m.Cpu.RetiredInstructions - start}:{exit.Reason}.{exit.Vector}.{exit.ErrorCode:x}@{m.Cpu.Rip:x},{exit.Address:x},{exit.NextRip:x} {State(m)}\n");
            if (exit.Reason == ExitReason.Watchpoint)
                log.AppendJoin(' ', m.Memory.Traps.Hits).Append('\n');
            m.Memory.Traps.ClearHits();
            if (exit.Reason != ExitReason.Watchpoint && (exit.Reason != ExitReason.Exception || exit.Vector != 1))
                break;
        }

        return log.Append(State(m)).ToString();
    }

    private static string State(Machine m)
    {
        StringBuilder log = new();
        log.Append(CultureInfo.InvariantCulture, $"{m.Cpu.Rip:x} {m.Cpu.Rflags:x}");
        for (int r = 0; r < 16; r++)
            log.Append(CultureInfo.InvariantCulture, $" {m.Cpu[(Gpr)r]:x}");
        foreach (ulong frame in new ulong[] { 0x300, 0x310, 0x311, 0x312 })
            log.Append(' ').Append(Convert.ToHexString(SHA256.HashData(m.Memory.Readable(frame)))[..8]);
        return log.ToString();
    }

    /// <summary>All pages hold the address of a SYSCALL, the code page the code too; RDI and RSP are the place.</summary>
    private static void Start(Machine m, string code, ulong place, uint flags, bool again = false)
    {
        byte[] page = new byte[0x1000];
        for (int i = 0; i < page.Length; i += 8)
            BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(i), Done);
        foreach (ulong frame in new ulong[] { 0x310, 0x311, 0x312 })
            m.Memory.TryWrite(new PhysicalAddress(frame << 12), page);
        Convert.FromHexString(code).CopyTo(page, 0);
        page[0x80] = 0x0F;
        page[0x81] = 0x05;
        // Written over only if it is not the same, so that what was decoded stays.
        if (!again || !m.Memory.Readable(0x300).SequenceEqual(page))
            m.Memory.TryWrite(new PhysicalAddress(0x300 << 12), page);
        for (int r = 0; r < 16; r++)
            m.Cpu[(Gpr)r] = (ulong)r * 0x1234_5678_9ABC;
        m.Cpu[Gpr.Rdi] = m.Cpu[Gpr.Rsp] = place;
        m.Cpu.Rip = Code;
        m.Cpu.Rflags = flags;
    }

    private static Machine Flat()
    {
        Machine m = new();
        m.Map(Code, 0x300);
        m.Map(Data, 0x310);
        m.Map(Data + 0x1000, 0x311);
        m.Map(Data + 0x2000, 0x312, 5);
        return m;
    }
}
