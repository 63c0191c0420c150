namespace XenSim.Simulator.BuiltInGuests;

/// <summary>What kind of domain a guest's image is for, in the words of xl.cfg's <c>type</c>.</summary>
public enum BuiltInGuestKind
{
    Pv,
    Hvm,
}

/// <summary>
/// A guest that comes with the simulator: nothing to download. Its image is assembled on first use, always to the same bytes; a published
/// program finds it assembled beside itself, because that takes a tenth of the time of a short run.
/// </summary>
public sealed class BuiltInGuest
{
    /// <summary>Folder beside the program.</summary>
    private const string Folder = "guests";

    internal const string HvmTitle = "XenSim's own HVM guest: 32-bit protected mode, paging off";

    private static readonly GuestTrial[] pvTrials =
        [GuestTrial.HypercallMsrIndex, GuestTrial.HypercallMsrFrame, GuestTrial.UnknownXenMsr, GuestTrial.UnknownHypercall, GuestTrial.Domctl, GuestTrial.HypercallInit, GuestTrial.BounceFrame,
            GuestTrial.BlockPending, GuestTrial.Reboot, GuestTrial.GrantToD2, GuestTrial.UseGrantOfD1, GuestTrial.OfferInXenstore, GuestTrial.TakeFromXenstore];

    private static readonly GuestTrial[] hvmTrials =
        [GuestTrial.HypercallMsrIndex, GuestTrial.HypercallMsrFrame, GuestTrial.UnknownXenMsr, GuestTrial.UnknownHypercall, GuestTrial.OtherVendorInstruction, GuestTrial.UserHypercall, GuestTrial.Reboot];

    private readonly Lazy<byte[]> image;
    private readonly Func<GuestVariant, byte[]> build;

    private BuiltInGuest(string name, BuiltInGuestKind kind, string description, Func<GuestVariant, byte[]> build)
    {
        this.build = build;
        Name = name;
        Kind = kind;
        Description = description;
        image = new(() => Published(FileName) ?? build(new GuestVariant()));
    }

    /// <summary>The options of pv64, to derive variants from.</summary>
    public static PvGuestOptions Pv64Options { get; } = new()
    {
        Name = "pv64",
        Title = "XenSim's own PV guest: 64-bit kernel at CPL 3",
        Wide = true,
    };

    /// <summary>The options of pv32, to derive variants from.</summary>
    public static PvGuestOptions Pv32Options { get; } = new()
    {
        Name = "pv32",
        Title = "XenSim's own PV guest: 32-bit PAE kernel at CPL 1",
        Wide = false,
    };

    /// <summary>The options of pv32-supervisor, to derive variants from.</summary>
    public static PvGuestOptions Pv32SupervisorOptions { get; } = new()
    {
        Name = "pv32-supervisor",
        Title = "XenSim's own PV guest: 32-bit PAE kernel that supports supervisor mode",
        Wide = false,
        Features = "supervisor_mode_kernel",
    };

    /// <summary>Every built-in guest.</summary>
    public static IReadOnlyList<BuiltInGuest> All { get; } =
    [
        new("pv64", BuiltInGuestKind.Pv, "64-bit PV kernel, ring 3", v => PvGuest.Build(Pv64Options with { Variant = v })),
        new("pv32", BuiltInGuestKind.Pv, "32-bit PAE PV kernel, ring 1", v => PvGuest.Build(Pv32Options with { Variant = v })),
        new("pv32-supervisor", BuiltInGuestKind.Pv, "32-bit PAE PV kernel that can run in ring 0", v => PvGuest.Build(Pv32SupervisorOptions with { Variant = v })),
        new("hvm", BuiltInGuestKind.Hvm, "HVM guest: PVH entry, or in the firmware's place under 4.0", HvmGuest.Build),
    ];

    public string Name { get; }

    public BuiltInGuestKind Kind { get; }

    public string Description { get; }

    public string FileName => $"{Name}.elf";

    /// <summary>The ELF image.</summary>
    public ReadOnlyMemory<byte> Image => image.Value;

    /// <summary>What this guest can try besides its usual programme.</summary>
    public IReadOnlyList<GuestTrial> Trials => Kind == BuiltInGuestKind.Pv ? pvTrials : hvmTrials;

    /// <summary>The ELF image of a variant.</summary>
    public byte[] Build(GuestVariant variant) => build(variant);

    /// <summary>The guest of that name, or null.</summary>
    public static BuiltInGuest? Find(string name) => All.FirstOrDefault(g => g.Name == name);

    private static byte[]? Published(string file)
    {
        string path = Path.Combine(AppContext.BaseDirectory, Folder, file);
        return File.Exists(path) ? File.ReadAllBytes(path) : null;
    }
}
