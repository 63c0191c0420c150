using XenSim.Hypervisor.Public.Numbers;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Scenarios.Shapes;
using XenSim.Simulator.Session;
using XenSim.Toolstack.Libxl;

namespace XenSim.Simulator.Scenarios;

/// <summary>The keys of a guest: of <c>guest</c>, and of each of <c>domains</c>.</summary>
internal static class GuestLanguage
{
    public const string Name = "name";

    private const ulong MostMemoryMiB = 65_536;

    private static readonly ChoiceShape<GuestType> s_guestType = new("a guest type", new Dictionary<string, GuestType>
    {
        ["pv"] = GuestType.Pv,
        ["pvh"] = GuestType.Pvh,
        ["hvm"] = GuestType.Hvm,
    });

    private static readonly ChoiceShape<EndAction> s_action = new("an action", EndActions.ByName);

    public static readonly IReadOnlyList<Field<GuestSpec>> Fields =
    [
        Field<GuestSpec>.Of("type", "pv, pvh or hvm.", s_guestType, (g, v) => g with { Type = v }),
        Field<GuestSpec>.Of(
            "kernel", "A built-in guest's name, a file relative to the scenario, or none: a boot loader that gives Xen no dom0.", new KernelShape(), (g, v) => g with { Kernel = v.Bytes, BuiltIn = v.Guest }, required: true),
        Field<GuestSpec>.Of(
            "notes", "Xen notes of a built-in guest's image that differ from the usual ones: a text, a number, or absent.",
            new MapShape<ElfNote, (string? Text, ulong? Number)>("notes with values", VariantShapes.NoteName, new NoteValueShape()),
            (g, v) => g with { Variant = g.Variant with { Notes = [.. v.Select(n => new GuestNote(n.Key, n.Value.Text, n.Value.Number))] } }),
        Field<GuestSpec>.Of(
            "xen-guest", "A __xen_guest section with this string in place of all notes, as kernels had before there were notes.",
            new TextShape("KEY=value pairs"), (g, v) => g with { Variant = g.Variant with { XenGuestSection = v } }),
        Field<GuestSpec>.Of(
            "tries", "What a built-in guest tries besides its usual programme; it prints the answer and goes on.",
            new ListShape<GuestTrial>(VariantShapes.Trial, "trials"), (g, v) => g with { Variant = g.Variant with { Tries = [.. v.Select(t => t.Value)] } }),
        Field<GuestSpec>.Of(
            "features", "Features that the tools ask the builder for (libxl's u.pv.features, which xl.cfg cannot set), separated by |.", new TextShape("feature names"),
            (g, v) => g with { Features = v }),
        Field<GuestSpec>.Of("viridian", "HVM with Viridian's CPUID leaves and MSRs, as xl.cfg's viridian.", new BooleanShape(), (g, v) => g with { Viridian = v }),
        Field<GuestSpec>.Of("ramdisk", "A file relative to the scenario.", new FileShape("a ramdisk"), (g, v) => g with { Ramdisk = v }),
        Field<GuestSpec>.Of("cmdline", "The kernel's command line.", new TextShape(), (g, v) => g with { CommandLine = v }),
        Field<GuestSpec>.Of("memory", "The guest's memory in MiB.", new NumberShape(1, MostMemoryMiB), (g, v) => g with { MemoryMiB = v }),
        Field<GuestSpec>.Of("vcpus", "Number of vCPUs.", new NumberShape(1, 32), (g, v) => g with { Vcpus = (uint)v }),
        Field<GuestSpec>.Of(Name, "The domain's name.", new TextShape("a name", 64), (g, v) => g with { Name = v }),
        Field<GuestSpec>.Of(
            "on-poweroff", "What xl does when the guest powers off, as xl.cfg's on_poweroff; 4.0's xl knows no such setting. With none of the three xl does not wait for the end.",
            s_action, (g, v) => g with { OnPoweroff = v }),
        Field<GuestSpec>.Of("on-reboot", "What xl does when the guest reboots.", s_action, (g, v) => g with { OnReboot = v }),
        Field<GuestSpec>.Of("on-crash", "What xl does when the guest crashes.", s_action, (g, v) => g with { OnCrash = v }),
    ];

    public static readonly ObjectShape<GuestSpec> Shape = new("guest", new GuestSpec(), Fields, OptionRules.CheckGuest);
}
