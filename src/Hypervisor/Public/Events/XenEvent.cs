namespace XenSim.Hypervisor.Public.Events;

/// <summary>
/// One observable thing that happened. The console view, traces, reports, expectations and the debugger are all
/// consumers of this one stream; the simulator's stream adds sequence number and virtual time.
/// </summary>
public abstract record XenEvent;

/// <summary>Which side of the domctl boundary an event comes from.</summary>
public enum Side
{
    Toolstack,
    Hypervisor,
    Guest,
}

/// <summary>A stage (a state named after the real function) was entered.</summary>
/// <param name="Depth">Nesting depth, 0 for the outermost stage.</param>
public sealed record StageEntered(Side Side, string Machine, string Stage, int Depth) : XenEvent;

/// <summary>A stage returned successfully.</summary>
public sealed record StageReturned(Side Side, string Machine, string Stage, int Depth) : XenEvent;

/// <summary>A stage failed with the code the real function returns.</summary>
/// <param name="Code">The function's own return value, e.g. -1 or -22.</param>
/// <param name="Errno">The errno behind it, if any.</param>
/// <param name="Injected">True when a scenario's fault, not the model, made it fail.</param>
public sealed record StageFailed(Side Side, string Machine, string Stage, int Depth, long Code, XenErrno Errno, string Message, bool Injected) : XenEvent;

/// <summary>A state machine took a transition.</summary>
public sealed record StateChanged(string Machine, string From, string Trigger, string To) : XenEvent;

/// <summary>Severity of a <see cref="LogLine"/>, in xentoollog's words.</summary>
public enum LogLevel
{
    Debug,
    Verbose,
    Detail,
    Progress,
    Info,
    Notice,
    Warn,
    Error,
    Critical,
}

/// <summary>A line that a real tool or Xen prints, as printed, without line end.</summary>
/// <param name="Context">The part before the level: <c>libxl</c>, <c>domainbuilder</c>, <c>xc</c>, <c>xl</c>; <c>XEN</c> for the hypervisor's log.</param>
/// <param name="Text">What follows <c>context: level: </c>, e.g. <c>xc_dom_parse_image: called</c>.</param>
public sealed record LogLine(string Context, LogLevel Level, string Text) : XenEvent
{
    /// <summary>The whole line as xtl_logger_stdiostream or the serial console shows it.</summary>
    public string Rendered => Context switch
    {
        "XEN" => $"(XEN) {Text}",
        "xl" => Text,
        _ => $"{Context}: {(Level == LogLevel.Warn ? "warning" : Level.ToString().ToLowerInvariant())}: {Text}",
    };
}

/// <summary>A named value of a decoded argument. Values are numbers, except where only text says it.</summary>
public readonly record struct Argument(string Name, ulong Value, string? Text = null)
{
    public override string ToString() => Text is null ? $"{Name}=0x{Value:x}" : $"{Name}={Text}";
}

/// <summary>Who issues a hypercall.</summary>
public enum Issuer
{
    Guest,
    Toolstack,
    Multicall,
}

/// <summary>A hypercall was entered, with its decoded sub-operation and arguments.</summary>
/// <param name="SubOperation">Xen's name, e.g. <c>XEN_DOMCTL_hypercall_init</c>; null if the call has none.</param>
/// <param name="Target">Domain the call is about, when its arguments name one.</param>
/// <param name="InstructionPointer">Address of the trapping instruction; 0 for the toolstack.</param>
public sealed record HypercallEntered(
    Issuer Issuer, DomainId Caller, int Vcpu, uint Number, string Name, string? SubOperation, DomainId? Target,
    IReadOnlyList<Argument> Arguments, ulong InstructionPointer) : XenEvent;

/// <summary>A hypercall returned.</summary>
/// <param name="Preempted">It did not: it stopped, and the guest makes it again with the arguments that are left. <paramref name="Result"/> is its number.</param>
public sealed record HypercallReturned(
    Issuer Issuer, DomainId Caller, int Vcpu, uint Number, string Name, string? SubOperation, DomainId? Target, long Result, bool Preempted = false) : XenEvent;

