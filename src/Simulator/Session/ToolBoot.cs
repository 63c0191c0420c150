using XenSim.Guest.Cpu;
using XenSim.Hypervisor;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Toolstack;
using XenSim.Toolstack.Configuration;
using XenSim.Toolstack.Daemons;
using XenSim.Toolstack.Libxl;
using XenSim.Toolstack.XenStore;

namespace XenSim.Simulator.Session;

/// <summary>The tools of dom0 and their daemons, standing on a booted Xen.</summary>
internal sealed class ToolBoot
{
    private const ulong KiBPerMiB = 1024;

    /// <summary>What an HVM guest's configuration names to get a stub domain. Source: RELEASE-4.0.4 tools/libxl/libxl.c: libxl_create_device_model.</summary>
    private const string StubdomDeviceModel = "/usr/lib/xen/bin/stubdom-dm";

    private readonly SessionOptions _options;
    private readonly ToolStore _store;

    public ToolBoot(SessionOptions options, Xen xen, IEventSink events, FaultPlan faults)
    {
        _options = options;
        Configuration = options.Configuration ?? ConfigurationFor(options);
        IHypercallChannel channel = faults.Has(FaultPoint.Garbled) ? new GarblingChannel(xen.ToolChannel, faults) : xen.ToolChannel;
        Daemons = new DaemonSet(options.Release, channel, xen.Foreign, xen.ToolEvents, events);
        Daemons.Start();
        Daemons.InitialiseDom0();
        StoreConnection watcher = Daemons.Store.Connect((path, _) => DomainReleased |= path == "@releaseDomain");
        Daemons.Store.Request(watcher, XenStoreMessage.WATCH, 0, "@releaseDomain\0xl\0"u8);
        DomainReleased = false; // a new watch fires once
        _store = new ToolStore(Daemons.Store, faults.Has(FaultPoint.Message) ? faults.AtMessage : null);
        Xl = new Xl(new ToolstackOptions
        {
            Release = options.Release,
            Channel = channel,
            Foreign = xen.Foreign,
            ToolEvents = xen.ToolEvents,
            Store = _store,
            Events = events,
            HostCpuid = (leaf, subleaf) => Registers(xen.Options.Host.Cpuid(leaf, subleaf)),
            Faults = stage => faults.AtStage(stage, Side.Toolstack),
            CoreFile = name => options.CoreFolder is { } folder ? OpenCore(folder, name) : Stream.Null,
        });
    }

    public Xl Xl { get; }

    public DaemonSet Daemons { get; }

    /// <summary>xenstored has said that some domain shut down or is gone: what a waiting xl wakes up for.</summary>
    public bool DomainReleased { get; set; }

    public DomainConfiguration Configuration { get; }

    public DomainCreation Create() => Xl.CreateDomain(Configuration, _options.Paused);

    /// <summary>Another domain of the host.</summary>
    public DomainCreation Create(GuestSpec other) => Xl.CreateDomain(Plain(other), _options.Paused);

    /// <summary>Null: no such node.</summary>
    public string? ReadStore(string path) => _store.Read(0, path, out string value) == Hypervisor.Public.XenErrno.None ? value : null;

    /// <summary>A name with a path in it stays in the folder.</summary>
    private static FileStream? OpenCore(string folder, string name)
    {
        string file = name is "." or ".." ? "_" : name.Replace('/', '_');
        try
        {
            return File.Create(Path.Combine(folder, file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    private static DomainConfiguration ConfigurationFor(SessionOptions options) => options.Path == BootPath.Stubdom ? WithStubdom(options) : Plain(options.Guest);

    private static DomainConfiguration Plain(GuestSpec guest) => new()
    {
        Name = guest.Name,
        Uuid = DomainUuid.For(guest.Name),
        Type = guest.Type switch
        {
            GuestType.Pv => DomainType.pv,
            GuestType.Pvh => DomainType.pvh,
            _ => DomainType.hvm,
        },
        Kernel = Blob(guest.Kernel),
        Firmware = guest.Type == GuestType.Hvm ? Blob(guest.Kernel) : null,
        Ramdisk = Blob(guest.Ramdisk),
        CommandLine = guest.CommandLine.Length > 0 ? guest.CommandLine : null,
        MemoryKiB = guest.MemoryMiB * KiBPerMiB,
        Vcpus = guest.Vcpus,
        OnPoweroff = guest.OnPoweroff ?? EndAction.destroy,
        OnReboot = guest.OnReboot ?? EndAction.restart,
        OnCrash = guest.OnCrash ?? EndAction.destroy,
        Features = guest.Features,
        Viridian = guest.Viridian,
    };

    /// <summary>An HVM guest whose device model runs in a domain of its own: that PV domain runs the scenario's kernel.</summary>
    private static DomainConfiguration WithStubdom(SessionOptions options) => Plain(options.Guest) with
    {
        Type = DomainType.hvm,
        Kernel = new NamedBlob("hvm", BuiltInGuest.Find("hvm")!.Image),
        DeviceModel = StubdomDeviceModel,
        StubdomKernel = Blob(options.Guest.Kernel),
    };

    private static (uint A, uint B, uint C, uint D) Registers(CpuidResult r) => (r.Eax, r.Ebx, r.Ecx, r.Edx);

    private static NamedBlob? Blob(NamedBytes? file) => file is null ? null : new NamedBlob(file.Name, file.Bytes);
}
