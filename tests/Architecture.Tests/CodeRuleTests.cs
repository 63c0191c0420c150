using Mono.Cecil;
using XenSim.Architecture.Tests.Rules;

namespace XenSim.Architecture.Tests;

public sealed class CodeRuleTests
{
    private const string Broken = "XenSim.Architecture.Tests.Samples.Broken";
    private const string Good = "XenSim.Architecture.Tests.Samples.Good";
    private const string Instructions = "XenSim.Guest.Cpu.Instructions";
    private static readonly BannedApiRule s_banned = new(File.ReadLines(Path.Combine(AppContext.BaseDirectory, "BannedSymbols.txt")));

    public static TheoryData<string> CoreAssemblies => ImportRuleTests.CoreAssemblies;

    [Theory]
    [MemberData(nameof(CoreAssemblies))]
    public void Nothing_below_the_simulator_uses_a_banned_symbol(string name)
    {
        using var assembly = Repository.Assembly(name);
        Assert.Empty(s_banned.Violations(assembly.MainModule));
    }

    [Theory]
    [InlineData("ReadsTheClock", "System.DateTime")]
    [InlineData("ReadsTickCount", "TickCount64")]
    [InlineData("RollsDice", "System.Random")]
    [InlineData("InventsAGuid", "NewGuid")]
    [InlineData("ReadsAFileInALambda", "System.IO.File")]
    [InlineData("Prints", "System.Console")]
    [InlineData("HoldsATimerInAGeneric", "System.Threading.Timer")]
    [InlineData("StartsATask", "System.Threading.Tasks.Task")]
    public void Code_that_uses_a_banned_symbol_is_rejected(string type, string symbol)
    {
        using var own = OwnAssembly();
        Assert.Contains(s_banned.Violations(own.MainModule, Broken), v => v.Contains(type, StringComparison.Ordinal) && v.Contains(symbol, StringComparison.Ordinal));
    }

    [Fact]
    public void The_list_of_banned_symbols_is_read() => Assert.True(s_banned.Count > 15);

    [Theory]
    [MemberData(nameof(CoreAssemblies))]
    public void Nothing_below_the_simulator_keeps_static_state(string name)
    {
        using var assembly = Repository.Assembly(name);
        Assert.Empty(StaticStateRule.Violations(assembly.MainModule));
    }

    [Theory]
    [InlineData("PublicCounter.Count: not read-only")]
    [InlineData("HiddenCounter.s_count: not read-only")]
    [InlineData("SharedTable.Table: contents can be changed by everybody")]
    [InlineData("SharedList.Items: contents can be changed by everybody")]
    [InlineData("PerThread.t_count: thread-static")]
    public void Static_state_is_rejected(string violation)
    {
        using var own = OwnAssembly();
        Assert.Contains($"{Broken}.{violation}", StaticStateRule.Violations(own.MainModule, Broken));
    }

    /// <summary>What an instruction goes through: its handler, operands and flags, the TLB and the page walk, and the loop itself. Around it (blocks that are dropped, breakpoints that are set) lists are gone through.</summary>
    [Fact]
    public void Where_the_guest_runs_there_is_no_try()
    {
        string[] beside = ["VirtualCpu", "Branch", "Tlb", "PageWalk", "Operand", "MemoryForm", "Faults", "Flags"];
        using var assembly = Repository.Assembly("XenSim.Guest");
        List<TypeDefinition> hot = [.. CodeWalker.Types(assembly.MainModule, "XenSim.Guest.Cpu").Where(t => t.Namespace.StartsWith(Instructions, StringComparison.Ordinal) || beside.Contains(t.Name))];
        Assert.True(hot.Count > 100);
        Assert.Empty(beside.Except(hot.Select(t => t.Name)));
        Assert.Empty(HotCodeRule.Tries(hot));
    }

    [Fact]
    public void Integer_instructions_are_compiled_ahead()
    {
        using var assembly = Repository.Assembly("XenSim.Guest");
        Assert.True(CodeWalker.Types(assembly.MainModule, $"{Instructions}.GeneralPurpose").Count(t => t.IsInterface) > 3);
        Assert.Empty(HotCodeRule.StaticDefaults(assembly.MainModule, $"{Instructions}.GeneralPurpose"));
    }

    [Fact]
    public void Hot_code_that_breaks_its_rules_is_rejected()
    {
        using var own = OwnAssembly();
        IReadOnlyList<string> tries = HotCodeRule.Tries(CodeWalker.Types(own.MainModule, Broken));
        Assert.Contains($"{Broken}.Catches.Half: has a try", tries);
        Assert.Contains($"{Broken}.Locks.Enter: has a try", tries);
        Assert.Equal([$"{Broken}.IHasADefault.get_Writes: has a body"], HotCodeRule.StaticDefaults(own.MainModule, Broken));
    }

    [Fact]
    public void Code_that_keeps_the_rules_passes()
    {
        using var own = OwnAssembly();
        Assert.NotEmpty(CodeWalker.Types(own.MainModule, Good));
        Assert.Empty(s_banned.Violations(own.MainModule, Good));
        Assert.Empty(StaticStateRule.Violations(own.MainModule, Good));
        Assert.Empty(HotCodeRule.Tries(CodeWalker.Types(own.MainModule, Good)));
        Assert.Empty(HotCodeRule.StaticDefaults(own.MainModule, Good));
    }

    [Fact]
    public void Every_source_file_is_under_600_lines()
    {
        var files = SourceRule.Files(Repository.Root).ToList();
        Assert.True(files.Count > 50);
        Assert.Empty(SourceRule.Violations(files));
    }

    [Fact]
    public void A_file_of_600_lines_is_rejected()
        => Assert.Equal(["Long.cs: 600 lines"], SourceRule.Violations([("Short.cs", 599), ("Long.cs", 600)]));

    private static AssemblyDefinition OwnAssembly() => Repository.Assembly("XenSim.Architecture.Tests");
}
