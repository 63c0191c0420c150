using XenSim.Hypervisor.Public;

namespace XenSim.Simulator.Debugging;

/// <summary>What a breakpoint waits for.</summary>
public abstract record StopPoint
{
    /// <summary>In the words of the prompt.</summary>
    public abstract override string ToString();
}

public enum StageMoment
{
    Entered,
    Returned,
    Failed,
}

/// <summary>A stage of any machine.</summary>
/// <param name="Name">Function's name; <c>*</c> stands for any text.</param>
public sealed record StagePoint(string Name, StageMoment Moment) : StopPoint
{
    public override string ToString() => Moment == StageMoment.Entered ? Name : $"{Name} {(Moment == StageMoment.Returned ? "returning" : "failing")}";
}

/// <summary>A hypercall or its sub-operation, of guests and tools.</summary>
/// <param name="Name">Xen's name, as in <c>mmu_update</c> or <c>XEN_DOMCTL_hypercall_init</c>; <c>*</c> stands for any text.</param>
/// <param name="Returning">When it returns; else when it is entered.</param>
public sealed record HypercallPoint(string Name, bool Returning) : StopPoint
{
    public override string ToString() => Returning ? $"{Name} returning" : Name;
}

/// <summary>An instruction of a guest.</summary>
/// <param name="Address">Linear address.</param>
/// <param name="Symbol">The name it was given by; null: a number.</param>
/// <param name="Domain">Only in this domain; null: in any.</param>
public sealed record AddressPoint(ulong Address, string? Symbol = null, DomainId? Domain = null) : StopPoint
{
    public override string ToString() => Symbol is null ? $"*0x{Address:x}" : $"{Symbol} (0x{Address:x})";
}

public enum EventKind
{
    Exception,

    /// <summary>A page-table or page-type request was refused.</summary>
    Refusal,
    EventChannel,
    Console,
    Cpuid,
    Msr,

    /// <summary>A stage or hypercall wrote a page.</summary>
    PageWritten,
    Shutdown,

    /// <summary>Any request on xenstore.</summary>
    XenStore,
}

/// <summary>Something that happens.</summary>
/// <param name="Number">Vector, port, leaf or MSR; null: any.</param>
/// <param name="Text">Text of the console that has to come; empty: any output.</param>
public sealed record EventPoint(EventKind Kind, ulong? Number = null, string Text = "") : StopPoint
{
    public override string ToString() => $"{Word(Kind)}{(Number is not { } n ? "" : Kind is EventKind.Exception or EventKind.EventChannel ? $" {n}" : $" 0x{n:x}")}{(Text.Length > 0 ? $" \"{Text}\"" : "")}";

    /// <summary>The prompt's word for a kind.</summary>
    public static string Word(EventKind kind) => kind switch
    {
        EventKind.Exception => "exception",
        EventKind.Refusal => "refused",
        EventKind.EventChannel => "evtchn",
        EventKind.Console => "console",
        EventKind.Cpuid => "cpuid",
        EventKind.Msr => "msr",
        EventKind.PageWritten => "written",
        EventKind.Shutdown => "shutdown",
        _ => "xenstore",
    };
}

/// <summary>How an address is meant.</summary>
public enum AddressSpace
{
    /// <summary>Of the selected vCPU, through its page tables.</summary>
    Virtual,

    /// <summary>Pseudo-physical of a PV guest, guest-physical of an HVM one.</summary>
    GuestPhysical,
    Machine,
}

public enum WatchKind
{
    Write,
    Read,

    /// <summary>Reading or writing.</summary>
    Access,

    /// <summary>Only a write that leaves another value.</summary>
    Change,
}

/// <summary>Bytes of memory.</summary>
/// <param name="Length">Unit: bytes, 1 to 4096.</param>
public sealed record MemoryWatch(AddressSpace Space, ulong Address, int Length, WatchKind Kind) : StopPoint
{
    public override string ToString() => $"{Kind.ToString().ToLowerInvariant()} of {Length} byte{(Length == 1 ? "" : "s")} at {Space switch { AddressSpace.Virtual => "", AddressSpace.GuestPhysical => "guest-physical ", _ => "machine " }}0x{Address:x}";
}

/// <summary>A register, when its value changes. The guest then runs instruction by instruction.</summary>
/// <param name="Vcpu">Of this vCPU, also while it does not run; null: of whichever runs.</param>
public sealed record RegisterWatch(string Register, VcpuId? Vcpu = null) : StopPoint
{
    public override string ToString() => $"change of {Register}{(Vcpu is { } v ? $" of {v}" : "")}";
}

/// <summary>A breakpoint or watchpoint that was set. Changes take effect when the session next runs.</summary>
public sealed class Breakpoint
{
    internal Breakpoint(int id, StopPoint point) => (Id, Point) = (id, point);

    /// <summary>From 1, never given twice.</summary>
    public int Id { get; }

    public StopPoint Point { get; }

    /// <summary>It stops only if this is not zero then; null: always.</summary>
    public Expression? Condition { get; set; }

    /// <summary>How many more times it lets pass.</summary>
    public long Ignore { get; set; }

    /// <summary>How often it was reached (and its condition held), running forwards.</summary>
    public long Hits { get; internal set; }

    /// <summary>It goes away when it has stopped something.</summary>
    public bool Temporary { get; init; }

    public bool Enabled { get; set; } = true;

    /// <summary>The last condition that had no value, and why; null: none.</summary>
    public string? ConditionError { get; internal set; }

    public bool IsWatch => Point is MemoryWatch or RegisterWatch;

    internal bool NeedsInstructions => Point is RegisterWatch;

    internal static bool Matches(string pattern, string? name)
        => name is not null && (pattern.Contains('*', StringComparison.Ordinal) ? System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false) : pattern == name);
}
