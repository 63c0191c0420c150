using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Toolstack.Libxl;

namespace XenSim.Simulator.Session;

/// <summary>Which way a domain comes up.</summary>
public enum BootPath
{
    /// <summary><c>create_domain → … → setup_hypercall_page</c>: a PV domain built by the tools.</summary>
    DomU,

    /// <summary>The device model's own PV domain, built by <c>libxl_create_stubdom</c>.</summary>
    Stubdom,

    /// <summary><c>__start_xen → construct_dom0</c>.</summary>
    Dom0,

    /// <summary>An HVM or PVH domain, which installs its page by CPUID and the MSR.</summary>
    Hvm,
}

public enum GuestType
{
    Pv,
    Pvh,
    Hvm,
}

/// <summary>The host and the hypervisor's build.</summary>
public sealed record HostSpec
{
    /// <summary>As many vCPUs as dom0 may have without more than shared_info holds.</summary>
    public const int MostCpus = 32;

    public CpuVendor Vendor { get; init; } = CpuVendor.AMD;

    /// <summary>Name of a shipped host model; null: the default one of vendor and word size.</summary>
    public string? Model { get; init; }

    /// <summary>MSRs that differ from the model, e.g. VMX locked off by the BIOS.</summary>
    public IReadOnlyList<(uint Index, ulong Value)> Msrs { get; init; } = [];

    /// <summary>Processors of the machine.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary>MSRs in which one processor differs from the first.</summary>
    public IReadOnlyList<(int Cpu, uint Index, ulong Value)> CpuMsrs { get; init; } = [];

    /// <summary>Word size of the hypervisor; 32 exists in 4.0 only. Unit: bits.</summary>
    public int Bits { get; init; } = 64;

    /// <summary>Unit: MiB.</summary>
    public ulong MemoryMiB { get; init; } = 1024;

    /// <summary>The <c>supervisor_mode_kernel</c> build of 4.0's 32-bit hypervisor: dom0 runs in ring 0.</summary>
    public bool SupervisorModeKernel { get; init; }

    /// <summary>CONFIG_PV32 of a 4.17 build.</summary>
    public bool Pv32 { get; init; } = true;

    /// <summary>Xen's own command line.</summary>
    public string CommandLine { get; init; } = "";

    /// <summary>Link address of Xen's <c>hypercall</c> entry, which ring-0 stubs call.</summary>
    public ulong HypercallEntry { get; init; } = HypercallPage.DefaultEntry;
}

/// <summary>A file as the tools see it: its name and its bytes.</summary>
public sealed record NamedBytes(string Name, byte[] Bytes)
{
    /// <summary>A boot loader's configuration that names no kernel.</summary>
    public static readonly NamedBytes None = new("none", []);
}

/// <summary>The guest to boot.</summary>
public sealed record GuestSpec
{
    public GuestType Type { get; init; } = GuestType.Pv;

    /// <summary>Null only until a scenario has been read completely.</summary>
    public NamedBytes? Kernel { get; init; }

    /// <summary>The built-in guest that the kernel is; null: a file.</summary>
    public BuiltInGuest? BuiltIn { get; init; }

    /// <summary>How the built-in guest's image differs from itself as shipped.</summary>
    public GuestVariant Variant { get; init; } = new();

    /// <summary>Features that the tools ask the builder for, which xl.cfg cannot: names separated by <c>|</c>.</summary>
    public string Features { get; init; } = "";

    /// <summary>HVM with Viridian's leaves and MSRs, as xl.cfg's <c>viridian</c>.</summary>
    public bool Viridian { get; init; }

    public NamedBytes? Ramdisk { get; init; }

    public string CommandLine { get; init; } = "";

    /// <summary>Unit: MiB.</summary>
    public ulong MemoryMiB { get; init; } = 32;

    public uint Vcpus { get; init; } = 1;

    public string Name { get; init; } = "guest";

    /// <summary>What xl does when the guest powers off; null with its two siblings: xl does not wait for that (<c>xl create -e</c>).</summary>
    public EndAction? OnPoweroff { get; init; }

    public EndAction? OnReboot { get; init; }

    public EndAction? OnCrash { get; init; }

    /// <summary>What this domain, if it is one of <see cref="SessionOptions.Others"/>, is created after.</summary>
    public IReadOnlyList<DomainDependency> After { get; init; } = [];

    /// <summary>Whether xl stays to act on the domain's end.</summary>
    public bool XlWaits => (OnPoweroff ?? OnReboot ?? OnCrash) is not null;

    /// <summary>The kernel with the variant built in, once everything about the guest is known.</summary>
    public GuestSpec WithVariant() => BuiltIn is null || Variant.IsShipped ? this : this with { Kernel = new NamedBytes(BuiltIn.Name, BuiltIn.Build(Variant)) };
}

/// <summary>What has to have become of another domain.</summary>
/// <param name="Domain">Its name.</param>
/// <param name="ConsoleText">It has printed this; null: it need only have been created.</param>
/// <param name="Ended">It has shut down, or been destroyed.</param>
/// <param name="Mark">Where the scenario says so.</param>
public sealed record DomainDependency(string Domain, string? ConsoleText = null, bool Ended = false, Input.Mark? Mark = null)
{
    public override string ToString() => ConsoleText is not null ? $"{Domain} prints \"{ConsoleText}\"" : Ended ? $"{Domain} ends" : $"{Domain} is created";
}

