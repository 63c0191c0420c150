using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;
using XenSim.Simulator.Session;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>
/// What Linux shows as dom0 is what it showed as dom0 of real Xen 4.17 on QEMU's q35, line by line and in its order, without time stamps. What differs stands here,
/// each with its reason: lines of which only a part is compared, lines that one of the two has. The whole boot is run where real guests are required; otherwise its beginning.
/// </summary>
public partial class Dom0ConsoleTests
{
    private const long Whole = 5_000_000_000;

    /// <summary>Up to the tables and what is read of them.</summary>
    private const int LinesOfTheBeginning = 60;

    private const string Frequency = "the machine's clock is 2596.098 MHz, by the log of another run on it; Xen measures it anew at each boot";
    private const string Date = "another day";
    private const string Passing = "time passes otherwise";
    private const string Smbios = "the firmware has no SMBIOS, which Linux keeps a page for";
    private const string Numbers = "devices before it in the DSDT, keyboard, mouse and another, are not there";
    private const string Bus = "the bus has no other device than the host bridge";
    private const string Links = "the DSDT has no interrupt links";
    private const string Features = "the DSDT has no _OSC";
    private const string Events = "the DSDT has no general-purpose events";
    private const string Window = "the DSDT's root bridge has no window above 4 GiB";
    private const string Keyboard = "there is no keyboard controller";
    private const string Timer = "the timer's channel 2 is not there for dom0; on the recorded machine it is too slow, for which Linux has no words";

    /// <summary>Parts that are not compared: what matches is left out of lines of that beginning.</summary>
    private static readonly (string Reason, string Beginning, string Part)[] _parts =
    [
        (Frequency, "tsc: Detected ", @"[\d.]+(?= MHz)"),
        (Frequency, "clocksource: tsc", @"max_cycles: 0x[0-9a-f]+, max_idle_ns: \d+"),
        (Frequency, "Calibrating delay loop", @"[\d.]+ BogoMIPS \(lpj=\d+\)"),
        (Smbios, "Memory: ", @"\d+K(?=/)|\d+K(?= reserved)"),
        (Date, "audit: type=2000", @"audit\([\d.]+"),
        (Date, "rtc_cmos", @"20\d\d-.*$"),
        (Numbers, "rtc_cmos", @"^rtc_cmos 00:0\d"),
        (Numbers, "system 00:0", @"^system 00:0\d"),
        (Numbers, "pnp: PnP ACPI: found", @"\d+ devices"),
        (Passing, "sched_clock: Marking stable", @"\(.*$"),
    ];

    private static readonly (string Reason, string Line)[] _onlyRecorded =
    [
        (Smbios, "^SMBIOS 2.8 present"), (Smbios, "^DMI: QEMU Standard PC"), (Events, "^ACPI: Enabled 2 GPEs"), (Features, @"^acpi PNP0A08:00: _OSC: (platform does not support|OS now controls)"),
        (Window, @"^pci_bus 0000:00: (root bus )?resource .*0x100000000-0x8ffffffff"), (Bus, @"^pci 0000:00:(01|1f)\."), (Links, @"^ACPI: PCI:? Interrupt [Ll]ink"),
        (Keyboard, "^i8042: PNP: PS/2 Controller"), (Keyboard, "^serio: i8042"), (Keyboard, "^input: AT Translated Set 2 keyboard"),
        (Passing, @"^\d+\.\d\d \d+\.\d\d$"),
        (Bus, @"^\(XEN\) PCI add device 0000:00:(01|1f)\."),
    ];

    private static readonly (string Reason, string Line)[] _onlyOurs =
    [
        (Smbios, "^DMI not present or invalid"), (Timer, "^tsc: Fast TSC calibration failed"),
        (Features, @"^acpi PNP0A08:00: (_OSC: (OS requested|platform willing to grant|platform retains control)|_OSC failed \(AE_NOT_FOUND\))"),
        (Keyboard, "^i8042: (PNP: No PS/2 controller found|Probing ports directly|No controller found)"),
        (Passing, @"^\d+\.\d\d \d+\.\d\d$"),
    ];

