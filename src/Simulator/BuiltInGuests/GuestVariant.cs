using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>What a built-in guest tries besides its usual programme, to show how Xen answers. It prints what came of it and goes on.</summary>
public enum GuestTrial
{
    /// <summary>A page index other than 0 in the hypercall MSR.</summary>
    HypercallMsrIndex,

    /// <summary>A frame in the hypercall MSR that the guest does not have.</summary>
    HypercallMsrFrame,

    /// <summary>Another MSR of Xen's range than the one that installs the page.</summary>
    UnknownXenMsr,

    /// <summary>A hypercall number that no release has.</summary>
    UnknownHypercall,

    /// <summary>HVM: the hypercall instruction of the other vendor.</summary>
    OtherVendorInstruction,

    /// <summary>HVM: a hypercall from ring 3.</summary>
    UserHypercall,

    /// <summary>PV: getdomaininfo of itself, under the interface version of either release.</summary>
    Domctl,

    /// <summary>PV: hypercall_init of domain 0 over the guest's page table and over no frame, and of no domain, under the interface version of either release.</summary>
    HypercallInit,

    /// <summary>PV: int3, of whose bounce frame it prints RCX, R11 and CS with the saved event mask.</summary>
    BounceFrame,

    /// <summary>PV: blocks with an event pending that is masked: it may not sleep.</summary>
    BlockPending,

    /// <summary>Ends at once with SHUTDOWN_reboot.</summary>
    Reboot,

    /// <summary>PV: grants a page and an event channel to d2, which must try <see cref="UseGrantOfD1"/>, and waits for its answer.</summary>
    GrantToD2,

    /// <summary>PV: binds the channel and maps the page that d1 offers, answers, notifies.</summary>
    UseGrantOfD1,

    /// <summary>PV: as <see cref="GrantToD2"/>, and tells d2 of reference and port through xenstore.</summary>
    OfferInXenstore,

    /// <summary>PV: as <see cref="UseGrantOfD1"/>, of the reference and port that it reads in xenstore.</summary>
    TakeFromXenstore,
}

/// <summary>A note of a built-in guest's image that is not the usual one. Neither text nor number: the image does not have it.</summary>
public sealed record GuestNote(ElfNote Type, string? Text = null, ulong? Number = null);

/// <summary>How a built-in guest differs from itself as shipped.</summary>
public sealed record GuestVariant
{
    /// <summary>Notes changed, added, or left out.</summary>
    public IReadOnlyList<GuestNote> Notes { get; init; } = [];

    /// <summary>A <c>__xen_guest</c> section with this string, as kernels had before there were notes; the image then has no notes.</summary>
    public string? XenGuestSection { get; init; }

    public IReadOnlyList<GuestTrial> Tries { get; init; } = [];

    public bool IsShipped => Notes.Count == 0 && XenGuestSection is null && Tries.Count == 0;

    /// <summary>The image's notes: the usual ones with this variant's changes.</summary>
    internal byte[] Apply(NoteBuilder usual)
    {
        foreach (GuestNote note in Notes)
            usual.Replace(note);
        return usual.ToArray();
    }
}
