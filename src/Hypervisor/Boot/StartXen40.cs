using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Stages;
using static XenSim.Hypervisor.Boot.StartXen;

namespace XenSim.Hypervisor.Boot;

/// <summary>__start_xen of RELEASE-4.0.4, xen/arch/x86/setup.c, for the 32- and the 64-bit build.</summary>
internal static class StartXen40
{
    private const string Arch = "RELEASE-4.0.4 xen/arch/x86";
    private const string Common = "RELEASE-4.0.4 xen/common";
    private const string Setup = Arch + "/setup.c";

    /// <summary>From <c>_end</c> of the golden 32-bit build to 12 MiB. Unit: kB.</summary>
    private const int XenHeapKb = 8756;

    public static Stage<BootContext> Tree(bool host64, int cpus) => Step("__start_xen", Setup) with
    {
        Calls = [.. Early(host64), .. Memory(host64), .. Platform(host64), .. Processors(host64, cpus), .. Domains(host64)],
        OnCalleeFailure = (c, failure) => ConstructionFailed(c, failure, "Could not set up DOM0 guest OS"),
    };

    private static Stage<BootContext>[] Early(bool host64) =>
    [
        Step("percpu_init_areas", Setup),
        Step("cmdline_cook", Setup),
        Step("cmdline_parse", $"{Common}/kernel.c"),
        Step("parse_video_info", Setup),
        Step("smp_prepare_boot_cpu", $"{Arch}/smpboot.c"),
        Step("ns16550_init", "RELEASE-4.0.4 xen/drivers/char/ns16550.c"),
        Step("console_init_preirq", "RELEASE-4.0.4 xen/drivers/char/console.c", BootLog.PrintVersion),
        Step("__start_xen:loader", Setup, BootLog.PrintLoader),
        Check("__start_xen:modules", Setup, CheckModules),
        Step("init_e820", $"{Arch}/e820.c", c =>
        {
            BootMemory.Clip(c);
            BootLog.PrintMemoryMap(c);
        }),
        Step("kexec_reserve_area", Setup),
        Step("bzimage_headroom", $"{Arch}/bzimage.c", Dom0BzImage.Headroom) with { When = HasKernel, WhenText = "a dom0 kernel" },
        Check("__start_xen:relocate", Setup, Relocation.Move40),
        Step("init_boot_pages", $"{Common}/page_alloc.c", BootMemory.GiveToAllocator),
        Step("memguard_init", $"{Arch}/mm.c"),
        Step("__start_xen:System_RAM", Setup, BootLog.PrintSystemRam),
    ];

    private static Stage<BootContext>[] Memory(bool host64) =>
    [
        Step("init_frametable", $"{Arch}/mm.c"),
        Step("acpi_boot_table_init", $"{Arch}/acpi/boot.c", BootLog.PrintAcpiTables),
        Step("acpi_numa_init", "RELEASE-4.0.4 xen/drivers/acpi/numa.c"),
        Step("numa_initmem_init", $"{Arch}/numa.c", BootLog.PrintNuma),
        .. host64
            ? (Stage<BootContext>[])[]
            : [Step("init_xenheap_pages", $"{Common}/page_alloc.c", c => c.Print($"Xen heap: {XenHeapKb >> 10}MB ({XenHeapKb}kB)"))],
        Step("end_boot_allocator", $"{Common}/page_alloc.c", c => c.Print("Domain heap initialised")),
        .. host64 ? (Stage<BootContext>[])[Step("vesa_init", "RELEASE-4.0.4 xen/drivers/video/vesa.c")] : [],
        Step("softirq_init", $"{Common}/softirq.c"),
        CpuVendors.EarlyCpuInit40(host64),
        Check("paging_init", $"{Arch}/{(host64 ? "x86_64" : "x86_32")}/mm.c", BootMemory.CheckTables),
        Step("tboot_probe", $"{Arch}/tboot.c"),
        Step("check_x2apic_preenabled", $"{Arch}/apic.c"),
        Step("memguard_guard_stack", $"{Arch}/mm.c"),
        Step("sort_exception_tables", $"{Arch}/extable.c"),
    ];

