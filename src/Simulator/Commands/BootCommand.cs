using System.CommandLine;
using System.Text;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Input;
using XenSim.Simulator.Session;
using XenSim.Toolstack.Libxl;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim boot</c></summary>
internal static class BootCommand
{
    /// <summary>Unit: bytes.</summary>
    private const long LongestInput = 1 << 20;

    internal sealed record Given(
        Argument<string> Kernel, DefaultedOption<GuestType> Type, Option<bool> Dom0, Option<string?> Ramdisk, Option<string?> CommandLine, DefaultedOption<ulong> Memory,
        DefaultedOption<ulong> Vcpus, DefaultedOption<XenRelease> Release, DefaultedOption<CpuVendor> Vendor, DefaultedOption<int> HostBits, Option<bool> Supervisor, DefaultedOption<ulong> HostMemory, DefaultedOption<ulong> HostCpus,
        DefaultedOption<Until> Until, DefaultedOption<ulong> MaxInstructions, Option<string?> Symbols, Option<string?> Trace, Option<string?> Perfetto, Option<string?> Input,
        Option<string?> XenCommandLine, Option<string[]> Notes, Option<GuestTrial[]> Tries, Option<bool> Viridian, Option<EndAction?> OnPoweroff, Option<EndAction?> OnReboot,
        Option<EndAction?> OnCrash, Option<string?> CoreDumps);

    public static Command Build(Terminal terminal)
    {
        Given given = Declare(new Argument<string>("KERNEL") { Description = $"A file, or one of the built-in guests: {string.Join(", ", BuiltInGuest.All.Select(g => g.Name))}." });
        Command command = new("boot",
            """
            Boots a kernel: a built-in guest by name, or a file (ELF, gzip'd ELF, bzImage).

            The guest's console goes to standard output, everything else to standard error.
            Exit codes: 0 the guest powered off, halted for good, or --until was reached; 1 it crashed
            or was refused; 2 bad input; 3 stopped at something unimplemented; 4 a limit was reached.

            Examples:
              xensim boot pv64
              xensim boot hvm --try user-hypercall --try other-vendor-instruction
              xensim boot pv64 --dom0 --note HYPERCALL_PAGE=0xffffffff90000000
              xensim boot vmlinuz --ramdisk initrd.gz --memory 256 -vvv
              printf 'ls\nhalt\n' | xensim boot grub-x86_64-xen.bin --input -
              xensim boot kernel.elf --on-crash coredump-destroy --core-dumps .
              xensim boot kernel.elf --dom0 --xen 4.0 --host-bits 32 --until console:ready
            """)
        {
            given.Kernel, given.Type, given.Dom0, given.Ramdisk, given.CommandLine, given.Memory, given.Vcpus, given.Release, given.Vendor,
            given.HostBits, given.Supervisor, given.HostMemory, given.HostCpus, given.XenCommandLine, given.Until, given.MaxInstructions, given.Notes, given.Tries, given.Viridian, given.OnPoweroff, given.OnReboot,
            given.OnCrash, given.CoreDumps, given.Symbols, given.Trace, given.Perfetto, given.Input, Options.Verbosity(),
        };
        command.SetAction(parsed => (int)BootRun.Execute(
            ReadOptions(parsed, given), parsed.GetValue(given.Symbols), parsed.GetValue(given.Trace), parsed.GetValue(given.Perfetto), Options.CountVerbosity(parsed), terminal));
        return command;
    }

    /// <summary>The options that say what is booted: those of <c>xensim debug</c> too.</summary>
    /// <param name="kernel">The argument that names it.</param>
    internal static Given Declare(Argument<string> kernel) => new(
        kernel,
        Options.Choice("--type", "What kind of domain.", GuestType.Pv, ("pv", GuestType.Pv), ("pvh", GuestType.Pvh), ("hvm", GuestType.Hvm)),
        new Option<bool>("--dom0") { Description = "Boot it as the control domain, by __start_xen and construct_dom0." },
        new Option<string?>("--ramdisk") { Description = "A ramdisk file.", HelpName = "FILE" },
        new Option<string?>("--cmdline") { Description = "The kernel's command line.", HelpName = "TEXT" },
        Options.Number("--memory", "The guest's memory (default 128).", "MiB", 128, 1, 65_536),
        Options.Number("--vcpus", "Number of vCPUs (default 1).", "N", 1, 1, 32),
        Options.Release(),
        Options.Choice("--vendor", "The host CPU's maker.", CpuVendor.AMD, ("intel", CpuVendor.Intel), ("amd", CpuVendor.AMD)),
        Options.Choice("--host-bits", "Word size of the hypervisor; 32 exists in 4.0.", 64, ("32", 32), ("64", 64)),
        new Option<bool>("--supervisor-mode-kernel") { Description = "The 32-bit 4.0 build whose dom0 runs in ring 0." },
        Options.Number("--host-memory", "The machine's memory (default 1024).", "MiB", 1024, Hypervisor.Xen.LeastMemoryMiB, 65_536),
        Options.Number("--host-cpus", "Processors of the machine (default 1).", "N", 1, 1, HostSpec.MostCpus),
        Options.Until(),
        Options.Number("--max-instructions", "Give up after so many guest instructions.", "N", 20_000_000_000, 1, long.MaxValue),
        BootRun.Symbols(),
        new Option<string?>("--trace") { Description = "Write all events to this file as JSON Lines.", HelpName = "FILE.jsonl" },
        BootRun.Perfetto(),
        new Option<string?>("--input") { Description = "Type this file into the guest's console; - is standard input, read to its end first.", HelpName = "FILE" },
        new Option<string?>("--xen-cmdline") { Description = "Xen's own command line, as in dom0_mem=128M.", HelpName = "TEXT" },
        new Option<string[]>("--note")
        {
            Description = "A built-in guest's Xen note that differs: a number, a text, or absent. May be repeated.",
            HelpName = "NAME=VALUE",
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = false,
        },
        Options.Tries(),
        new Option<bool>("--viridian") { Description = "HVM with Viridian's CPUID leaves and MSRs." },
        Options.Action("--on-poweroff", "What xl does when the guest powers off; with none of these three xl does not wait for the end."),
        Options.Action("--on-reboot", "What xl does when the guest reboots."),
        Options.Action("--on-crash", "What xl does when the guest crashes."),
        BootRun.CoreDumps());

