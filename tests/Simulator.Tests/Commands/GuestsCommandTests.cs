using XenSim.Simulator.BuiltInGuests;

namespace XenSim.Simulator.Tests.Commands;

public sealed class GuestsCommandTests
{
    [Fact]
    public void It_writes_every_built_in_guest_as_it_is_booted()
    {
        using ScratchFolder folder = new();
        string target = Path.Combine(folder.Path, "new", "guests");
        Assert.Equal(ExitCode.Success, ProgramRun.With("guests", target).Exit);
        Assert.Equal(BuiltInGuest.All.Select(g => g.FileName).Order(StringComparer.Ordinal), Directory.EnumerateFiles(target).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        foreach (BuiltInGuest guest in BuiltInGuest.All)
            Assert.Equal(guest.Image.ToArray(), File.ReadAllBytes(Path.Combine(target, guest.FileName)));
    }

    [Fact]
    public void A_written_guest_boots_from_its_file()
    {
        using ScratchFolder folder = new();
        ProgramRun.With("guests", folder.Path);
        ProgramRun run = ProgramRun.With("boot", Path.Combine(folder.Path, "pv64.elf"));
        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Equal(ProgramRun.With("boot", "pv64").Output, run.Output);
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_one_clear_error() => ProgramRun.With("guests", "/dev/null/guests").MustRefuse("cannot be written");
}
