using System.Collections.Immutable;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios.Expectations;

/// <summary><c>registers: {rip: 0xffffffff80001000, cs: 0xe033}</c></summary>
internal static class RegistersExpectation
{
    public static readonly Field<ImmutableList<IExpectation>> Keyword = ExpectationCatalogue.Entries(
        "registers", "Registers of vCPU 0 before its first instruction.",
        new MapShape<string, ulong>("register names with numbers", new ChoiceShape<string>("a register", EntryRegisters.Names.ToDictionary(n => n)), NumberShape.Any),
        Moment.Entry, Check);

    private static string? Check(string register, ulong expected, IEvidence evidence)
    {
        ulong actual = evidence.Entry!.Registers[register];
        return actual == expected ? null : $"{register}: expected 0x{expected:x}, got 0x{actual:x}";
    }
}
