namespace XenSim.Simulator.Tests.Scenarios;

/// <summary>Scenarios with several domains: what is expected of each, and what does not fit together. That they hold is in scenarios/several.</summary>
public sealed class DomainsTests
{
    private const string Head = "name: n\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64, memory: 8, name: a}\nexpect: {outcome: powered-off}\ndomains:\n";

    [Theory]
    [InlineData("b: {kernel: pv64, after: c}\n  c: {kernel: pv64, after: b}", "domains wait for each other, none would ever be created: b after c after b", 8, 28)]
    [InlineData("b: {kernel: pv64, after: [a, {domain: b, ended: true}]}", "domains wait for each other, none would ever be created: b after b", 8, 29)]
    [InlineData("b: {kernel: pv64, after: aa}", "there is no domain \"aa\"; did you mean \"a\"?", 8, 28)]
    [InlineData("a: {kernel: pv64}", "two domains have the name \"a\"", 1, 1)]
    [InlineData("b: {kernel: none}", "b: only a boot loader can have no kernel", 1, 1)]
    [InlineData("b: {kernel: pv64, name: c}", "a domain has no key \"name\"", 8, 21)]
    [InlineData("b: {kernel: pv64, after: {domain: a, console: x, ended: true}}", "it comes after a text or after the end, not both", 8, 28)]
    [InlineData("b: {kernel: pv64, expect: {log: x}}", "expect has no key \"log\"", 8, 30)]
    [InlineData("b: {kernel: hvm, type: hvm, tries: [domctl]}", "hvm cannot try domctl", 8, 6)]
    public void What_does_not_fit_together_is_refused_at_its_place(string domains, string words, int line, int column)
    {
        (string text, Input.Mark? mark) = ScriptTests.Wrong(Head + $"  {domains}\n");
        Assert.Contains(words, text, StringComparison.Ordinal);
        Assert.Equal(new Input.Mark(line, column), mark);
    }

    [Theory]
    [InlineData("b: {kernel: pv64, memory: 8, expect: {outcome: crashed}}", "expected crashed, got powered-off")]
    [InlineData("b: {kernel: pv64, memory: 8, tries: [reboot], expect: {outcome: powered-off}}", "expected powered-off, got rebooted")]
    [InlineData("b: {kernel: pv64, memory: 8, expect: {console: [I am domain 0]}}", "\"I am domain 0\" is not on the console")]
    [InlineData("b: {kernel: pv64, memory: 8, expect: {no-console: [bye]}}", "the console shows \"bye\"")]
    [InlineData("b: {kernel: pv32, memory: 8, expect: {page: {flavour: ring3}}}", "expected flavour ring3, got ring1")]
    [InlineData("b: {kernel: pv64, memory: 8, expect: {start-info: {nr_pages: 8192}}}", "nr_pages: expected 0x2000, got 0x800")]
    [InlineData("b: {kernel: pv32, memory: 8, expect: {registers: {cs: 0xe033}}}", "cs: expected 0xe033, got 0xe019")]
    [InlineData("b: {kernel: pv64, memory: 8, expect: {shutdown: crash}}", "expected shutdown crash, got poweroff")]
    [InlineData("b: {kernel: pv64, memory: 8, expect: {xenstore: {\"/local/domain/{domid}/name\": a}}}", "/local/domain/2/name: expected \"a\", got \"b\"")]
    [InlineData("b: {kernel: pv64, memory: 8, after: {domain: a, console: nobody says this}}", "b was never created: it is not so that a prints \"nobody says this\"")]
    [InlineData("b: {kernel: pv64, memory: 8, after: {domain: a, console: nobody says this}, expect: {registers: {cs: 0}}}", "no guest ever started")]
    public void What_is_expected_of_a_domain_is_looked_for_in_that_domain(string domains, string words)
        => Assert.Contains(words, ScriptTests.Wrong(Head + $"  {domains}\n").Text, StringComparison.Ordinal);
}
