using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Boot;

/// <summary>Lines of Xen's boot log that both releases print about the machine, each release in its own words.</summary>
/// <remarks>Texts: xen/arch/x86/{setup,e820,mpparse,dmi_scan,io_apic,time}.c, acpi/boot.c, drivers/acpi/*, drivers/char/console.c of both releases.</remarks>
internal static class BootLog
{
    private const ulong PageShift = 12;
    private const ulong PagesPerScrubDot = (100 << 20) >> 12;
    private static readonly string[] _logLevels = ["Nothing", "Errors", "Errors and warnings", "Errors, warnings and info", "All"];

    public static void PrintVersion(BootContext c)
    {
        var p = c.Xen.Profile;
        bool is40 = p.Release == XenRelease.V4_0;
        uint version = InterfaceVersions.XenVersion(p.Release);
        string number = $"{version >> 16}.{version & 0xFFFF}{InterfaceVersions.ExtraVersion(p.Release)}";
        string debug = is40 ? "" : $" debug={(c.Xen.Options.DebugBuild ? "y" : "n")}";
        c.Print($"Xen version {number} (@) ({p.Compiler}){debug} {p.CompileDate}");
        c.Print($"Latest ChangeSet: {p.Changeset}");
    }

    public static void PrintLoader(BootContext c)
    {
        c.Print($"Bootloader: {c.Host.Firmware.Loader}");
        c.Print($"Command line: {c.CommandLine.Xen}");
        if (c.Xen.Options.Release != XenRelease.V4_0)
            c.Print("Xen image load base address: 0");
        c.Print(
        [
            "Video information:", " VGA is text mode 80x25, font 8x16", " VBE/DDC methods: V1 V2; EDID transfer time: 1 seconds",
            "Disc information:", " Found 0 MBR signatures", " Found 0 EDD information structures",
        ]);
    }

    public static void PrintMemoryMap(BootContext c)
    {
        c.Print("Xen-e820 RAM map:");
        bool is40 = c.Xen.Options.Release == XenRelease.V4_0;
        foreach (E820Entry e in c.MemoryMap)
        {
            string type = e.Type switch
            {
                E820Type.RAM => "(usable)",
                E820Type.RESERVED => "(reserved)",
                E820Type.ACPI => "(ACPI data)",
                E820Type.NVS => "(ACPI NVS)",
                _ => "(unusable)",
            };
            c.Print(is40 ? $" {e.Start:x16} - {e.End:x16} {type}" : $" [{e.Start:x16}, {e.End - 1:x16}] {type}");
        }
    }

    public static void PrintSystemRam(BootContext c)
    {
        ulong pages = c.MemoryMap.Where(e => e.Type == E820Type.RAM).Aggregate(0ul, (sum, e) => sum + ((e.End - e.Start) >> (int)PageShift));
        c.Print($"System RAM: {pages >> 8}MB ({pages << 2}kB)");
    }

    public static void PrintAcpiTables(BootContext c)
    {
        ulong top = c.Host.Firmware.Top(c.Xen.Options.MemoryMiB);
        foreach (AcpiTable t in c.Host.Firmware.AcpiTables)
        {
            string details = t.Text.Length == 0 ? "" : $" (r{t.Revision} {t.Text})";
            c.Print($"ACPI: {t.Signature} {t.Address.Resolve(top):X8}, {t.Length:X4}{details}");
        }
    }

    /// <summary>numa_initmem_init without an SRAT.</summary>
    public static void PrintNuma(BootContext c)
    {
        ulong end = c.MemoryMap.Where(e => e.Type == E820Type.RAM).Max(e => e.End);
        c.Print("No NUMA configuration found");
        c.Print($"Faking a node at {0:x16}-{end:x16}");
    }

    public static void PrintSmpConfig(BootContext c) => c.Print($"found SMP MP-table at {c.Host.Firmware.MpTable:x8}");

    public static void PrintDmi(BootContext c) => c.Print($"DMI {c.Host.Firmware.DmiVersion} present.");

    /// <summary>acpi_boot_init: FADT, MADT, HPET, and in 4.17 MCFG.</summary>
    public static void PrintAcpiBoot(BootContext c)
    {
        HostFirmware f = c.Host.Firmware;
        bool is40 = c.Xen.Options.Release == XenRelease.V4_0;
        PrintFadt(c, f, is40);
        c.Print($"ACPI: Local APIC address 0x{f.LocalApicAddress:x}");
        if (is40)
            PrintProcessors(c, f);
        c.Print($"ACPI: IOAPIC (id[0x00] address[0x{f.IoApicAddress:x8}] gsi_base[0])");
        c.Print($"IOAPIC[0]: apic_id 0, version 32, address 0x{f.IoApicAddress:x}, GSI 0-23");
        foreach (InterruptOverride o in f.Overrides)
            c.Print($"ACPI: INT_SRC_OVR (bus 0 bus_irq {o.Irq} global_irq {o.Gsi} {o.Polarity} {o.Trigger})");
        for (uint irq = 0; irq < HostFirmware.GlobalInterrupts; irq++)
        {
            if (f.Overrides.Any(o => o.Irq == irq || o.Gsi == irq))
                c.Print($"ACPI: IRQ{irq} used by override.");
        }

        if (is40)
            c.Print("Enabling APIC mode:  Flat.  Using 1 I/O APICs");
        c.Print($"ACPI: HPET id: 0x{f.HpetId:x} base: 0x{f.HpetAddress:x}");
        if (!is40 && f.McfgBase is { } mcfg)
        {
            c.Print($"PCI: MCFG configuration 0: base {mcfg:x} segment 0000 buses 00 - ff");
            c.Print($"PCI: MCFG area at {mcfg:x} reserved in E820");
            c.Print("PCI: Using MCFG for segment 0000 bus 00-ff");
        }

        c.Print("Using ACPI (MADT) for SMP configuration information");
    }

