using System.CommandLine;
using System.Text;
using XenSim.Simulator.Debugging;
using XenSim.Simulator.Debugging.Prompt;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Session;
using XenSim.Toolstack.Libxl;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim debug</c></summary>
internal static class DebugCommand
{
    /// <summary>Unit: bytes.</summary>
    private const long LongestScript = 1 << 20;

    private sealed record Given(
        BootCommand.Given Boot, Option<string[]> Scripts, Option<string?> Record, DefaultedOption<ulong> Memory, DefaultedOption<ulong> Interval, Option<bool> NoHistory, Option<string[]> Symbols, Option<int?> Case,
        Option<string?> Scenario, DefaultedOption<ulong> Seed, Option<string?> Goto, Option<string?> Gdb);

    public static Command Build(Terminal terminal)
    {
        (Command command, Given given) = Declare();
        command.SetAction(parsed => (int)Run(parsed, given, terminal));
        return command;
    }

    private static (Command Command, Given Given) Declare()
    {
        Given given = new(
            BootCommand.Declare(new Argument<string>("TARGET") { Description = "A scenario (.yaml), a configuration (.cfg), a recording, a kernel file, or a built-in guest." }),
            new Option<string[]>("-x") { Description = "Execute the prompt's commands in this file first. May be repeated.", HelpName = "FILE", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false },
            new Option<string?>("--record") { Description = "Save the session as a recording when leaving.", HelpName = "FILE" },
            Options.Number("--history-memory", "What history may take (default 1024).", "MiB", 1024, 16, 1 << 20),
            Options.Number("--history-interval", "Distance of captured states (default 20000000).", "INSTRUCTIONS", 20_000_000, 100, long.MaxValue / 1024),
            new Option<bool>("--no-history") { Description = "Capture nothing: going back runs everything again." },
            new Option<string[]>("--symbols") { Description = "Symbols of the guest: an ELF file or a System.map. May be repeated.", HelpName = "FILE", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false },
            new Option<int?>("--case") { Description = "Which of the scenario's combinations, from 1.", HelpName = "N" },
            new Option<string?>("--scenario") { Description = "The same by name, as reports print it.", HelpName = "NAME" },
            Options.Number("--seed", "The scenario's seed, as xensim test --seed.", "N", 0, 0, ulong.MaxValue),
            new Option<string?>("--goto") { Description = "Go there first, as the prompt's goto does: event:N, instruction:N, stage:NAME or end.", HelpName = "MOMENT" },
            new Option<string?>("--gdb") { Description = "Wait for gdb at 127.0.0.1:PORT, [::1]:PORT or unix:PATH instead of reading commands; port 0: any that is free.", HelpName = "ADDRESS" });
        Command command = new("debug",
            """
            Steps a boot forwards and backwards: by stage, by hypercall, by instruction.

            The prompt's commands come from -x files, then from standard input; "help" lists them.
            For a kernel the options are those of "xensim boot". With --gdb the guest is held before its
            first instruction, gdb may come ("target remote ADDRESS") and go, and Ctrl-C ends it.
            Exit codes: 0 left by quit or at the end of input, 1 a command was wrong, 2 bad input.

            Examples:
              xensim debug pv64
              xensim debug scenarios/domu/pv64-xen-4.17.yaml -x commands.txt
              printf 'break setup_hypercall_page\ncontinue\nstep 4\nbt\n' | xensim debug pv64
              xensim debug scenarios/domu/pv64-xen-4.17.yaml --goto stage:setup_hypercall_page
              xensim debug pv64 --gdb 127.0.0.1:1234
              xensim debug vmlinuz --ramdisk initrd.gz --symbols System.map --record boot.xensim
            """);
        BootCommand.Given b = given.Boot;
        foreach (Option option in (Option[])[
            b.Type, b.Dom0, b.Ramdisk, b.CommandLine, b.Memory, b.Vcpus, b.Release, b.Vendor, b.HostBits, b.Supervisor, b.HostMemory, b.HostCpus, b.XenCommandLine, b.MaxInstructions, b.Notes, b.Tries,
            b.Viridian, b.OnPoweroff, b.OnReboot, b.OnCrash, given.Scripts, given.Record, given.Memory, given.Interval, given.NoHistory, given.Symbols, given.Case, given.Scenario, given.Seed, given.Goto, given.Gdb])
        {
            command.Add(option);
        }

        command.Add(b.Kernel);
        return (command, given);
    }

    /// <summary>A session from what stands after <c>xensim debug</c>, for a front of another command.</summary>
    /// <exception cref="InputException">The words are wrong.</exception>
    public static DebugSession Open(IReadOnlyList<string> words, Terminal terminal)
    {
        (Command command, Given given) = Declare();
        ParseResult parsed = command.Parse(words);
        return parsed.Errors.Count == 0
            ? OpenTarget(parsed, given, words, terminal)
            : throw new InputException([.. parsed.Errors.Select(e => new Diagnostic("xensim debug", null, e.Message))]);
    }

    private static ExitCode Run(ParseResult parsed, Given given, Terminal terminal)
    {
        using DebugSession debug = OpenTarget(parsed, given, [.. parsed.Tokens.Select(t => t.Value).SkipWhile(w => w == "debug")], terminal);
        ExitCode exit = parsed.GetValue(given.Gdb) is { } address ? GdbFront.Serve(debug, address, terminal) : Converse(debug, parsed, given, terminal);
        if (parsed.GetValue(given.Record) is { } recording)
            Save(debug, recording);
        return exit;
    }

