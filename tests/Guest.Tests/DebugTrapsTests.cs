using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Guest.Tests.Support;

namespace XenSim.Guest.Tests;

/// <summary>The debugger's breakpoints and watched ranges: where the vCPU leaves, and that the guest and its count of instructions never notice.</summary>
public sealed class DebugTrapsTests
{
    private const ulong Code = 0x40_0000;
    private const ulong Data = 0x50_0000;

    /// <summary>mov ecx,1000; xor eax,eax; l: add eax,ecx; dec ecx; jnz l; syscall. Bytes from GNU as.</summary>
    private static readonly byte[] s_sumLoop = [0xB9, 0xE8, 0x03, 0, 0, 0x31, 0xC0, 0x01, 0xC8, 0xFF, 0xC9, 0x75, 0xFA, 0x0F, 0x05];

    /// <summary>mov $5,%ecx; l: mov %ecx,0x500000; dec %ecx; jnz l; mov 0x500000,%edx; syscall (absolute addresses with SIB). Bytes from GNU as.</summary>
    private static readonly byte[] s_stores =
        [0xB9, 5, 0, 0, 0, 0x89, 0x0C, 0x25, 0, 0, 0x50, 0, 0xFF, 0xC9, 0x75, 0xF5, 0x8B, 0x14, 0x25, 0, 0, 0x50, 0, 0x0F, 0x05];

    [Fact]
    public void A_breakpoint_in_the_midst_of_a_decoded_block_is_left_at_each_time()
    {
        using Machine m = Loaded(s_sumLoop);
        m.Cpu.Run(10);
        m.Memory.Traps.SetBreakpoints([Code + 9]);
        int hits = 0;
        CpuExit exit;
        while ((exit = m.Cpu.Run(1_000_000)).Reason == ExitReason.Breakpoint)
        {
            Assert.Equal(Code + 9, m.Cpu.Rip);
            hits++;
            m.Cpu.PassBreakpoint();
        }

        // Ten instructions were executed before: mov, xor, and the loop's three up to its third dec.
        Assert.Equal(1000 - 3, hits);
        Assert.Equal(ExitReason.Syscall, exit.Reason);
        Assert.Equal(500_500u, m.Cpu[Gpr.Rax]);
        Assert.Equal(2 + 3000, m.Cpu.RetiredInstructions);
    }

    [Fact]
    public void A_breakpoint_that_is_not_passed_is_come_to_again()
    {
        using Machine m = Loaded(s_sumLoop);
        m.Memory.Traps.SetBreakpoints([Code + 7]);
        for (int i = 0; i < 3; i++)
            Assert.Equal(ExitReason.Breakpoint, m.Cpu.Run(100).Reason);
        Assert.Equal(2, m.Cpu.RetiredInstructions);
        m.Memory.Traps.SetBreakpoints([]);
        Assert.Equal(ExitReason.Syscall, m.Cpu.Run(1_000_000).Reason);
    }

    [Theory]
    [InlineData(WatchSpace.Linear, true, false, 5)]
    [InlineData(WatchSpace.Linear, false, true, 1)]
    [InlineData(WatchSpace.Physical, true, true, 6)]
    public void A_watched_access_is_left_after_with_the_instruction_complete(WatchSpace space, bool writes, bool reads, int accesses)
    {
        using Machine m = Loaded(s_stores);
        Assert.True(m.Cpu.TryTranslate(new LinearAddress(Data), AccessKind.Read, 0, out PhysicalAddress physical, out _));
        m.Memory.Traps.SetWatchpoints([new WatchedRange(space, (space == WatchSpace.Linear ? Data : physical.Value) + 3, 1, reads, writes)]);
        List<(ulong Rip, bool Write)> seen = [];
        CpuExit exit;
        while ((exit = m.Cpu.Run(1_000_000)).Reason == ExitReason.Watchpoint)
        {
            WatchedAccess access = Assert.Single(m.Memory.Traps.Hits);
            Assert.Equal((Data, 4), (access.Address.Value, access.Size));
            seen.Add((m.Cpu.Rip, access.Write));
            m.Memory.Traps.ClearHits();
        }

        Assert.Equal(ExitReason.Syscall, exit.Reason);
        Assert.Equal(accesses, seen.Count);
        Assert.All(seen, s => Assert.Equal(s.Write ? Code + 12 : Code + 23, s.Rip));
        Assert.Equal(1u, m.Cpu[Gpr.Rdx]);
        Assert.Equal(1 + 15 + 1, m.Cpu.RetiredInstructions);
    }

    [Fact]
    public void An_access_beside_a_watched_range_is_none()
    {
        using Machine m = Loaded(s_stores);
        m.Memory.Traps.SetWatchpoints([new WatchedRange(WatchSpace.Linear, Data + 4, 8, true, true), new WatchedRange(WatchSpace.Linear, Data - 1, 1, true, true)]);
        Assert.Equal(ExitReason.Syscall, m.Cpu.Run(1_000_000).Reason);
        Assert.Empty(m.Memory.Traps.Hits);
    }

    [Fact]
    public void A_vCPU_that_was_disposed_lives_again_from_its_snapshot()
    {
        using Machine m = Loaded(s_sumLoop);
        m.Cpu.Run(7);
        CpuSnapshot snapshot = m.Cpu.Capture();
        m.Cpu.Dispose();
        m.Cpu.Restore(snapshot);
        Assert.Equal(7, m.Cpu.RetiredInstructions);
        Assert.Equal(ExitReason.Syscall, m.Cpu.Run(1_000_000).Reason);
        Assert.Equal(500_500u, m.Cpu[Gpr.Rax]);
    }

    private static Machine Loaded(byte[] code)
    {
        Machine m = new();
        m.Map(Code, 0x40);
        m.Map(Data, 0x50);
        m.Code(Code, code);
        m.Cpu.Rip = Code;
        return m;
    }
}
