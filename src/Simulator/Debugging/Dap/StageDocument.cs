using System.Text;
using XenSim.Hypervisor.Boot;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Session;
using XenSim.Simulator.Tracing;
using XenSim.Toolstack.Profiles;

namespace XenSim.Simulator.Debugging.Dap;

/// <summary>The stages of a session's path as a document, one a line, nested as the real calls nest: what an editor shows as the source.</summary>
internal sealed class StageDocument
{
    private sealed record Line(int Number, string Stage, Line? Caller);

    private readonly List<Line> _lines = [];
    private readonly StringBuilder _text = new();
    private int _count;

    public StageDocument(BootPath path, XenRelease release)
    {
        Name = $"{path.ToString().ToLowerInvariant()}, Xen {(release == XenRelease.V4_0 ? "4.0" : "4.17")}";
        Section("Xen comes up", StageInfo.Flatten(StartXen.Tree(BootSession.XenOptionsFor(new SessionOptions { Release = release, Path = path }, new EventStream(() => 0), new FaultPlan([])))));
        if (path == BootPath.Dom0)
        {
            Text = _text.ToString();
            return;
        }

        Section("The tools create the domain", StageInfo.Flatten(CallPaths.CreateDomain(release), without: path switch { BootPath.DomU => "HVM", BootPath.Hvm => "PV", _ => null }));
        string source = release == XenRelease.V4_0 ? "RELEASE-4.0.4" : "stable-4.17";
        // What is below depends on the command and the kind of page: it is entered, but has no line.
        Section(
            "A domctl of the tools, in Xen",
            [
                new StageInfo("do_domctl", 0, $"{source} xen/common/domctl.c", null, false),
                new StageInfo("arch_do_domctl", 1, $"{source} xen/arch/x86/domctl.c", "an architecture's command", false),
                release == XenRelease.V4_0
                    ? new StageInfo("hypercall_page_initialise", 2, $"{source} xen/arch/x86/traps.c", "XEN_DOMCTL_hypercall_init", false)
                    : new StageInfo("init_hypercall_page", 2, $"{source} xen/arch/x86/domain.c", "XEN_DOMCTL_hypercall_init", false),
            ]);
        Text = _text.ToString();
    }

    /// <summary>For people.</summary>
    public string Name { get; }

    public string Text { get; }

    /// <summary>Names of stages that have a line.</summary>
    public IEnumerable<string> Stages => _lines.Select(l => l.Stage).Distinct();

    /// <summary>The stage on a line, from 1; null: none is.</summary>
    public string? StageAt(long line) => _lines.Find(l => l.Number == line)?.Stage;

    /// <summary>The first line from this one on that has a stage; null: none.</summary>
    public int? NextStageLine(long line) => _lines.Find(l => l.Number >= line)?.Number;

    /// <summary>Where an open stage stands: of several lines of its name the one whose callers are its own. Null: it has no line.</summary>
    public int? LineOf(CallFrame frame)
    {
        Line? best = null;
        int longest = -1;
        foreach (Line line in _lines.Where(l => l.Stage == frame.Name))
        {
            int common = Common(line, frame);
            if (common > longest)
                (best, longest) = (line, common);
        }

        return best?.Number;
    }

    private static int Common(Line line, CallFrame frame)
    {
        int common = 0;
        CallFrame? f = frame.Caller;
        for (Line? l = line.Caller; l is not null && f is not null && l.Stage == f.Name; l = l.Caller, f = f.Caller)
            common++;
        return common;
    }

    private void Section(string title, IEnumerable<StageInfo> stages)
    {
        if (_count > 0)
            Write("");
        Write($"# {title}");
        List<Line> open = [];
        foreach (StageInfo stage in stages)
        {
            open.RemoveRange(stage.Depth, open.Count - stage.Depth);
            string when = stage.Condition is null ? "" : $"  (if {stage.Condition})";
            Write($"{new string(' ', 2 * stage.Depth)}{stage.Name}{when}{(stage.Rollback ? "  (rollback)" : "")}  # {stage.Source}");
            Line line = new(_count, stage.Name, open.Count > 0 ? open[^1] : null);
            _lines.Add(line);
            open.Add(line);
        }
    }

    private void Write(string line)
    {
        _text.Append(line).Append('\n');
        _count++;
    }
}