    internal static SessionOptions ReadOptions(ParseResult parsed, Given given)
    {
        string kernel = parsed.GetRequiredValue(given.Kernel);
        GuestType type = TypeFor(kernel, parsed, given);
        bool dom0 = parsed.GetValue(given.Dom0);
        SessionOptions options = new()
        {
            Release = given.Release.ValueIn(parsed),
            Path = dom0 ? BootPath.Dom0 : type == GuestType.Pv ? BootPath.DomU : BootPath.Hvm,
            Until = given.Until.ValueIn(parsed),
            Script = parsed.GetValue(given.Input) is { } input ? [new ScriptStep { Type = Encoding.UTF8.GetString(InputFile.Read(input == "-" ? "/dev/stdin" : input, LongestInput)) }] : [],
            Host = new HostSpec
            {
                Vendor = given.Vendor.ValueIn(parsed),
                Bits = given.HostBits.ValueIn(parsed),
                SupervisorModeKernel = parsed.GetValue(given.Supervisor),
                MemoryMiB = given.HostMemory.ValueIn(parsed),
                Cpus = (int)given.HostCpus.ValueIn(parsed),
                CommandLine = parsed.GetValue(given.XenCommandLine) ?? "",
            },
            Guest = new GuestSpec
            {
                Type = type,
                Name = GuestNames.FromFile(kernel),
                Kernel = KernelNamed(kernel),
                BuiltIn = BuiltInGuest.Find(kernel),
                Variant = new GuestVariant
                {
                    Notes = [.. (parsed.GetValue(given.Notes) ?? []).Select(ReadNote)],
                    Tries = parsed.GetValue(given.Tries) ?? [],
                },
                Viridian = parsed.GetValue(given.Viridian),
                Ramdisk = parsed.GetValue(given.Ramdisk) is { } ramdisk ? new NamedBytes(ramdisk, InputFile.Read(ramdisk)) : null,
                CommandLine = parsed.GetValue(given.CommandLine) ?? "",
                MemoryMiB = given.Memory.ValueIn(parsed),
                Vcpus = (uint)given.Vcpus.ValueIn(parsed),
                OnPoweroff = parsed.GetValue(given.OnPoweroff),
                OnReboot = parsed.GetValue(given.OnReboot),
                OnCrash = parsed.GetValue(given.OnCrash),
            },
            CoreFolder = BootRun.CoreFolder(parsed, given.CoreDumps),
            Limits = new SessionLimits { Instructions = (long)given.MaxInstructions.ValueIn(parsed), VirtualNanoseconds = ulong.MaxValue },
        };
        return OptionRules.Check(options) is { } wrong ? throw new InputException("xensim boot", wrong) : options with { Guest = options.Guest.WithVariant() };
    }

    private static GuestNote ReadNote(string given)
    {
        string[] parts = given.Split('=', 2);
        if (parts.Length == 2 && Enum.TryParse(parts[0], out ElfNote type) && Enum.IsDefined(type) && GuestWords.TryParseNote(parts[1], plain: true, out (string? Text, ulong? Number) value))
            return new GuestNote(type, value.Text, value.Number);
        throw new InputException(
            "xensim boot", $"--note takes NAME=VALUE with a note's name, not \"{given}\"", NearestName.Hint(parts[0], Enum.GetNames<ElfNote>()));
    }

    /// <summary>A built-in HVM guest needs no --type.</summary>
    private static GuestType TypeFor(string kernel, ParseResult parsed, Given given)
    {
        if (given.Type.WasGiven(parsed) || BuiltInGuest.Find(kernel) is not { Kind: BuiltInGuestKind.Hvm })
            return given.Type.ValueIn(parsed);
        return given.Release.ValueIn(parsed) == XenRelease.V4_0 ? GuestType.Hvm : GuestType.Pvh;
    }

    private static NamedBytes KernelNamed(string kernel)
    {
        if (BuiltInGuest.Find(kernel) is { } builtIn)
            return new NamedBytes(builtIn.Name, builtIn.Image.ToArray());
        if (!File.Exists(kernel) && kernel.IndexOfAny(['.', '/']) < 0 && NearestName.Find(kernel, BuiltInGuest.All.Select(g => g.Name)) is { } nearest)
            throw new InputException(kernel, "neither a file nor a built-in guest", $"did you mean \"{nearest}\"?");
        return new NamedBytes(kernel, InputFile.Read(kernel));
    }
}
