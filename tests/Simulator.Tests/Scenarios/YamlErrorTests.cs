using System.Text;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;

namespace XenSim.Simulator.Tests.Scenarios;

/// <summary>Wrong scenario files: each line of the table is one mistake, with the place and the words of its error.</summary>
public sealed class YamlErrorTests
{
    private const string Head = "name: n\ndescription: d\nxen: \"4.17\"\npath: domu\n";
    private const string Guest = "guest: {kernel: pv64}\n";
    private const string Expect = "expect: {outcome: powered-off}\n";
    private const string Good = Head + Guest + Expect;

    public static TheoryData<string, string, int, int, string> Mistakes => new()
    {
        { "unknown key with the nearest name", Good + "faluts: []\n", 7, 1, "a scenario has no key \"faluts\"; did you mean \"faults\"?" },
        { "unknown key in a nested mapping", Head + "guest:\n  kernel: pv64\n  memroy: 32\n" + Expect, 7, 3, "guest has no key \"memroy\"; did you mean \"memory\"?" },
        { "unknown expectation", Head + Guest + "expect:\n  consol: x\n", 7, 3, "expect has no key \"consol\"; did you mean \"console\"?" },
        { "duplicate key", Good + "xen: \"4.0\"\n", 7, 1, "the key \"xen\" stands twice in this mapping, first in line 3" },
        { "duplicate key in a nested mapping", Head + "guest: {kernel: pv64, kernel: pv32}\n" + Expect, 5, 23, "the key \"kernel\" stands twice" },
        { "missing key", "name: n\ndescription: d\npath: domu\n" + Guest + Expect, 1, 1, "a scenario lacks the key \"xen\"; add \"xen: …\"" },
        { "number expected, word found", Head + "guest: {kernel: pv64, memory: lots}\n" + Expect, 5, 31, "expected a number from 1 to 65536, found \"lots\"" },
        { "number in quotes", Head + "guest: {kernel: pv64, memory: \"32\"}\n" + Expect, 5, 31, "found \"32\"; remove the quotes" },
        { "number out of range", Head + "guest: {kernel: pv64, vcpus: 33}\n" + Expect, 5, 30, "expected a number from 1 to 32, found \"33\"" },
        { "list where a mapping belongs", Head + "guest: [pv64]\n" + Expect, 5, 8, "expected guest, found a list" },
        { "scalar at the top", "hello\n", 1, 1, "expected a scenario, found \"hello\"" },
        { "boolean expected", Head + "host: {pv32: yes}\n" + Guest + Expect, 5, 14, "expected true or false, found \"yes\"" },
        { "no such release", "name: n\ndescription: d\nxen: \"4.71\"\npath: domu\n" + Guest + Expect, 3, 6, "expected a Xen release, found \"4.71\"; did you mean \"4.17\"?" },
        { "no such path", "name: n\ndescription: d\nxen: \"4.17\"\npath: dom1\n" + Guest + Expect, 4, 7, "expected a path, found \"dom1\"; did you mean" },
        { "no such errno", Good + "faults:\n  - stage: build_pre\n    errno: EINVALID\n", 9, 12, "expected an errno, found \"EINVALID\"; did you mean \"EINVAL\"?" },
        { "fault without a point", Good + "faults:\n  - errno: EIO\n", 8, 5, "a fault needs one of \"stage\", \"hypercall\"" },
        { "fault with two points", Good + "faults:\n  - {errno: EIO, stage: a, hypercall: b}\n", 8, 5, "a fault needs one of" },
        { "fault without an errno", Good + "faults:\n  - stage: build_pre\n", 8, 5, "a fault needs \"errno\" (or, for a domctl, \"domain\")" },
        { "no such xenstore request", Good + "faults:\n  - {message: MKDIRR, errno: EIO}\n", 8, 15, "did you mean \"MKDIR\"?" },
        { "no such allocation", Good + "faults:\n  - allocation: order-21\n", 8, 17, "expected an allocation, as in order-0" },
        { "allocation with an errno", Good + "faults:\n  - {allocation: order-0, errno: ENOMEM}\n", 8, 5, "an allocation that fails has no errno" },
        { "seed that chooses nothing", Good + "faults:\n  - {stage: a, errno: EIO, seed: 3}\n", 8, 5, "a seed chooses with \"one-in\" only" },
        { "a step that does two things", Good + "script:\n  - {type: x, do: pause}\n", 8, 5, "a step does one thing: one of \"type\", \"do\"" },
        { "a step that does nothing", Good + "script:\n  - {domain: guest}\n", 8, 5, "a step that neither waits nor does anything" },
        { "no such action", Good + "script:\n  - do: paus\n", 8, 9, "expected an action, found \"paus\"; did you mean \"pause\"?" },
        { "no such virtual interrupt", Good + "script:\n  - inject: {virq: VIRQ_TIMR}\n", 8, 20, "did you mean \"VIRQ_TIMER\"?" },
        { "an event without a source", Good + "script:\n  - inject: {vcpu: 0}\n", 8, 13, "an event needs one of \"virq\" and \"port\"" },
        { "a step on nobody", Good + "script:\n  - {domain: guets, do: pause}\n", 8, 5, "there is no domain \"guets\"; did you mean \"guest\"?" },
        { "a comparison before its snapshot", Good + "script:\n  - compare: {snapshot: a, is: equal}\n", 8, 5, "no step before this one takes a snapshot \"a\"" },
        { "two snapshots of one name", Good + "script:\n  - snapshot: a\n  - snapshot: a\n", 9, 5, "there is a snapshot \"a\" already" },
        { "a range without a snapshot", Good + "script:\n  - {type: x, range: {virtual: 0, bytes: 1}}\n", 8, 5, "a range is of a snapshot" },
        { "a range beyond all addresses", Good + "script:\n  - {snapshot: a, range: {virtual: 0xffffffffffffffff, bytes: 2}}\n", 8, 26, "the range goes beyond the last address" },
        { "dom0 paused by itself", Good.Replace("path: domu", "path: dom0", StringComparison.Ordinal) + "script:\n  - do: pause\n", 8, 5, "no xl can pause the dom0 that it runs in" },
        { "no such built-in guest", Head + "guest: {kernel: pv46}\n" + Expect, 5, 17, "expected a built-in guest or a file, found \"pv46\"; did you mean \"pv64\"?" },
        { "missing kernel file", Head + "guest: {kernel: ./nosuch.elf}\n" + Expect, 5, 17, "the kernel \"./nosuch.elf\": no such file" },
        { "wrong until", Good + "until: forever\n", 7, 8, "expected shutdown, console:TEXT, hypercall:NAME or stage:NAME, found \"forever\"" },
        { "wrong time", Good + "limits: {virtual-time: 10min}\n", 7, 24, "expected virtual time, as in 10s" },
        { "odd hexadecimal digits", Head + Guest + "expect: {page: {slots: {23: \"51 4\"}}}\n", 6, 29, "pairs of hexadecimal digits" },
        { "slot beyond the page", Head + Guest + "expect: {page: {slots: {128: \"51\"}}}\n", 6, 25, "a slot number from 0 to 127" },
        { "short digest", Head + Guest + "expect: {page: {digest: abc}}\n", 6, 25, "a SHA-256, 64 hexadecimal digits" },
        { "no such register", Head + Guest + "expect: {registers: {rup: 0}}\n", 6, 22, "expected a register, found \"rup\"; did you mean" },
        { "no such start_info field", Head + Guest + "expect: {start-info: {nr_page: 1}}\n", 6, 23, "did you mean \"nr_pages\"?" },
        { "no such result", Head + Guest + "expect: {hypercalls: [{name: x, result: -EPREM}]}\n", 6, 41, "did you mean \"EPERM\"?" },
        { "memory without an address", Head + Guest + "expect: {memory: [{bytes: \"00\"}]}\n", 6, 19, "needs one of \"virtual\" and \"physical\"" },
        { "nothing expected", Head + Guest + "expect: {}\n", 1, 1, "a scenario that expects nothing proves nothing" },
        { "empty list of expectations", Head + Guest + "expect: {console: []}\n", 6, 19, "expected console texts, at least one" },
        { "32-bit hypervisor in 4.17", Good + "host: {bits: 32}\n", 1, 1, "the 32-bit hypervisor exists in Xen 4.0 only" },
        { "ring 0 on a 64-bit host", Good + "host: {supervisor-mode-kernel: true}\n", 7, 7, "supervisor-mode-kernel needs bits: 32" },
        { "pv guest on the hvm path", "name: n\ndescription: d\nxen: \"4.17\"\npath: hvm\n" + Guest + Expect, 1, 1, "the hvm path needs a guest of type hvm or pvh" },
        { "unclosed flow mapping", "name: {a\n", 2, 1, "not valid YAML" },
        { "tab as indentation", "guest:\n\tkernel: pv64\n", 2, 1, "a tab cannot indent YAML; use spaces" },
        { "second document", Good + "---\nname: m\n", 7, 1, "a second document starts here" },
        { "unknown alias", "name: *nobody\n", 1, 7, "the alias *nobody has no finished anchor before it" },
        { "alias to itself", "name: &a [*a]\n", 1, 11, "has no finished anchor before it" },
        { "tag", "name: !!binary aGk=\n", 1, 7, "has no meaning in a scenario" },
        { "mapping as a key", "{a: b}: c\n", 1, 1, "a key must be a plain word" },
        { "nested too deep", string.Concat(Enumerable.Repeat("[", 40)) + "\n", 1, 26, "nested deeper than 24 levels" },
    };

