using System.Diagnostics;
using System.Text.RegularExpressions;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Reports;

/// <summary>The HTML report as a real browser sees it: headless Chromium opens it from disk, without network, and says what is in the page afterwards.</summary>
public sealed class HtmlReportTests : IDisposable
{
    private const string Good = "name: good\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64, memory: 8}\nexpect: {outcome: powered-off}\n";

    /// <summary>A page that takes longer has gone wrong. Unit: milliseconds.</summary>
    private const int Patience = 120_000;

    private readonly ScratchFolder _folder = new();

    public HtmlReportTests()
    {
        _folder.Write("s/a.yaml", Good);
        _folder.Write(
            "s/b.yaml",
            Good.Replace("name: good", "name: \"</script><b id=evil>bad\"", StringComparison.Ordinal).Replace("memory: 8}", "memory: 8}\nfaults: [{hypercall: XEN_DOMCTL_hypercall_init, errno: EPERM}]", StringComparison.Ordinal));
        Assert.Equal(ExitCode.Failure, ProgramRun.With("test", Path.Combine(_folder.Path, "s"), "--html", Report).Exit);
    }

    private string Report => Path.Combine(_folder.Path, "report.html");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void It_is_one_file_that_asks_nobody_for_anything()
    {
        string page = File.ReadAllText(Report);
        Assert.DoesNotMatch("(src|href)=\"(?!#)", Regex.Replace(page, "data-[a-z]+=", ""));
        Assert.DoesNotContain("http", page.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal).Replace("http-equiv", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("default-src 'none'", page, StringComparison.Ordinal);
    }

    [Fact]
    public void The_overview_has_every_verdict()
    {
        string page = Opened("");
        Assert.Contains("data-ready=\"true\"", page, StringComparison.Ordinal);
        Assert.Equal(2, Regex.Count(page, "<tr data-i="));
        Assert.Contains("1 failed</button>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("id=\"evil\"", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_scenario_that_passed_shows_its_stages_machine_memory_page_calls_and_console()
    {
        string page = Opened("#s0");
        foreach (string section in new[] { "stages", "machine", "memory", "page", "calls", "console" })
            Assert.Contains($"id=\"{section}\"", page, StringComparison.Ordinal);
        Assert.DoesNotContain("id=\"failure\"", page, StringComparison.Ordinal);
        Assert.Contains(">setup_hypercall_page<", page, StringComparison.Ordinal);
        Assert.Contains("syscall", page, StringComparison.Ordinal);
        Assert.Contains(">phys2mach<", page, StringComparison.Ordinal);
        Assert.Equal(128, Regex.Count(page, "<button type=\"button\" class=\"cell"));
        Assert.Contains("bye\n</pre>", page, StringComparison.Ordinal);

        // Walked from (start) to (done), and the states that were not entered are there too.
        Assert.Contains(">(done)</text>", page, StringComparison.Ordinal);
        Assert.Contains(">libxl__build_hvm</text>", page, StringComparison.Ordinal);
        Assert.Matches("[0-9]+ of 1[0-9]{2} states entered", page);
    }

    [Fact]
    public void A_scenario_that_failed_says_why_and_shows_the_way_up()
    {
        string page = Opened("#s1");
        Assert.Contains("id=\"failure\"", page, StringComparison.Ordinal);
        Assert.Contains("expected powered-off, got build-failed", page, StringComparison.Ordinal);
        Assert.Contains("xensim debug", page, StringComparison.Ordinal);
        Assert.Contains(">(failed)</text>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("id=\"evil\"", page, StringComparison.Ordinal);
        Assert.DoesNotContain("id=\"page\"", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_can_be_taken_of_it()
    {
        string picture = Path.Combine(_folder.Path, "report.png");
        Chromium($"--screenshot={picture}", "#s0");
        Assert.True(new FileInfo(picture).Length > 20_000, "an empty page");
    }

    private string Opened(string fragment) => Chromium("--dump-dom", fragment);

    private string Chromium(string what, string fragment)
    {
        string? browser = new[] { "chromium", "chromium-browser", "google-chrome" }
            .SelectMany(n => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(d => Path.Combine(d, n))).FirstOrDefault(File.Exists);
        if (browser is null)
        {
            Assert.SkipWhen(Environment.GetEnvironmentVariable("CI") is null or "", "chromium is not installed");
            Assert.Fail("chromium is not installed");
        }

        ProcessStartInfo start = new(browser!) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in new[] { "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1360,2400", "--virtual-time-budget=20000", $"--user-data-dir={_folder.Path}/profile", what, $"file://{Report}{fragment}" })
            start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.True(process.WaitForExit(Patience), "chromium did not come to an end");
        Assert.True(process.ExitCode == 0, error.Result);
        return output.Result;
    }
}