    private static DebugSession OpenTarget(ParseResult parsed, Given given, IReadOnlyList<string> arguments, Terminal terminal)
    {
        string target = parsed.GetRequiredValue(given.Boot.Kernel);
        if (Recording.TryRead(target) is not { } recording)
            return Open(parsed, given, parsed, given, arguments, terminal);
        (Command command, Given then) = Declare();
        ParseResult recorded = command.Parse([.. recording.Arguments]);
        if (recorded.Errors.Count > 0)
            throw new InputException(target, "the recorded arguments are not understood", recorded.Errors[0].Message);
        DebugSession again = Open(recorded, then, parsed, given, recording.Arguments, terminal);
        again.Expect(recording.Changes);
        recording.Follow(again, target);
        return again;
    }

    /// <param name="asked">Says what is booted.</param>
    /// <param name="parsed">Says how history is kept.</param>
    private static DebugSession Open(ParseResult asked, Given what, ParseResult parsed, Given given, IReadOnlyList<string> arguments, Terminal terminal)
    {
        DebugSettings settings = new()
        {
            KeepHistory = !parsed.GetValue(given.NoHistory),
            Interval = (long)given.Interval.ValueIn(parsed),
            MemoryBound = (long)given.Memory.ValueIn(parsed) << 20,
        };
        DebugSession debug = new(ReadTarget(asked, what, terminal), settings) { Arguments = arguments };
        foreach (string file in asked.GetValue(what.Symbols) ?? [])
        {
            Symbols symbols = Symbols.Read(InputFile.Read(file));
            if (symbols.Count == 0)
                throw new InputException(file, "has no symbols", "give an ELF file that is not stripped, or a System.map");
            debug.Inspect.Symbols = debug.Inspect.Symbols.With(symbols);
        }

        return debug;
    }

    private static SessionOptions ReadTarget(ParseResult parsed, Given given, Terminal terminal)
    {
        string target = parsed.GetRequiredValue(given.Boot.Kernel);
        switch (Path.GetExtension(target))
        {
            case ".yaml" or ".yml":
                SessionOptions scenario = ReadScenario(target, parsed.GetValue(given.Case), parsed.GetValue(given.Scenario));
                return given.Seed.WasGiven(parsed) ? scenario with { Seed = given.Seed.ValueIn(parsed) } : scenario;
            case ".cfg":
                DomainConfiguration domain = CreateCommand.Read(target, given.Boot.Release.ValueIn(parsed), terminal);
                return new SessionOptions
                {
                    Release = given.Boot.Release.ValueIn(parsed),
                    Path = domain.Type == DomainType.pv ? BootPath.DomU : BootPath.Hvm,
                    Host = new HostSpec { Vendor = given.Boot.Vendor.ValueIn(parsed) },
                    Guest = new GuestSpec { Kernel = domain.Kernel is { } kernel ? new NamedBytes(kernel.Name, kernel.Bytes.ToArray()) : null },
                    Configuration = domain,
                    Limits = new SessionLimits { Instructions = long.MaxValue, VirtualNanoseconds = ulong.MaxValue },
                };
            default:
                return BootCommand.ReadOptions(parsed, given.Boot);
        }
    }

    private static SessionOptions ReadScenario(string file, int? which, string? name)
    {
        IReadOnlyList<Scenario> scenarios = ScenarioFile.Load(file);
        if (which is < 1 || which > scenarios.Count)
            throw new InputException(file, $"it has no combination {which}", $"it has {scenarios.Count}");
        Scenario scenario = name is null
            ? scenarios[(which ?? 1) - 1]
            : scenarios.FirstOrDefault(s => s.Name == name)
                ?? throw new InputException(file, $"it has no scenario \"{name}\"", NearestName.Hint(name, [.. scenarios.Select(s => s.Name)]) ?? $"it has {scenarios.Count}");
        return scenario.MissingGuest is { } missing
            ? throw new InputException(file, $"the real guest {missing} is not in {FetchedGuests.Folder}", "scenarios/guests/get.sh fetches it")
            : scenario.Session;
    }

    private static ExitCode Converse(DebugSession debug, ParseResult parsed, Given given, Terminal terminal)
    {
        DebugPrompt prompt = new(debug, terminal.Out, CancellationToken.None);
        using CancellationTokenRegistration interrupt = terminal.Stop.Register(debug.Interrupt);
        bool wrong = parsed.GetValue(given.Goto) is { } moment && !prompt.Execute($"goto {moment.Replace(':', ' ')}");
        foreach (string file in parsed.GetValue(given.Scripts) ?? [])
        {
            if (!prompt.IsDone)
                ExecuteFile(prompt, file);
        }

        if (!prompt.IsDone && terminal.In is { } input)
        {
            while (!prompt.IsDone && input.ReadLine() is { } line)
                wrong |= !prompt.Execute(line);
        }
        else if (!prompt.IsDone && terminal.Coloured)
        {
            terminal.Out.WriteLine("xensim debugger; \"help\" lists the commands");
            LineEditor editor = new("(xensim) ", prompt.Complete);
            while (!prompt.IsDone && editor.Read() is { } line)
                prompt.Execute(line);
        }

        return wrong ? ExitCode.Failure : ExitCode.Success;
    }

    private static void ExecuteFile(DebugPrompt prompt, string file)
    {
        string[] lines = Encoding.UTF8.GetString(InputFile.Read(file, LongestScript)).Split('\n');
        for (int i = 0; i < lines.Length && !prompt.IsDone; i++)
        {
            if (!prompt.Execute(lines[i]))
                throw new InputException([new Diagnostic(file, new Mark(i + 1, 1), $"\"{lines[i].Trim()}\" could not be executed: see above")]);
        }
    }

    private static void Save(DebugSession debug, string file)
    {
        try
        {
            Recording.Save(debug, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new InputException(file, $"cannot be written: {e.Message}");
        }
    }
}