    private static void PrintFadt(BootContext c, HostFirmware f, bool is40)
    {
        ulong facs = f.AcpiTables.FirstOrDefault(t => t.Signature == "FACS")?.Address.Resolve(f.Top(c.Xen.Options.MemoryMiB)) ?? 0;
        bool longFadt = f.AcpiTables.Any(t => t.Signature == "FACP" && t.Revision >= 3);
        c.Print($"ACPI: PM-Timer IO Port: 0x{f.PmTimerPort:x}{(is40 ? "" : " (24 bits)")}");
        c.Print(is40
            ? $"ACPI: ACPI SLEEP INFO: pm1x_cnt[{f.Pm1Control:x},0], pm1x_evt[{f.Pm1Event:x},0]"
            : $"ACPI: SLEEP INFO: pm1x_cnt[1:{f.Pm1Control:x},1:0], pm1x_evt[1:{f.Pm1Event:x},1:0]");

        // A FADT of revision 3 has a 64-bit FACS address too, which this firmware leaves empty.
        if (!is40 && longFadt)
            c.Print($"ACPI: 32/64X FACS address mismatch in FADT - {facs:x8}/{0:x16}, using 32");
        c.Print($"ACPI: {(is40 ? "                " : "           ")} wakeup_vec[{facs + 0xC:x}], vec_size[20]");
    }

    /// <summary>MP_processor_info of 4.0 reads family and model out of a word in which they overlap for large models.</summary>
    private static void PrintProcessors(BootContext c, HostFirmware f)
    {
        uint signature = (c.Host.Family << 8) | (c.Host.Model << 4) | c.Host.Stepping;
        for (int cpu = 0; cpu < c.Host.Cpus; cpu++)
        {
            c.Print($"ACPI: LAPIC (acpi_id[0x{cpu:x2}] lapic_id[0x{cpu:x2}] enabled)");
            c.Print($"Processor #{cpu} {(signature >> 8) & 0xF}:{(signature >> 4) & 0xF} APIC version 20");
        }

        if (f.LapicNmi)
            c.Print("ACPI: LAPIC_NMI (acpi_id[0xff] dfl dfl lint[0x1])");
    }

    public static void PrintClock(BootContext c) => c.Print($"Detected {c.Host.CpuKhz / 1000}.{c.Host.CpuKhz % 1000:d3} MHz processor.");

    /// <summary>setup_IO_APIC: the 8259's timer pin found behind the I/O APIC.</summary>
    public static void PrintIoApic(BootContext c) => c.Print(
        ["ENABLING IO-APIC IRQs", " -> Using new ACK method", "..TIMER: vector=0xF0 apic1=0 pin1=2 apic2=-1 pin2=-1"]);

    /// <summary>synchronize_tsc_bp: the model's counters agree.</summary>
    public static void PrintTscSynchronization(BootContext c)
        => c.Print(c.Host.Has(CpuFeature.InvariantTsc) ? "TSC is reliable, synchronization unnecessary" : $"checking TSC synchronization across {c.Xen.OnlineCpus} CPUs: passed.");

    /// <summary>console_init_ring, console_init_postirq: half a KiB, twice that for each log level, for each CPU; at least the static ring.</summary>
    public static void PrintConsoleRing(BootContext c)
    {
        const uint staticRing = 16 << 10;
        int threshold = c.CommandLine.Option("loglvl") is { } level ? Level(level.Split('/')[0]) : 2;
        uint asked = (uint)c.Host.Cpus << (9 + threshold);
        uint size = c.Xen.Options.Release == XenRelease.V4_0
            ? System.Numerics.BitOperations.RoundUpToPowerOf2(asked)
            : 1u << System.Numerics.BitOperations.Log2(asked);
        c.Print($"Allocated console ring of {Math.Max(size, staticRing) >> 10} KiB.");
    }

    /// <summary>One dot for every 100 MB boundary whose page is free.</summary>
    public static void PrintScrubbing(BootContext c)
    {
        int dots = 0;
        for (ulong mfn = 0; mfn < c.Xen.Frames.FrameCount; mfn += PagesPerScrubDot)
            dots += c.Xen.Frames.Allocator.IsFree(mfn) ? 1 : 0;
        c.Print($"Scrubbing Free RAM: {new string('.', dots)}done.");
    }

    /// <summary>console_endboot.</summary>
    public static void PrintEndboot(BootContext c)
    {
        c.Print($"Std. Loglevel: {Levels(c.CommandLine.Option("loglvl"), 2, 2)}");
        c.Print($"Guest Loglevel: {Levels(c.CommandLine.Option("guest_loglvl"), 0, 2)}");
        c.Print(c.Xen.Options.Release == XenRelease.V4_0
            ? "*** Serial input -> DOM0 (type 'CTRL-a' three times to switch input to Xen)"
            : "*** Serial input to DOM0 (type 'CTRL-a' three times to switch input)");
    }

    /// <summary><c>level[/rate-limited level]</c>, in the words of console.c; the defaults are those of a release build.</summary>
    private static string Levels(string? option, int lower, int upper)
    {
        string[] names = option?.Split('/') ?? [];
        if (names.Length > 0)
        {
            lower = Level(names[0]);
            upper = Math.Max(lower, Level(names[^1]));
        }

        return _logLevels[lower] + (upper == lower ? "" : $" (Rate-limited: {_logLevels[upper]})");
    }

    private static int Level(string name) => name switch
    {
        "none" => 0,
        "error" => 1,
        "warning" => 2,
        "info" => 3,
        _ => 4,
    };
}
