using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Stages;
using static XenSim.Hypervisor.Boot.StartXen;

namespace XenSim.Hypervisor.Boot;

/// <summary>__start_xen of stable-4.17, xen/arch/x86/setup.c.</summary>
internal static class StartXen417
{
    private const string Arch = "stable-4.17 xen/arch/x86";
    private const string Common = "stable-4.17 xen/common";
    private const string Drivers = "stable-4.17 xen/drivers";
    private const string Setup = Arch + "/setup.c";

    /// <summary>NR_DYNAMIC_VECTORS.</summary>
    private const int DynamicVectors = 208;

    public static Stage<BootContext> Tree(int cpus) => Step("__start_xen", Setup) with
    {
        Calls = [.. Early(), .. Memory(), .. Platform(), .. Processors(cpus), .. Domains()],
        OnCalleeFailure = (c, failure) => ConstructionFailed(c, failure, "Could not set up DOM0 guest OS"),
    };

    private static Stage<BootContext>[] Early() =>
    [
        Step("percpu_init_areas", $"{Arch}/percpu.c"),
        Step("init_idt_traps", $"{Arch}/traps.c"),
        Step("load_system_tables", $"{Arch}/cpu/common.c"),
        Step("smp_prepare_boot_cpu", $"{Arch}/smpboot.c"),
        Step("sort_exception_tables", $"{Arch}/extable.c"),
        Step("setup_virtual_regions", $"{Common}/virtual_region.c"),
        Step("cmdline_cook", Setup),
        Step("cmdline_parse", $"{Common}/kernel.c"),
        Step("kexec_early_calculations", $"{Common}/kexec.c"),
        Step("hypervisor_probe", $"{Arch}/guest/hypervisor.c"),
        Step("parse_video_info", Setup),
        Step("ns16550_init", $"{Drivers}/char/ns16550.c"),
        Step("console_init_preirq", $"{Drivers}/char/console.c", BootLog.PrintVersion),
        Step("__start_xen:loader", Setup, BootLog.PrintLoader),
        Check("__start_xen:modules", Setup, CheckModules),
        CpuVendors.EarlyCpuInit417,
        Step("init_e820", $"{Arch}/e820.c", BootLog.PrintMemoryMap),
        Step("kexec_reserve_area", Setup),
        Step("bzimage_headroom", $"{Arch}/bzimage.c", Dom0BzImage.Headroom) with { When = HasKernel, WhenText = "a dom0 kernel" },
        Check("move_memory", Setup, Relocation.Move417),
        Step("init_boot_pages", $"{Common}/page_alloc.c", BootMemory.GiveToAllocator),
        Step("__start_xen:System_RAM", Setup, BootLog.PrintSystemRam),
    ];

    private static Stage<BootContext>[] Memory() =>
    [
        Step("init_frametable", $"{Arch}/mm.c"),
        Step("acpi_boot_table_init", $"{Arch}/acpi/boot.c", BootLog.PrintAcpiTables),
        Step("acpi_numa_init", $"{Drivers}/acpi/numa.c"),
        Step("numa_initmem_init", $"{Arch}/numa.c", BootLog.PrintNuma),
        Step("end_boot_allocator", $"{Common}/page_alloc.c", c => c.Print("Domain heap initialised")),
        Step("vm_init", $"{Common}/vmap.c"),
        Step("console_init_ring", $"{Drivers}/char/console.c"),
        Step("vesa_init", $"{Drivers}/video/vesa.c"),
        Step("tasklet_subsys_init", $"{Common}/tasklet.c"),
        Check("paging_init", $"{Arch}/x86_64/mm.c", BootMemory.CheckTables),
        Step("tboot_probe", $"{Arch}/tboot.c"),
    ];