/// <summary>Real Xen has an answer for this; we lack it (or Xen itself answers ENOSYS): said by name, once per name.</summary>
/// <param name="Ours">True: XenSim lacks it and stops. False: Xen refuses it too and the caller got Xen's errno.</param>
public sealed record NotImplementedHere(string Name, string Detail, bool Ours) : XenEvent;

/// <summary>The tools mapped frames of a domain.</summary>
public sealed record ForeignMapped(DomainId Domain, string Kind, IReadOnlyList<Gfn> Frames, XenErrno Error) : XenEvent;

/// <summary>A stage or hypercall wrote guest-visible memory.</summary>
/// <param name="Writer">Function that wrote, e.g. <c>pv_ring3_init_hypercall_page</c>.</param>
/// <param name="What">What it is: hypercall page, start_info, page table …</param>
public sealed record PageWritten(DomainId Domain, Mfn Frame, Pfn? Pfn, string Writer, string What) : XenEvent;

/// <summary>A page-table or page-type request was refused; the rule and the entry in words.</summary>
public sealed record PageTypeRefused(DomainId Domain, Mfn Frame, XenErrno Errno, string Reason) : XenEvent;

/// <summary>A grant operation was refused: on which entry, with which GNTST_*, and why in words.</summary>
/// <param name="Granter">Null: the domain was not found or not looked for.</param>
/// <param name="Reference">The entry, or the handle of an unmap.</param>
public sealed record GrantRefused(DomainId Caller, DomainId? Granter, uint Reference, string Status, string Reason) : XenEvent;

/// <summary>Something happened to an event channel: alloc, bind, send, close, deliver.</summary>
public sealed record EventChannelChanged(DomainId Domain, uint Port, string What) : XenEvent;

/// <summary>Bytes on a guest's console, both by console_io and by the console ring.</summary>
/// <param name="Via"><c>console_io</c>, <c>ring</c> or <c>debug-port</c>.</param>
public sealed record ConsoleOutput(DomainId Domain, string Via, byte[] Bytes) : XenEvent;

/// <summary>A vCPU started running guest code: its registers at entry are in the session.</summary>
public sealed record GuestStarted(DomainId Domain, int Vcpu, ulong InstructionPointer) : XenEvent;

/// <summary>A guest exception reached Xen.</summary>
public sealed record GuestException(DomainId Domain, int Vcpu, byte Vector, uint ErrorCode, ulong InstructionPointer, ulong FaultAddress, string Outcome) : XenEvent;

/// <summary>A CPUID, MSR or port access of a guest that Xen answered.</summary>
public sealed record PrivilegedAccess(DomainId Domain, int Vcpu, string Kind, ulong Index, ulong Value, ulong InstructionPointer) : XenEvent;

/// <summary>A domain came into being.</summary>
public sealed record DomainCreated(DomainId Domain) : XenEvent;

/// <summary>A domain shut down. Reasons: 0 poweroff, 1 reboot, 2 suspend, 3 crash, 4 watchdog, 5 soft_reset.</summary>
public sealed record DomainShutdown(DomainId Domain, uint Reason) : XenEvent;

/// <summary>A domain was destroyed and its pages freed.</summary>
public sealed record DomainDestroyed(DomainId Domain) : XenEvent;

/// <summary>The machine itself was switched off or reset, by ACPI or the reset register.</summary>
public sealed record MachineEnded(MachineEnd How) : XenEvent;

/// <summary>What became of the machine.</summary>
public enum MachineEnd
{
    PowerOff,
    Reset,
}

/// <summary>A request on the xenstore connection and its reply.</summary>
public sealed record XenStoreRequest(DomainId Caller, string Operation, string Path, string Value, string Result) : XenEvent;

/// <summary>Where events go. <see cref="Wants"/> keeps hot paths free of allocations nobody reads.</summary>
public interface IEventSink
{
    /// <summary>Whether events of this type would be seen by anybody.</summary>
    bool Wants<TEvent>()
        where TEvent : XenEvent;

    void Emit(XenEvent e);

    /// <summary>An event that nobody wants has happened: it keeps its number, so that the others have theirs whoever reads along. Of no concern to a sink without numbers.</summary>
    void Pass()
    {
    }
}
