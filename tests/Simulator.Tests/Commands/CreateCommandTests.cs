namespace XenSim.Simulator.Tests.Commands;

/// <summary><c>xensim create</c> acts on the domain's end as xl does (stable-4.17 tools/xl/xl_vmcontrol.c: handle_domain_death).</summary>
public sealed class CreateCommandTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".cfg");

    [Fact]
    public void It_destroys_a_domain_that_has_powered_off()
    {
        ProgramRun run = Create("");
        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Contains("Action for shutdown reason code 0 is destroy", run.Error, StringComparison.Ordinal);
        Assert.Contains("Domain 1 needs to be cleaned up: destroying the domain", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void It_does_what_the_file_says()
    {
        ProgramRun run = Create("on_poweroff = \"preserve\"\n");
        Assert.Contains("Action for shutdown reason code 0 is preserve", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("destroying the domain", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void With_e_nobody_waits()
        => Assert.DoesNotContain("Waiting for domain", Create("", "-e").Error, StringComparison.Ordinal);

    [Fact]
    public void A_core_dump_stops_by_name()
    {
        ProgramRun run = Create("on_poweroff = \"coredump-destroy\"\n");
        Assert.Equal(ExitCode.Unimplemented, run.Exit);
        Assert.Contains("dumping core to /var/lib/xen/dump/guest", run.Error, StringComparison.Ordinal);
        Assert.Contains("libxl_domain_core_dump", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_action_is_refused()
    {
        ProgramRun run = Create("on_poweroff = \"explode\"\n");
        Assert.Equal(ExitCode.BadInput, run.Exit);
        Assert.Contains("Unknown on_poweroff action \"explode\" specified", run.Error, StringComparison.Ordinal);
    }

    public void Dispose() => File.Delete(_file);

    private ProgramRun Create(string more, params string[] options)
    {
        File.WriteAllText(_file, $"name = \"guest\"\ntype = \"pv\"\nkernel = \"pv64\"\nmemory = 32\n{more}");
        return ProgramRun.With(["create", _file, .. options]);
    }
}
