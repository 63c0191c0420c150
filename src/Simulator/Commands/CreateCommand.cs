using System.CommandLine;
using System.Text;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Input;
using XenSim.Simulator.Session;
using XenSim.Toolstack.Configuration;
using XenSim.Toolstack.Libxl;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim create</c></summary>
internal static class CreateCommand
{
    private const long LargestConfiguration = 1 << 20;

    public static Command Build(Terminal terminal)
    {
        Argument<string> file = new("FILE.cfg") { Description = "A domain configuration in xl's own format." };
        DefaultedOption<XenRelease> release = Options.Release();
        DefaultedOption<CpuVendor> vendor = Options.Choice("--vendor", "The host CPU's maker.", CpuVendor.AMD, ("intel", CpuVendor.Intel), ("amd", CpuVendor.AMD));
        Option<bool> paused = new("-p") { Description = "Leave the domain paused." };
        Option<bool> exit = new("-e") { Description = "Do not wait for the end of the domain: on_poweroff and its siblings are not acted on." };
        Option<string?> trace = new("--trace") { Description = "Write all events to this file as JSON Lines.", HelpName = "FILE.jsonl" }, perfetto = BootRun.Perfetto(), symbols = BootRun.Symbols(), cores = BootRun.CoreDumps();
        Command command = new("create",
            """
            Creates the domain that an xl configuration file describes, and runs it.

            The guest's console goes to standard output, everything else to standard error. Files that the
            configuration names are looked up beside it; the name of a built-in guest is a kernel too.
            Exit codes are those of "xensim boot".

            Examples:
              xensim create guest.cfg
              xensim create guest.cfg --xen 4.0 -p -vvv
            """)
        {
            file, release, vendor, paused, exit, cores, symbols, trace, perfetto, Options.Verbosity(),
        };
        command.SetAction(parsed =>
        {
            DomainConfiguration domain = Read(parsed.GetRequiredValue(file), release.ValueIn(parsed), terminal);
            SessionOptions options = new()
            {
                Release = release.ValueIn(parsed),
                Path = domain.Type == DomainType.pv ? BootPath.DomU : BootPath.Hvm,
                Host = new HostSpec { Vendor = vendor.ValueIn(parsed) },
                Configuration = domain,
                Limits = new SessionLimits { Instructions = long.MaxValue, VirtualNanoseconds = ulong.MaxValue },
                Paused = parsed.GetValue(paused),
                DoNotWait = parsed.GetValue(exit),
                CoreFolder = BootRun.CoreFolder(parsed, cores),
            };
            return (int)BootRun.Execute(options, parsed.GetValue(symbols), parsed.GetValue(trace), parsed.GetValue(perfetto), Options.CountVerbosity(parsed), terminal);
        });
        return command;
    }

    /// <exception cref="InputException">xl would refuse the file, or names a file that cannot be read.</exception>
    internal static DomainConfiguration Read(string file, XenRelease release, Terminal terminal)
    {
        string text = Encoding.UTF8.GetString(InputFile.Read(file, LargestConfiguration));
        string folder = Path.GetDirectoryName(file) ?? "";
        XlDomain read = XlDomainReader.Read(file, text, release, name => Find(folder, name));
        foreach (XlMessage note in read.Notes)
            terminal.Error.WriteLine(At(file, note));
        return read.Domain
            ?? throw new InputException([.. read.Messages.Select(m => new Diagnostic(file, m.Line > 0 ? new Mark(m.Line, Math.Max(1, m.Column)) : null, m.Text))]);
    }

    private static ReadOnlyMemory<byte>? Find(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        if (File.Exists(path))
            return InputFile.Read(path);
        return BuiltInGuest.Find(name)?.Image;
    }

    private static string At(string file, XlMessage message) => message.Line > 0 ? $"{file}:{message.Line}: {message.Text}" : $"{file}: {message.Text}";
}
