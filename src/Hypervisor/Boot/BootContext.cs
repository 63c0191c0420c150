using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Boot;

/// <summary>What the stages of <c>__start_xen</c> share. Each field is set by the stage that its comment names.</summary>
public sealed class BootContext
{
    private const int Failure = -1;

    internal BootContext(Xen xen, Dom0Image? image)
    {
        Xen = xen;
        Image = image;
        CommandLine = xen.CommandLine;
        MemoryMap = Host.Firmware.MemoryMap(xen.Options.MemoryMiB);
        Modules = BootMemory.Load(xen.Options, image);
    }

    public Xen Xen { get; }

    /// <summary>The boot loader's modules. Null: no kernel; a control domain stands in, for the tools.</summary>
    public Dom0Image? Image { get; }

    public XenCommandLine CommandLine { get; }

    public HostModel Host => Xen.Options.Host;

    /// <summary>The BIOS's; by init_e820: what this Xen can use of it.</summary>
    public IReadOnlyList<Hosts.E820Entry> MemoryMap { get; internal set; }

    /// <summary>initial_images: the boot loader's, until they are discarded.</summary>
    internal List<BootModule> Modules { get; }

    /// <summary>By bzimage_headroom. Unit: bytes.</summary>
    internal ulong ModulesHeadroom { get; set; }

    /// <summary>xen_phys_start, by the relocation; 0: Xen stays where it was loaded.</summary>
    internal ulong XenPhysStart { get; set; }

    /// <summary>By init_boot_pages: the machine is too small for what lies in it.</summary>
    internal bool TablesOverrun { get; set; }

    /// <summary>By start_vmx or start_svm: the table that hvm_enable is to take over.</summary>
    internal HvmFunctionTable? StartedHvm { get; set; }

    /// <summary>By domain_create.</summary>
    public Domain? Dom0 { get; internal set; }

    /// <summary>By construct_dom0: the state of the build.</summary>
    internal Dom0Build? Build { get; set; }

    /// <summary>By construct_dom0: what I/O dom0 may not touch.</summary>
    public Dom0Permissions? Permissions { get; internal set; }

    /// <summary>Xen has panicked or halted: nothing above the failing stage turns that into anything else.</summary>
    public bool Panicked { get; private set; }

    /// <summary>printk.</summary>
    internal void Print(string line, LogLevel level = LogLevel.Info) => Xen.Log(level, line);

    internal void Print(IEnumerable<string> lines)
    {
        foreach (string line in lines)
            Print(line);
    }

    /// <summary>EARLY_FAIL of 4.0: a line, and the processor halts.</summary>
    internal StageOutcome EarlyFail(string message)
    {
        Panicked = true;
        Print(message, LogLevel.Critical);
        return StageOutcome.Fail(Failure, message: message);
    }

    /// <summary>panic(): the banner, and the end.</summary>
    /// <remarks>Source: RELEASE-4.0.4 xen/drivers/char/console.c: panic.</remarks>
    internal StageOutcome Panic(string message, int cpu = 0)
    {
        const string stars = "****************************************";
        Panicked = true;
        string reboot = CommandLine.Option("noreboot") is "" or "1" or "yes" or "true" or "on"
            ? "Manual reset required ('noreboot' specified)"
            : "Reboot in five seconds...";
        foreach (string line in (string[])["", stars, $"Panic on CPU {cpu}:", message, stars, "", reboot])
            Print(line, LogLevel.Critical);
        return StageOutcome.Fail(Failure, message: message);
    }
}
