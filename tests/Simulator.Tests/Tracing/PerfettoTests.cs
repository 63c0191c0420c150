using System.Text.Json;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Tracing;

/// <summary>
/// The rules of the Trace Event Format (Chromium's "Trace Event Format" document, which Perfetto's JSON importer follows): every event has ph, ts, pid, tid; B and E nest on
/// each track by time; instants have a scope; metadata names processes and threads.
/// </summary>
public sealed class PerfettoTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("pv64")]
    [InlineData("pv64 --dom0")]
    [InlineData("hvm --try unknown-xen-msr")]
    [InlineData("pv64 --xen 4.0 --until stage:setup_hypercall_page")]
    public void A_boot_follows_the_formats_rules(string arguments)
    {
        JsonElement[] events = Events(arguments);
        Assert.True(events.Length > 100);
        Dictionary<(int, int), Stack<string>> open = [];
        Dictionary<(int, int), double> last = [];
        HashSet<(int, int)> named = [];
        foreach (JsonElement e in events)
        {
            (int, int) track = (e.GetProperty("pid").GetInt32(), e.GetProperty("tid").GetInt32());
            string phase = e.GetProperty("ph").GetString()!, name = e.GetProperty("name").GetString()!;
            if (phase == "M")
            {
                Assert.Contains(name, new[] { "process_name", "thread_name" });
                Assert.NotEmpty(e.GetProperty("args").GetProperty("name").GetString()!);
                named.Add(name == "process_name" ? (track.Item1, -1) : track);
                continue;
            }

            Assert.Contains(track, named);
            Assert.Contains((track.Item1, -1), named);
            double time = e.GetProperty("ts").GetDouble();
            Assert.True(time >= last.GetValueOrDefault(track), $"{name} goes back in time");
            last[track] = time;
            switch (phase)
            {
                case "B":
                    if (!open.TryGetValue(track, out Stack<string>? stack))
                        open[track] = stack = new();
                    stack.Push(name);
                    break;
                case "E":
                    Assert.Equal(open[track].Pop(), name);
                    break;
                default:
                    Assert.Equal(("i", "t"), (phase, e.GetProperty("s").GetString()));
                    break;
            }
        }

        Assert.All(open.Values, Assert.Empty);
    }

    [Fact]
    public void Stages_hypercalls_exits_and_the_console_have_their_tracks()
    {
        JsonElement[] events = Events("hvm --try unknown-xen-msr");
        string[] tracks = [.. events.Where(e => e.GetProperty("ph").GetString() == "M").Select(e => e.GetProperty("args").GetProperty("name").GetString()!).Distinct()];
        Assert.Superset(new HashSet<string> { "tools in dom0", "Xen", "domain 1", "stages", "hypercalls", "vCPU 0", "console" }, tracks.ToHashSet());
        string[] categories = [.. events.Where(e => e.TryGetProperty("cat", out _)).Select(e => e.GetProperty("cat").GetString()!).Distinct()];
        Assert.Superset(new HashSet<string> { "stage", "hypercall", "exit", "console", "xenstore", "memory", "life" }, categories.ToHashSet());
    }

    [Fact]
    public void Run_shows_one_scenario()
    {
        string scenario = _folder.Write("a.yaml", "name: n\ndescription: d\nxen: \"4.17\"\npath: domu\nguest: {kernel: pv64, memory: 8}\nexpect: {outcome: powered-off}\n");
        string file = Path.Combine(_folder.Path, "p.json");
        Assert.Equal(ExitCode.Success, ProgramRun.With("run", scenario, "--perfetto", file).Exit);
        Assert.NotEqual(0, JsonDocument.Parse(File.ReadAllText(file)).RootElement.GetProperty("traceEvents").GetArrayLength());
        _folder.Write("b.yaml", File.ReadAllText(scenario));
        ProgramRun.With("run", _folder.Path, "--perfetto", file).MustRefuse("shows one scenario, there are 2");
    }

    private JsonElement[] Events(string arguments)
    {
        string file = Path.Combine(_folder.Path, "p.json");
        Assert.Equal(ExitCode.Success, ProgramRun.With(["boot", .. arguments.Split(' '), "--perfetto", file]).Exit);
        return [.. JsonDocument.Parse(File.ReadAllText(file)).RootElement.GetProperty("traceEvents").EnumerateArray()];
    }
}