    /// <param name="beginning">How many instructions are run otherwise; 0: none.</param>
    [Theory]
    [InlineData("dom0-linux-5.10", "vmlinuz-5.10.0-32-amd64", 0)]
    [InlineData("dom0-linux-6.1", "vmlinuz-6.1-amd64", 500_000_000)]
    public void Linux_as_dom0_shows_the_recorded_lines(string name, string kernel, long beginning)
    {
        Assert.SkipUnless(RealGuest.AreRequired || beginning > 0, "its console begins late: only where real guests are required");
        RealGuest guest = RealGuest.Load(kernel), ramdisk = RealGuest.Load("initramfs.gz");
        Assert.SkipUnless(guest.IsRecorded, "not the recorded kernel");
        using var run = Simulation.Run(new()
        {
            Release = XenRelease.V4_17,
            Path = BootPath.Dom0,
            Host = new() { MemoryMiB = 1024, Pv32 = false, CommandLine = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=384M" },
            Guest = new() { Name = name, Kernel = guest.AsFile, Ramdisk = ramdisk.AsFile, MemoryMiB = 384, CommandLine = "console=hvc0 earlyprintk=xen panic=1" },
            Limits = new() { Instructions = RealGuest.AreRequired ? Whole : beginning },
        });
        List<string> recorded = Compared(new GoldenFolder(name).Lines("serial.log").Select(l => HostStamp().Replace(l, "")), _onlyRecorded);
        List<string> ours = Compared(run.Serial(), _onlyOurs);
        Assert.True(recorded.Count > 250, "the recording is not whole");
        if (!RealGuest.AreRequired)
        {
            Assert.True(ours.Count > LinesOfTheBeginning, $"{ours.Count} lines");
            recorded = recorded[..ours.Count];
        }

        Assert.Equal(recorded, ours);
        Assert.Equal(RealGuest.AreRequired ? SessionEnd.PoweredOff : SessionEnd.LimitReached, run.Outcome.End);
    }

    /// <summary>No reason may outlive the difference that it explains.</summary>
    [Fact]
    public void Every_reason_has_its_lines_in_a_recording()
    {
        List<string> lines = [.. ((string[])["dom0-linux-5.10", "dom0-linux-6.1"]).SelectMany(n => new GoldenFolder(n).Lines("serial.log")).Select(l => Bare(HostStamp().Replace(l, "")))];
        Assert.All(_onlyRecorded, d => Assert.Contains(lines, l => Regex.IsMatch(l, d.Line)));
        Assert.All(_parts, p => Assert.Contains(lines, l => l.StartsWith(p.Beginning, StringComparison.Ordinal) && Regex.IsMatch(l, p.Part)));
    }

    /// <summary>From the kernel's first line on; of Xen's own lines those that dom0 causes.</summary>
    private static List<string> Compared(IEnumerable<string> lines, (string Reason, string Line)[] only)
        => [.. lines.Select(Bare).SkipWhile(l => !l.StartsWith("mapping kernel", StringComparison.Ordinal)).Where(l => l.Length > 0 && !only.Any(d => Regex.IsMatch(l, d.Line))).Select(Cut)];

    private static string Cut(string line)
        => _parts.Where(p => line.StartsWith(p.Beginning, StringComparison.Ordinal)).Aggregate(line, (l, p) => Regex.Replace(l, p.Part, "…"));

    private static string Bare(string line) => KernelStamp().Replace(line.TrimEnd(), "");

    /// <summary>Seconds since the machine's start, which the recording puts before each line.</summary>
    [GeneratedRegex(@"^\[ *\d+\.\d{3}\] ?")]
    private static partial Regex HostStamp();

    [GeneratedRegex(@"^\[ *\d+\.\d{6}\] ?")]
    private static partial Regex KernelStamp();
}