    private static Stage<BootContext>[] Platform(bool host64) =>
    [
        Step("find_smp_config", $"{Arch}/mpparse.c", BootLog.PrintSmpConfig),
        Step("dmi_scan_machine", $"{Arch}/dmi_scan.c", BootLog.PrintDmi),
        Step("generic_apic_probe", $"{Arch}/genapic/probe.c", c => c.Print("Using APIC driver default")),
        Step("acpi_boot_init", $"{Arch}/acpi/boot.c", BootLog.PrintAcpiBoot),
        Step("init_cpu_to_node", $"{Arch}/numa.c"),
        Step("get_smp_config", $"{Arch}/mpparse.c"),
        .. host64 ? (Stage<BootContext>[])[Step("zap_low_mappings", $"{Arch}/x86_64/mm.c")] : [],
        Step("init_apic_mappings", $"{Arch}/apic.c"),
        Step("enable_x2apic", $"{Arch}/apic.c", c =>
        {
            c.Print("[VT-D]intremap.c:137: VT-d is not supported");
            c.Print("Not enable x2APIC due to iommu_supports_eim fails!");
        }) with { When = c => c.Xen.Options.Host64 && c.Host.Has(CpuFeature.X2Apic), WhenText = "x2APIC in CPUID" },
        Step("percpu_free_unused_areas", Setup),
        Step("init_IRQ", $"{Arch}/i8259.c"),
        Step("xsm_init", "RELEASE-4.0.4 xen/xsm/xsm_core.c"),
        Step("init_idle_domain", Setup, c => c.Print("Using scheduler: SMP Credit Scheduler (credit)")),
        Step("trap_init", $"{Arch}/traps.c"),
        Step("rcu_init", $"{Common}/rcupdate.c"),
        Step("timer_init", $"{Common}/timer.c"),
        Step("early_time_init", $"{Arch}/time.c", BootLog.PrintClock),
        Step("arch_init_memory", $"{Arch}/mm.c", c =>
        {
            if (host64)
                c.Print("Initing memory sharing.");
        }),
    ];

    private static Stage<BootContext>[] Processors(bool host64, int cpus) =>
    [
        CpuVendors.IdentifyCpu40,
        Step("iommu_setup", "RELEASE-4.0.4 xen/drivers/passthrough/iommu.c", c =>
        {
            if (host64 && c.Host.Vendor == CpuVendor.AMD)
                c.Print("AMD-Vi: IOMMU not found!");
            c.Print("I/O virtualisation disabled");
        }),
        Step("smp_prepare_cpus", $"{Arch}/smpboot.c") with
        {
            Calls =
            [
                Step("smp_boot_cpus", $"{Arch}/smpboot.c") with
                {
                    Calls =
                    [
                        .. SecondaryCpus.Boot40(cpus),
                        Step("smpboot_setup_io_apic", $"{Arch}/smpboot.c", c =>
                        {
                            c.Print($"Total of {c.Xen.OnlineCpus} processors activated.");
                            BootLog.PrintIoApic(c);
                        }),
                        Step("synchronize_tsc_bp", $"{Arch}/smpboot.c", BootLog.PrintTscSynchronization)
                            with { When = c => c.Xen.OnlineCpus > 1, WhenText = "several CPUs" },
                    ],
                },
            ],
        },
        Step("spin_debug_enable", $"{Common}/spinlock.c"),
        Step("init_xen_time", $"{Arch}/time.c", c =>
        {
            c.Print("TSC only partially writable");
            c.Print("Platform timer is 100.000MHz HPET");
        }),
        Step("initialize_keytable", $"{Common}/keyhandler.c"),
        Step("console_init_postirq", "RELEASE-4.0.4 xen/drivers/char/console.c", BootLog.PrintConsoleRing),
        Step("smp_cpus_done", $"{Arch}/smpboot.c", c => c.Print($"Brought up {c.Xen.OnlineCpus} CPUs")),
        Step("do_initcalls", Setup, c =>
        {
            c.Print("ACPI sleep modes: S3");
            if (host64 && c.Host.Vendor == CpuVendor.AMD)
                c.Print("mcheck_poll: Machine check polling timer started.");
        }),
        Step("tboot_protect_mem_regions", $"{Arch}/tboot.c"),
    ];

    private static Stage<BootContext>[] Domains(bool host64) =>
    [
        Step("create_control_domain", "stands in for dom0 where no kernel is booted", CreateControlDomain) with { When = HasNoKernel, WhenText = "no dom0 kernel" },
        Step("domain_create", $"{Common}/domain.c", CreateDom0).OrPanic(_ => "Error creating domain 0") with { When = HasKernel, WhenText = "a dom0 kernel" },
        Step("alloc_dom0_vcpu0", $"{Arch}/domain_build.c", AddFirstVcpu).OrPanic(_ => "Error creating domain 0") with { When = HasKernel, WhenText = "a dom0 kernel" },
        ConstructDom0.Tree(XenRelease.V4_0, host64) with { When = HasKernel, WhenText = "a dom0 kernel" },
        Step("scrub_heap_pages", $"{Common}/page_alloc.c", BootLog.PrintScrubbing),
        Step("init_trace_bufs", $"{Common}/trace.c", c => c.Print("Xen trace buffers: disabled")),
        Step("init_tmem", $"{Common}/tmem_xen.c"),
        Step("console_endboot", "RELEASE-4.0.4 xen/drivers/char/console.c", BootLog.PrintEndboot),
        Step("serial_endboot", "RELEASE-4.0.4 xen/drivers/char/serial.c"),
        Step("domain_unpause_by_systemcontroller", $"{Common}/domain.c", Unpause) with { When = HasKernel, WhenText = "a dom0 kernel" },
        Step("init_done", Setup, c =>
        {
            ReportUnusedOptions(c);
            c.Print($"Freed {(host64 ? 184 : 168)}kB init memory.");
        }),
    ];
}
