namespace XenSim.Toolstack.Libxl;

/// <summary>What kind of domain is asked for, in xl's words.</summary>
public enum DomainType
{
    pv,
    pvh,
    hvm,
}

/// <summary>A file that the tools would open: its name for messages and xenstore, its content as bytes.</summary>
public sealed record NamedBlob(string Name, ReadOnlyMemory<byte> Bytes);

/// <summary>What xl does when the domain ends (on_poweroff, on_reboot, on_crash).</summary>
public enum EndAction
{
    destroy,
    restart,
    rename_restart,
    preserve,
    coredump_destroy,
    coredump_restart,
    soft_reset,
}

/// <summary>xl's words for the actions (4.17 xl_parse.c: action_on_shutdown_names).</summary>
public static class EndActions
{
    public static readonly IReadOnlyList<EndAction> All = Enum.GetValues<EndAction>();

    public static readonly IReadOnlyDictionary<string, EndAction> ByName = All.ToDictionary(NameOf);

    public static string NameOf(EndAction action) => action.ToString().Replace('_', '-');
}

/// <summary>How RDTSC behaves for the guest (tsc_mode).</summary>
public enum TscMode
{
    Default = 0,
    AlwaysEmulate = 1,
    Native = 2,
}

/// <summary>One domain as the configuration file describes it: libxl's create_info and build_info as data. Sizes are in KiB.</summary>
public sealed record DomainConfiguration
{
    public required string Name { get; init; }

    /// <summary>The handle given to createdomain, in memory order, and the name of /vm/UUID.</summary>
    public Guid Uuid { get; init; }

    public DomainType Type { get; init; } = DomainType.pv;

    /// <summary>The kernel; for HVM in 4.0 the firmware or guest image that xc_hvm_build loads.</summary>
    public NamedBlob? Kernel { get; init; }

    /// <summary>firmware_override: the image that an HVM guest of 4.17 starts with, in hvmloader's place.</summary>
    public NamedBlob? Firmware { get; init; }

    public NamedBlob? Ramdisk { get; init; }

    /// <summary>What xenstore's image/ramdisk says: an empty name is one too (a stub domain has it); null: no entry.</summary>
    public string? RamdiskName
    {
        get => field ?? Ramdisk?.Name;
        init;
    }

    /// <summary>Null when the configuration gives none.</summary>
    public string? CommandLine { get; init; }

    /// <summary>Feature names separated by <c>|</c>, as xl passes them to xc_dom_allocate.</summary>
    public string Features { get; init; } = "";

    public ulong MemoryKiB { get; init; } = 64 * 1024;

    /// <summary>maxmem; defaults to <see cref="MemoryKiB"/>.</summary>
    public ulong? MaximumMemoryKiB { get; init; }

    public ulong EffectiveMaximumKiB => MaximumMemoryKiB ?? MemoryKiB;

    /// <summary>video_memkb: taken off an HVM guest's memory for the display of its device model.</summary>
    public ulong VideoKiB { get; init; } = 8 * 1024;

    public uint Vcpus { get; init; } = 1;

    /// <summary>Bit i: vcpu i starts online. Null: all.</summary>
    public ulong? OnlineVcpus { get; init; }

    public TscMode TscMode { get; init; }

    /// <summary>viridian: HVM_PARAM_VIRIDIAN of an HVM guest (4.0).</summary>
    public bool Viridian { get; init; }

    /// <summary>device_model: the stub-domain path is taken when it contains <c>stubdom-dm</c> (4.0).</summary>
    public string? DeviceModel { get; init; }

    /// <summary>The image <c>ioemu-stubdom.gz</c> in the firmware directory, which a stub domain boots.</summary>
    public NamedBlob? StubdomKernel { get; init; }

    /// <summary>Number of virtual framebuffers: a PV guest with one gets a qemu.</summary>
    public int Framebuffers { get; init; }

    /// <summary>The configuration file's bytes, which libxl_userdata_store keeps.</summary>
    public ReadOnlyMemory<byte> SourceText { get; init; }

    /// <summary>Name of the configuration file, for <c>Parsing config from …</c>; null when there is none.</summary>
    public string? SourceName { get; init; }

    public EndAction OnPoweroff { get; init; } = EndAction.destroy;

    public EndAction OnReboot { get; init; } = EndAction.restart;

    public EndAction OnCrash { get; init; } = EndAction.destroy;

    /// <summary>4.17; 4.0 has no watchdog setting.</summary>
    public EndAction OnWatchdog { get; init; } = EndAction.destroy;

    public EndAction OnSoftReset { get; init; } = EndAction.soft_reset;

    /// <summary>claim_mode: claim all pages before populating (xl's default in 4.17).</summary>
    public bool ClaimMode { get; init; } = true;
}