/// <summary>When to stop a guest that does not end by itself.</summary>
public sealed record SessionLimits
{
    public long Instructions { get; init; } = 200_000_000;

    /// <summary>Unit: nanoseconds of virtual time.</summary>
    public ulong VirtualNanoseconds { get; init; } = 300_000_000_000;

    /// <summary>How often xl may create the domain again before the session ends with it.</summary>
    public ulong Restarts { get; init; } = ulong.MaxValue;
}

/// <summary>What a fault replaces.</summary>
public enum FaultPoint
{
    Stage,
    Hypercall,

    /// <summary>Xen finds no memory.</summary>
    Allocation,

    /// <summary>xenstored refuses a request of the tools.</summary>
    Message,

    /// <summary>Xen reads other bytes than the tools wrote.</summary>
    Garbled,
}

/// <summary>A failure to inject.</summary>
/// <param name="Name">
/// Stage name; Xen's name of a hypercall or sub-operation; <c>order-N</c> for an allocation of 2^N frames; the wire's name of a request, as in MKDIR;
/// Xen's name of the tools' hypercall that is garbled; * for any of them.
/// </param>
/// <param name="Code">A stage's return value; null: the side's convention (-errno in Xen, -1 in the tools).</param>
/// <param name="Occurrence">Only this call of it, from 1; null: every one.</param>
/// <param name="Domain">A domctl is not refused: it is about this domain instead of the one that it names.</param>
public sealed record Fault(FaultPoint Point, string Name, XenErrno Errno, long? Code, ulong? Occurrence, ushort? Domain = null)
{
    public const string Any = "*";

    /// <summary>Only every n-th call of it; null: every one.</summary>
    public ulong? Every { get; init; }

    /// <summary>Only one of so many calls of it, chosen by <see cref="Seed"/>; null: every one.</summary>
    public ulong? OneIn { get; init; }

    /// <summary>Decides what is random: which calls, which bytes; null: <see cref="SessionOptions.Seed"/> does.</summary>
    public ulong? Seed { get; init; }
}

/// <summary>What ends a run before the guest does.</summary>
public enum UntilKind
{
    Shutdown,
    Console,
    Hypercall,
    Stage,
}

/// <param name="Text">Console text, hypercall or stage name; empty for shutdown.</param>
public sealed record Until(UntilKind Kind, string Text)
{
    public static readonly Until Shutdown = new(UntilKind.Shutdown, "");

    /// <summary>Forms accepted, for messages.</summary>
    public const string Forms = "shutdown, console:TEXT, hypercall:NAME or stage:NAME";

    public static bool TryParse(string text, out Until until)
    {
        until = Shutdown;
        if (text == "shutdown")
            return true;
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 || colon == text.Length - 1)
            return false;
        UntilKind? kind = text[..colon] switch
        {
            "console" => UntilKind.Console,
            "hypercall" => UntilKind.Hypercall,
            "stage" => UntilKind.Stage,
            _ => null,
        };
        if (kind is not { } k)
            return false;
        until = new Until(k, text[(colon + 1)..]);
        return true;
    }

    public override string ToString() => Kind == UntilKind.Shutdown ? "shutdown" : $"{Kind.ToString().ToLowerInvariant()}:{Text}";
}

/// <summary>Everything that determines a session: the same options give the same events, to the instruction.</summary>
public sealed record SessionOptions
{
    public XenRelease Release { get; init; } = XenRelease.V4_17;

    public HostSpec Host { get; init; } = new();

    public BootPath Path { get; init; } = BootPath.DomU;

    public GuestSpec Guest { get; init; } = new();

    /// <summary>
    /// Further domains of the host, which xl creates in this order, after <see cref="Guest"/> or, on the dom0 path, beside the dom0 that it is; one whose
    /// <see cref="GuestSpec.After"/> does not hold yet, when it does. Nothing runs before all that need not wait are built; the session goes on until each has ended.
    /// </summary>
    public IReadOnlyList<GuestSpec> Others { get; init; } = [];

    /// <summary>A whole xl configuration in place of <see cref="Guest"/>; null: made from it.</summary>
    public DomainConfiguration? Configuration { get; init; }

    public SessionLimits Limits { get; init; } = new();

    public IReadOnlyList<Fault> Faults { get; init; } = [];

    /// <summary>Decides what is random in faults that have no seed of their own.</summary>
    public ulong Seed { get; init; }

    public Until Until { get; init; } = Until.Shutdown;

    /// <summary>What somebody at the guests' consoles and in dom0 does while they run.</summary>
    public IReadOnlyList<ScriptStep> Script { get; init; } = [];

    /// <summary>xl create -e: nobody waits for the end of the domain that <see cref="Configuration"/> describes.</summary>
    public bool DoNotWait { get; init; }

    /// <summary>Existing folder for the cores of domains that end with coredump-destroy or coredump-restart, by name; null: nobody keeps them.</summary>
    public string? CoreFolder { get; init; }

    /// <summary>Whether xl stays to act on the domain's end.</summary>
    public bool XlWaits => Configuration is null ? Guest.XlWaits : !DoNotWait;

    /// <summary>Leave the domain paused after building it (<c>xl create -p</c>).</summary>
    public bool Paused { get; init; }
}