    private static Stage<BootContext>[] Platform() =>
    [
        Step("find_smp_config", $"{Arch}/mpparse.c", BootLog.PrintSmpConfig),
        Step("dmi_scan_machine", $"{Arch}/dmi_scan.c", BootLog.PrintDmi),
        Step("xsm_multiboot_init", "stable-4.17 xen/xsm/xsm_core.c"),
        Step("setup_system_domains", $"{Common}/domain.c"),
        Step("acpi_iommu_init", $"{Drivers}/passthrough/iommu.c"),
        Step("generic_apic_probe", $"{Arch}/genapic/probe.c", c => c.Print("Using APIC driver default")),
        Step("acpi_boot_init", $"{Arch}/acpi/boot.c", BootLog.PrintAcpiBoot),
        Step("get_smp_config", $"{Arch}/mpparse.c", c => c.Print($"SMP: Allowing {c.Host.Cpus} CPUs (0 hotplug CPUs)")),
        Step("zap_low_mappings", $"{Arch}/x86_64/mm.c"),
        Step("init_apic_mappings", $"{Arch}/apic.c"),
        Step("normalise_cpu_order", Setup),
        Step("init_cpu_to_node", $"{Arch}/numa.c"),
        Step("init_irq_data", $"{Arch}/irq.c", c => c.Print($"IRQ limits: {HostFirmware.GlobalInterrupts} GSI, {(c.Host.Cpus * DynamicVectors) - HostFirmware.GlobalInterrupts} MSI/MSI-X")),
        Step("x2apic_bsp_setup", $"{Arch}/apic.c", c => c.Print("Switched to APIC driver x2apic_mixed"))
            with { When = c => c.Host.Has(CpuFeature.X2Apic), WhenText = "x2APIC in CPUID" },
        Step("init_IRQ", $"{Arch}/i8259.c"),
        Step("timer_init", $"{Common}/timer.c"),
        Step("early_microcode_init", $"{Arch}/cpu/microcode/core.c", c => c.Print("Microcode loading not available")),
        Step("tsx_init", $"{Arch}/tsx.c"),
    ];

    private static Stage<BootContext>[] Processors(int cpus) =>
    [
        CpuVendors.IdentifyCpu417,
        Step("init_speculation_mitigations", $"{Arch}/spec_ctrl.c", PrintSpeculation),
        Step("init_idle_domain", Setup, c =>
        {
            c.Print("Using scheduler: SMP Credit Scheduler rev2 (credit2)");
            PrintCredit2(c);
        }),
        Step("trap_init", $"{Arch}/traps.c"),
        Step("rcu_init", $"{Common}/rcupdate.c"),
        Step("early_time_init", $"{Arch}/time.c", c =>
        {
            c.Print("Platform timer is 100.000MHz HPET");
            BootLog.PrintClock(c);
        }),
        Step("arch_init_memory", $"{Arch}/mm.c", c => c.Print("Freed 1024kB unused BSS memory")),
        Step("alternative_instructions", $"{Arch}/alternative.c", PrintAlternatives),
        Step("early_msi_init", $"{Arch}/msi.c"),
        Step("iommu_setup", $"{Drivers}/passthrough/iommu.c", c => c.Print("I/O virtualisation disabled")),
        Step("smp_prepare_cpus", $"{Arch}/smpboot.c", c =>
        {
            c.Print("nr_sockets: 1");
            c.Print("Enabling APIC mode.  Using 1 I/O APICs");
            BootLog.PrintIoApic(c);
        }),
        Step("spin_debug_enable", $"{Common}/spinlock.c"),
        Step("init_xen_time", $"{Arch}/time.c", c => c.Print("TSC only partially writable")),
        Step("initialize_keytable", $"{Common}/keyhandler.c"),
        Step("console_init_postirq", $"{Drivers}/char/console.c", BootLog.PrintConsoleRing),
        Step("do_presmp_initcalls", $"{Common}/kernel.c", c => c.Print($"mwait-idle: does not run on family {c.Host.Family} model {c.Host.Model}"))
            with { Calls = [CpuVendors.HvmEnable417] },
        Step("alternative_branches", $"{Arch}/alternative.c", PrintAlternatives),
        .. SecondaryCpus.Boot417(cpus),
        Step("smp_cpus_done", $"{Arch}/smpboot.c", c => c.Print($"Brought up {c.Xen.OnlineCpus} CPUs")),
        Step("do_initcalls", $"{Common}/kernel.c", c =>
        {
            c.Print("Scheduling granularity: cpu, 1 CPU per sched-resource");
            PrintCredit2(c);
            c.Print(["Adding cpu 0 to runqueue 0", " First cpu on runqueue, activating"]);
            c.Print(Enumerable.Range(1, c.Xen.OnlineCpus - 1).Select(cpu => $"Adding cpu {cpu} to runqueue 0"));
            c.Print("mcheck_poll: Machine check polling timer started.");
            if (c.Xen.OnlineCpus > 1)
                PrintMemoryTypes(c);
        }),
        Step("tboot_protect_mem_regions", $"{Arch}/tboot.c"),
        Step("init_guest_cpu_policies", $"{Arch}/cpuid.c", c => c.Print(
            c.Host.Has(CpuFeature.Nx) ? "NX (Execute Disable) protection active" : "Warning: NX (Execute Disable) protection not active")),
    ];

