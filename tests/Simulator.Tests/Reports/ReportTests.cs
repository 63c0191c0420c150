using System.Text.Json;
using System.Xml.Linq;
using XenSim.Simulator.Reports;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Reports;

/// <summary>JUnit, JSON and HTML from one suite, and shards put together.</summary>
public sealed class ReportTests : IDisposable
{
    private const string Good = "name: good\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64, memory: 8}\nexpect: {outcome: powered-off}\n";
    private readonly ScratchFolder _folder = new();

    public ReportTests()
    {
        _folder.Write("s/a.yaml", Good);
        _folder.Write("s/b.yaml", Good.Replace("name: good", "name: \"bad </script><b>&\"", StringComparison.Ordinal).Replace("outcome: powered-off", "console: [nosuch]", StringComparison.Ordinal));
        _folder.Write("s/many.yaml", Good.Replace("good", "many", StringComparison.Ordinal) + "matrix: {guest.memory: [8, 9, 10, 11]}\n");
        _folder.Write("s/left.yaml", Good.Replace("good", "left", StringComparison.Ordinal) + "skip: not today\n");
        _folder.Write("s/deep/d.yaml", Good.Replace("good", "other", StringComparison.Ordinal).Replace("4.17", "4.0", StringComparison.Ordinal));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Shards_put_together_are_the_whole_run_byte_for_byte()
    {
        Suite("--json", File_("whole.jsonl"), "--junit", File_("whole.xml"), "--html", File_("whole.html"));
        for (int i = 1; i <= 3; i++)
            Suite("--shard", $"{i}/3", "--json", File_($"part-{i}.jsonl"));
        ProgramRun merged = ProgramRun.With("report", "merge", File_("part-3.jsonl"), File_("part-1.jsonl"), File_("part-2.jsonl"), "--json", File_("merged.jsonl"), "--junit", File_("merged.xml"), "--html", File_("merged.html"));
        Assert.Equal(ExitCode.Failure, merged.Exit);
        Assert.EndsWith("6 of 8 scenarios passed, 1 failed, 1 skipped\n", merged.Output, StringComparison.Ordinal);
        foreach (string kind in new[] { "jsonl", "xml", "html" })
            Assert.Equal(File.ReadAllBytes(File_($"whole.{kind}")), File.ReadAllBytes(File_($"merged.{kind}")));
    }

    [Fact]
    public void A_shard_that_is_missing_is_an_error_and_strangers_are_refused()
    {
        Suite("--shard", "1/2", "--json", File_("one.jsonl"), "--filter", "many");
        ProgramRun half = ProgramRun.With("report", "merge", File_("one.jsonl"));
        Assert.Equal(ExitCode.InternalError, half.Exit);
        Assert.Contains("2 of 4 scenarios passed, 2 not-run", half.Output, StringComparison.Ordinal);
        Suite("--json", File_("other.jsonl"));
        ProgramRun.With("report", "merge", File_("one.jsonl"), File_("other.jsonl")).MustRefuse("of a suite of 8 scenarios");
        ProgramRun.With("report", "merge", File_("s/a.yaml")).MustRefuse("a.yaml:1:");
        _folder.Write("empty.jsonl", "");
        ProgramRun.With("report", "merge", File_("empty.jsonl")).MustRefuse("holds no result");
    }

    /// <summary>Every value of a result replaced by something else, one at a time: read, or refused in a line.</summary>
    [Fact]
    public void Broken_results_are_refused_and_never_crash_a_report()
    {
        Suite("--json", File_("r.jsonl"), "--filter", "good");
        string line = File.ReadAllText(File_("r.jsonl"));
        int refused = 0;
        foreach ((string from, string to) in new[] { ("\"domu\"", "\"moon\""), ("\"4.17\"", "\"9.9\""), ("\"passed\"", "\"fine\""), ("\"index\":0", "\"index\":7"), ("\"bits\":64", "\"bits\":5"), ("\"bytes\":\"H4s", "\"bytes\":\"AAA"), ("[0,", "[\"x\","), ("\"stages\":[[", "\"stages\":[[[") })
        {
            Assert.Contains(from, line, StringComparison.Ordinal);
            _folder.Write("broken.jsonl", line.Replace(from, to, StringComparison.Ordinal));
            ProgramRun run = ProgramRun.With("report", "merge", File_("broken.jsonl"), "--html", File_("broken.html"));
            run.MustRefuse("broken.jsonl:1:");
            refused++;
        }

        for (int at = 0; at < line.Length; at += 97)
        {
            _folder.Write("broken.jsonl", string.Concat(line.AsSpan(0, at), "}", line.AsSpan(at)));
            ProgramRun run = ProgramRun.With("report", "merge", File_("broken.jsonl"), "--html", File_("broken.html"));
            run.MustNotShowStack();
            refused += run.Exit == ExitCode.BadInput ? 1 : 0;
        }

        Assert.True(refused > 30, $"{refused} refused");
    }

    // Names and nesting of the elements: Jenkins' schema, which .ci/reports validates against.
    [Fact]
    public void The_JUnit_report_counts_explains_and_has_the_console()
    {
        Suite("--junit", File_("r.xml"));
        XElement suites = XDocument.Load(File_("r.xml")).Root!;
        Assert.Equal(("testsuites", "8", "1", "0"), (suites.Name.LocalName, suites.Attribute("tests")!.Value, suites.Attribute("failures")!.Value, suites.Attribute("errors")!.Value));
        Assert.Equal([("7", "1"), ("1", "0")], suites.Elements("testsuite").OrderByDescending(s => s.Attribute("tests")!.Value).Select(s => (s.Attribute("tests")!.Value, s.Attribute("failures")!.Value)));
        XElement[] cases = [.. suites.Elements("testsuite").Elements("testcase")];
        XElement bad = cases.Single(c => c.Attribute("name")!.Value.StartsWith("bad", StringComparison.Ordinal));
        Assert.Contains("\"nosuch\" is not on the console", bad.Element("failure")!.Attribute("message")!.Value, StringComparison.Ordinal);
        Assert.Contains("the last events before:", bad.Element("failure")!.Value, StringComparison.Ordinal);
        Assert.Contains("xensim debug", bad.Element("failure")!.Value, StringComparison.Ordinal);
        Assert.Equal("skipped: not today", cases.Single(c => c.Attribute("name")!.Value == "left").Element("skipped")!.Value);
        XElement good = cases.Single(c => c.Attribute("name")!.Value == "good");
        Assert.EndsWith("bye\n", good.Element("system-out")!.Value, StringComparison.Ordinal);
        Assert.Equal("system-out", Assert.Single(good.Elements()).Name.LocalName);
        Assert.Equal(suites.Attribute("time")!.Value, cases.Sum(c => decimal.Parse(c.Attribute("time")!.Value, System.Globalization.CultureInfo.InvariantCulture)).ToString("F9", System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>A guest's console may hold any bytes; the file must stay one that a parser reads, and the texts in it must be the guest's.</summary>
    [Fact]
    public void No_console_breaks_the_XML()
    {
        string all = string.Concat(Enumerable.Range(0, 256).Select(i => (char)i)) + "\ud800x\udc00]]>😀";
        using MemoryStream output = new();
        JUnitReport.Write(output, [new ScenarioReport { Name = all, File = "f\u0001.yaml", Verdict = Verdicts.Failed, Of = 1, Detail = all, Run = new RunReport { Console = all } }]);
        output.Position = 0;
        XElement read = XDocument.Load(output).Descendants("testcase").Single();
        Assert.Contains("]]>😀", read.Element("system-out")!.Value, StringComparison.Ordinal);
        Assert.Contains("ABCXYZ".AsSpan(0, 3).ToString(), read.Attribute("name")!.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void The_results_hold_what_a_report_shows()
    {
        Suite("--json", File_("r.jsonl"), "--filter", "good");
        JsonElement result = JsonDocument.Parse(File.ReadAllText(File_("r.jsonl"))).RootElement;
        JsonElement run = result.GetProperty("run");
        Assert.True(result.GetProperty("instructions").GetInt64() > 10_000);
        Assert.Contains(run.GetProperty("stages").EnumerateArray(), s => s[1].GetString() == "setup_hypercall_page" && s[3].GetString() == "r");

        // What xc_dom_alloc_segment prints of it: kernel, p2m, start info, xenstore, console, page tables, stack, and the first instruction.
        string[] memory = [.. run.GetProperty("memory").EnumerateArray().Select(m => m.GetProperty("name").GetString()!)];
        Assert.Equal(["kernel", "first instruction", "hypercall_page", "phys2mach", "start info", "xenstore", "console", "page tables", "boot stack"], memory);
        Assert.Contains(run.GetProperty("hypercalls").EnumerateArray(), c => c.GetProperty("by").GetString() == "guest" && c.GetProperty("name").GetString() == "SCHEDOP_shutdown");
    }

    private string File_(string name) => Path.Combine(_folder.Path, name);

    private ProgramRun Suite(params string[] options) => ProgramRun.With(["test", File_("s"), .. options]);
}
