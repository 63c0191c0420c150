using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>What xc_dom_boot_xen_init asks the hypervisor.</summary>
public sealed record XenIdentity(long Version, string Capabilities);

/// <summary>The guest's memory as the builder sees it. PV: <paramref name="P2m"/>[pfn] is the machine frame. HVM: empty, gfn = pfn.</summary>
public sealed record GuestMemory(ulong TotalPages, ulong[] P2m)
{
    /// <summary>XenSim's own bound on what a configuration can make the builder allocate: 256 GiB of guest memory.</summary>
    public const ulong MaximumPages = 1UL << 26;

    /// <summary>xc_dom_p2m: INVALID for a pfn outside the list (the real code would read beyond it).</summary>
    public Gfn GuestFrame(ulong pfn, bool translated)
        => translated ? new Gfn(pfn) : pfn < (ulong)P2m.Length ? new Gfn(P2m[pfn]) : Gfn.Invalid;
}

/// <summary>struct xc_dom_seg: part of the guest's address space. Addresses in bytes, virtual.</summary>
public sealed record Segment(string Name, ulong Pfn, ulong Pages, ulong VStart, ulong VEnd);

/// <summary>Where everything goes, grown by xc_dom_build_image.</summary>
public sealed record Layout
{
    public ulong VirtAllocEnd { get; init; }

    public ulong PfnAllocEnd { get; init; }

    public IReadOnlyList<Segment> Segments { get; init; } = [];

    public ulong StartInfoPfn { get; init; }

    public ulong XenstorePfn { get; init; }

    public ulong ConsolePfn { get; init; }

    public ulong BootstackPfn { get; init; }

    /// <summary>Auto-translated guests only (4.0); else 0.</summary>
    public ulong SharedInfoPfn { get; init; }

    /// <summary>End of what the initial page tables map.</summary>
    public ulong VirtPgtabEnd { get; init; }

    public PageTablePlan? PageTables { get; init; }

    /// <summary>start_info.flags.</summary>
    public uint Flags { get; init; }

    /// <summary>start_info.mod_start and mod_len: an address, or a PFN with SIF_MOD_START_PFN.</summary>
    public ulong InitrdStart { get; init; }

    public ulong InitrdLength { get; init; }

    /// <summary>Whether the p2m list lies at the kernel's INIT_P2M.</summary>
    public bool P2mAtBase { get; init; }

    /// <summary>HVM: the ACPI tables and where they go; xc_hvm_firmware_module.</summary>
    public IReadOnlyList<AcpiModule> AcpiModules { get; init; } = [];

    /// <summary>HVM: the guest's memory map.</summary>
    public IReadOnlyList<E820Entry> MemoryMap { get; init; } = [];

    public Segment? Find(string name) => Segments.FirstOrDefault(s => s.Name == name);

    public Layout With(Segment segment) => this with { Segments = [.. Segments, segment] };
}

/// <summary>One piece of firmware data and its guest-physical address.</summary>
public sealed record AcpiModule(byte[] Data, ulong Address, ulong Length);

/// <summary>struct xc_dom_image: one domain build's state, in small records that the stages replace.</summary>
public sealed class DomImage
{
    internal DomImage(XenControl xc, uint domid, BuilderLog log, string? commandLine, bool hvmContainer)
    {
        Domid = domid;
        Log = log;
        CommandLine = commandLine;
        HvmContainer = hvmContainer;
        BuilderMemory = new BuilderMemory(log);
        Windows = new ForeignWindows(xc, this);
    }

    public uint Domid { get; }

    public string? CommandLine { get; }

    /// <summary>container_type: false for PV.</summary>
    public bool HvmContainer { get; }

    /// <summary>device_model: an HVM domain of 4.17, which has a qemu beside it.</summary>
    public bool DeviceModel { get; init; }

    /// <summary>f_requested: XENFEAT bits that the configuration asks for.</summary>
    public uint FeaturesRequested { get; internal set; }

    /// <summary>f_active, after the feature check.</summary>
    public uint FeaturesActive { get; internal set; }

    /// <summary>kernel_blob: replaced when it is unpacked.</summary>
    public ReadOnlyMemory<byte> KernelBlob { get; internal set; }

    public ReadOnlyMemory<byte>? RamdiskBlob { get; internal set; }

    public XenIdentity? Xen { get; internal set; }

    /// <summary>kernel_loader: the one whose probe succeeded.</summary>
    internal KernelLoader? Loader { get; set; }

    /// <summary>What xc_dom_parse_image leaves.</summary>
    public ParsedKernel? Kernel { get; internal set; }

    /// <summary>The image that 4.0's HVM builder loads.</summary>
    internal ElfImage? HvmImage { get; set; }

    public GuestArch? Arch { get; internal set; }

    public GuestMemory Memory { get; internal set; } = new(0, []);

    public Layout Layout { get; internal set; } = new();

    public ulong SharedInfoMfn { get; internal set; }

    /// <summary>The context that vcpu_x86_* built, for launch_vm and for whoever compares it.</summary>
    public byte[] VcpuContext { get; internal set; } = [];

    internal BuilderLog Log { get; }

    internal BuilderMemory BuilderMemory { get; }

    internal ForeignWindows Windows { get; }

    /// <summary>xc_dom_feature_translated: auto_translated_physmap is active (4.0), or an HVM container.</summary>
    public bool Translated => HvmContainer || (FeaturesActive & (1u << 2)) != 0;

    internal XenElfParameters Parms => Kernel!.Parameters;

    /// <summary>
    /// xc_dom_free_all: the images, packed and unpacked, go; an unpacked Linux is 60 MiB that nobody reads again. What was found out of them stays readable.
    /// </summary>
    internal void FreeAll()
    {
        KernelBlob = default;
        RamdiskBlob = RamdiskBlob is null ? null : default(ReadOnlyMemory<byte>);
        Loader = null;
        Kernel = Kernel is null ? null : Kernel with { Kernel = default, Elf = null, Load = (_, _, _) => false };
    }

    /// <summary>xc_dom_p2m / xc_dom_p2m_guest.</summary>
    internal Gfn P2m(ulong pfn) => Memory.GuestFrame(pfn, Translated);

    /// <summary>Frame to map for a pfn: xc_dom_p2m_host of 4.0, which for a translated guest is filled by populate as well.</summary>
    internal Gfn P2mHost(ulong pfn) => Memory.GuestFrame(pfn, HvmContainer);
}
