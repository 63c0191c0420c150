using System.CommandLine;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Input;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim boot</c></summary>
internal static class BootCommand
{
    private sealed record Given(
        Argument<string> Kernel, Option<GuestType> Type, Option<bool> Dom0, Option<string?> Ramdisk, Option<string> CommandLine, Option<ulong> Memory,
        Option<ulong> Vcpus, Option<XenRelease> Release, Option<CpuVendor> Vendor, Option<int> HostBits, Option<bool> Supervisor, Option<ulong> HostMemory,
        Option<Until> Until, Option<ulong> MaxInstructions, Option<string?> Trace);

    public static Command Build(Terminal terminal)
    {
        Given given = Declare();
        Command command = new("boot",
            """
            Boots a kernel: a built-in guest by name, or a file (ELF, gzip'd ELF, bzImage).

            The guest's console goes to standard output, everything else to standard error.
            Exit codes: 0 the guest powered off, halted for good, or --until was reached; 1 it crashed
            or was refused; 2 bad input; 3 stopped at something unimplemented; 4 a limit was reached.

            Examples:
              xensim boot pv64
              xensim boot vmlinuz --ramdisk initrd.gz --memory 256 -vvv
              xensim boot kernel.elf --dom0 --xen 4.0 --host-bits 32 --until console:ready
            """)
        {
            given.Kernel, given.Type, given.Dom0, given.Ramdisk, given.CommandLine, given.Memory, given.Vcpus, given.Release, given.Vendor,
            given.HostBits, given.Supervisor, given.HostMemory, given.Until, given.MaxInstructions, given.Trace, Options.Verbosity(),
        };
        command.SetAction(parsed => (int)BootRun.Execute(
            ReadOptions(parsed, given), parsed.GetValue(given.Trace), Options.CountVerbosity(parsed), stages: false, terminal));
        return command;
    }

    private static Given Declare() => new(
        new Argument<string>("KERNEL") { Description = $"A file, or one of the built-in guests: {string.Join(", ", BuiltInGuest.All.Select(g => g.Name))}." },
        Options.Choice("--type", "What kind of domain.", GuestType.Pv, new Dictionary<string, GuestType> { ["pv"] = GuestType.Pv, ["pvh"] = GuestType.Pvh, ["hvm"] = GuestType.Hvm }),
        new Option<bool>("--dom0") { Description = "Boot it as the control domain, by __start_xen and construct_dom0." },
        new Option<string?>("--ramdisk") { Description = "A ramdisk file.", HelpName = "FILE" },
        new Option<string>("--cmdline") { Description = "The kernel's command line.", HelpName = "TEXT", DefaultValueFactory = _ => "" },
        Options.Number("--memory", "The guest's memory.", "MiB", 128, 1, 65_536),
        Options.Number("--vcpus", "Number of vCPUs.", "N", 1, 1, 32),
        Options.Release(),
        Options.Choice("--vendor", "The host CPU's maker.", CpuVendor.AMD, new Dictionary<string, CpuVendor> { ["intel"] = CpuVendor.Intel, ["amd"] = CpuVendor.AMD }),
        Options.Choice("--host-bits", "Word size of the hypervisor; 32 exists in 4.0.", 64, new Dictionary<string, int> { ["32"] = 32, ["64"] = 64 }),
        new Option<bool>("--supervisor-mode-kernel") { Description = "The 32-bit 4.0 build whose dom0 runs in ring 0." },
        Options.Number("--host-memory", "The machine's memory.", "MiB", 1024, 64, 65_536),
        Options.Until(),
        Options.Number("--max-instructions", "Give up after so many guest instructions.", "N", 20_000_000_000, 1, long.MaxValue),
        new Option<string?>("--trace") { Description = "Write all events to this file as JSON Lines.", HelpName = "FILE.jsonl" });

    private static SessionOptions ReadOptions(ParseResult parsed, Given given)
    {
        string kernel = parsed.GetRequiredValue(given.Kernel);
        GuestType type = TypeFor(kernel, parsed, given);
        bool dom0 = parsed.GetValue(given.Dom0);
        SessionOptions options = new()
        {
            Release = parsed.GetValue(given.Release),
            Path = dom0 ? BootPath.Dom0 : type == GuestType.Pv ? BootPath.DomU : BootPath.Hvm,
            Until = parsed.GetRequiredValue(given.Until),
            Host = new HostSpec
            {
                Vendor = parsed.GetValue(given.Vendor),
                Bits = parsed.GetValue(given.HostBits),
                SupervisorModeKernel = parsed.GetValue(given.Supervisor),
                MemoryMiB = parsed.GetValue(given.HostMemory),
            },
            Guest = new GuestSpec
            {
                Type = type,
                Name = GuestNames.FromFile(kernel),
                Kernel = KernelNamed(kernel),
                Ramdisk = parsed.GetValue(given.Ramdisk) is { } ramdisk ? new NamedBytes(ramdisk, InputFile.Read(ramdisk)) : null,
                CommandLine = parsed.GetRequiredValue(given.CommandLine),
                MemoryMiB = parsed.GetValue(given.Memory),
                Vcpus = (uint)parsed.GetValue(given.Vcpus),
            },
            Limits = new SessionLimits { Instructions = (long)parsed.GetValue(given.MaxInstructions), VirtualNanoseconds = ulong.MaxValue },
        };
        return OptionRules.Check(options) is { } wrong ? throw new InputException("xensim boot", wrong) : options;
    }

    /// <summary>A built-in HVM guest needs no --type.</summary>
    private static GuestType TypeFor(string kernel, ParseResult parsed, Given given)
    {
        bool said = parsed.GetResult(given.Type) is { Implicit: false };
        if (said || BuiltInGuest.Find(kernel) is not { Kind: BuiltInGuestKind.Hvm })
            return parsed.GetValue(given.Type);
        return parsed.GetValue(given.Release) == XenRelease.V4_0 ? GuestType.Hvm : GuestType.Pvh;
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