    private static Stage<BootContext>[] Domains() =>
    [
        Step("create_control_domain", "stands in for dom0 where no kernel is booted", CreateControlDomain) with { When = HasNoKernel, WhenText = "no dom0 kernel" },
        Step("create_dom0", Setup) with
        {
            When = HasKernel,
            WhenText = "a dom0 kernel",
            Calls =
            [
                Step("domain_create", $"{Common}/domain.c", c =>
                {
                    CreateDom0(c);
                    PrintPirqs(c);
                }).OrPanic(failure => $"Error creating d0: {failure.Errno.ToResult()}"),
                Step("init_dom0_cpuid_policy", $"{Arch}/cpuid.c"),
                Step("alloc_dom0_vcpu0", $"{Arch}/dom0_build.c", AddFirstVcpu).OrPanic(_ => "Error creating d0v0"),
                ConstructDom0.Tree(XenRelease.V4_17, host64: true),
            ],
            OnCalleeFailure = (c, failure) => ConstructionFailed(c, failure, "Could not construct domain 0"),
        },
        Step("heap_init_late", $"{Common}/page_alloc.c", c =>
        {
            c.Print("Initial low memory virq threshold set at 0x4000 pages.");
            c.Print("Scrubbing Free RAM in background");
        }),
        Step("init_trace_bufs", $"{Common}/trace.c"),
        Step("init_constructors", $"{Common}/lib.c"),
        Step("console_endboot", $"{Drivers}/char/console.c", BootLog.PrintEndboot),
        Step("serial_endboot", $"{Drivers}/char/serial.c"),
        Step("dmi_end_boot", $"{Arch}/dmi_scan.c"),
        Step("setup_io_bitmap", Setup),
        Step("reinit_bsp_stack", Setup),
        Step("init_done", Setup, c =>
        {
            if (c.Image is not null)
                Unpause(c);
            ReportUnusedOptions(c);
            c.Print("Freed 656kB init memory");
        }),
    ];

    /// <summary>A host without any mitigation in hardware, as the shipped models are; what the build brings is the oracle build's.</summary>
    private static void PrintSpeculation(BootContext c) => c.Print(
    [
        "Speculative mitigation facilities:", "  Hardware hints:", "  Hardware features:",
        "  Compiled-in support: INDIRECT_THUNK RETURN_THUNK HARDEN_ARRAY HARDEN_BRANCH HARDEN_GUEST_ACCESS HARDEN_LOCK",
        "  Xen settings: BTI-Thunk: RETPOLINE, SPEC_CTRL: No, Other: BRANCH_HARDEN", "  Support for HVM VMs: RSB", "  Support for PV VMs: RSB",
        "  XPTI (64-bit PV only): Dom0 disabled, DomU disabled (without PCID)", "  PV L1TF shadowing: Dom0 disabled, DomU disabled",
    ]);

    private static void PrintCredit2(BootContext c) => c.Print(
    [
        "Initializing Credit2 scheduler", " load_precision_shift: 18", " load_window_shift: 30", " underload_balance_tolerance: 0",
        " overload_balance_tolerance: -3", " runqueues arrangement: socket", " cap enforcement granularity: 10ms",
        "load tracking window length 1073741824 ns",
    ]);

    /// <summary>arch_hwdom_irqs: bounded by nr_irqs, and by the bit length of the number of CPUs that are or could be dom0's.</summary>
    private static void PrintPirqs(BootContext c)
    {
        int n = Math.Min(System.Numerics.BitOperations.Log2((uint)c.Host.Cpus) + 1, (int)c.Dom0!.MaxVcpus);
        c.Print($"d0 has maximum {Math.Min(HostFirmware.GlobalInterrupts + (n * DynamicVectors), c.Host.Cpus * DynamicVectors)} PIRQs");
    }

    /// <summary>mtrr_state_warn: the recorded machines' firmware sets the first processor's memory types only.</summary>
    private static void PrintMemoryTypes(BootContext c) => c.Print(
    [
        "mtrr: your CPUs had inconsistent fixed MTRR settings", "mtrr: your CPUs had inconsistent variable MTRR settings",
        "mtrr: your CPUs had inconsistent MTRRdefType settings", "mtrr: probably your BIOS does not setup all CPUs.", "mtrr: corrected configuration.",
        "MTRR default type: write-back", "MTRR fixed ranges enabled:", "  00000-9ffff write-back", "  a0000-bffff uncachable", "  c0000-fffff write-protect",
        "MTRR variable ranges enabled:", "  0 base 00c0000000 mask ffc0000000 uncachable", .. Enumerable.Range(1, 7).Select(i => $"  {i} disabled"),
    ]);

    /// <summary>Addresses of the oracle's build.</summary>
    private static void PrintAlternatives(BootContext c) => c.Print("alt table ffff82d04044ae10 -> ffff82d04045a586");
}