    [Fact]
    public void The_scenario_that_the_table_breaks_is_itself_right() => Assert.Equal("n", Load(Good).Name);

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void A_mistake_is_reported_at_its_line_and_column(string mistake, string yaml, int line, int column, string words)
    {
        InputException e = Assert.Throws<InputException>(() => Load(yaml));
        Diagnostic first = e.Diagnostics[0];
        Assert.True(first.ToString().Contains(words, StringComparison.Ordinal), $"{mistake}: {first}");
        Assert.Equal(new Mark(line, column), first.Mark);
    }

    [Fact]
    public void All_mistakes_of_a_file_are_reported_at_once()
    {
        InputException e = Assert.Throws<InputException>(() => Load(Head + "guest: {kernel: pv46, memory: x}\nexpect: {outcom: a}\n"));
        Assert.Equal(3, e.Diagnostics.Count);
    }

    [Fact]
    public void A_billion_laughs_file_is_refused_without_expanding_it()
    {
        StringBuilder yaml = new("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for (int i = 1; i < 12; i++)
            yaml.Append($"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n");
        InputException e = Assert.Throws<InputException>(() => Load(yaml.ToString()));
        Assert.Contains("counting what aliases stand for", e.Diagnostics[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_beyond_the_size_limit_is_refused()
    {
        InputException e = Assert.Throws<InputException>(() => Load(new string('#', 300_000)));
        Assert.Contains("at most 262144 bytes", e.Diagnostics[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_file_is_refused() => Assert.Contains("is empty", Assert.Throws<InputException>(() => Load("")).Diagnostics[0].Message, StringComparison.Ordinal);

    [Fact]
    public void A_binary_file_is_refused()
    {
        InputException e = Assert.Throws<InputException>(() => ScenarioFile.Parse("test.yaml", [0x7F, 0x45, 0x4C, 0x46, 0xFF, 0xFE], NoFile));
        Assert.Contains("not UTF-8", e.Diagnostics[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_alias_within_the_limits_is_as_good_as_what_it_stands_for()
    {
        Scenario scenario = Load(Head + "guest:\n  kernel: &k pv64\n  cmdline: *k\n" + Expect);
        Assert.Equal("pv64", scenario.Session.Guest.CommandLine);
    }

    private static Scenario Load(string yaml) => ScenarioFile.Parse("test.yaml", Encoding.UTF8.GetBytes(yaml), NoFile)[0];

    private static byte[] NoFile(string path) => throw new InputException(path, "no such file");
}
