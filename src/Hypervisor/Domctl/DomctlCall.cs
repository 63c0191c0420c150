using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;
using WireDomctl = XenSim.Hypervisor.Public.Wire.Domctl;

namespace XenSim.Hypervisor.Domctl;

/// <summary>One domctl on its way: what the stages of <see cref="DomctlCall"/> share.</summary>
internal sealed class DomctlContext
{
    public required HypercallCall Call { get; init; }

    /// <summary>The request, copied in; commands write their answers into it.</summary>
    public WireDomctl Request;

    public DomctlCommand Command => (DomctlCommand)Request.Cmd;

    public Xen Xen => Call.Xen;

    /// <summary>The target; null for createdomain and (4.0) before the command looks it up.</summary>
    public Domain? Target { get; set; }

    public long Result { get; set; }

    public bool CopyBack { get; set; }

    /// <summary>hypercall_init: the frame that the nested stage fills.</summary>
    public Mfn HypercallPage { get; set; } = Mfn.Invalid;

    public ref T Payload<T>()
        where T : unmanaged
        => ref ((Span<byte>)Request.Payload).AsStruct<T>();

    /// <summary>Ends the command with Xen's code.</summary>
    public StageOutcome Finish(XenErrno errno)
    {
        Result = errno.ToResult();
        return errno == XenErrno.None ? StageOutcome.Ok : StageOutcome.Fail(errno);
    }
}

/// <summary>do_domctl → arch_do_domctl → hypercall_page_initialise as a machine of stages, checks in each release's order.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/domctl.c: do_domctl; xen/arch/x86/domctl.c: arch_do_domctl.</remarks>
internal static class DomctlCall
{
    public static long Do(HypercallCall c)
    {
        DomctlContext context = new() { Call = c };
        StageMachine<DomctlContext> machine = c.Xen.Domctls
            ??= new(Declare(c.Xen.Profile.Release), context, Side.Hypervisor, c.Xen.Events, c.Xen.Options.StageFaults);
        machine.Restart(context);
        StageOutcome outcome = machine.Run();
        return outcome.Failed ? outcome.Code : context.Result;
    }

    public static CallDescription About(HypercallCall c)
        => c.Memory.TryReadStruct(new VirtualAddress(c.A1), out WireDomctl d)
            ? new CallDescription(XenNames.Domctl(d.Cmd), new DomainId(d.Domain), DomctlArguments.Of(c.Xen.Profile.Release, d, c.Memory))
            : CallDescription.None;

    /// <summary>The declaration, for <c>xensim graph</c> too.</summary>
    public static Stage<DomctlContext> Declare(XenRelease release)
    {
        string source = release == XenRelease.V4_0 ? "RELEASE-4.0.4" : "stable-4.17";
        return new Stage<DomctlContext>
        {
            Name = "do_domctl",
            Source = $"{source} xen/common/domctl.c",
            Enter = CheckAndDispatch,
            Return = CopyBack,
            Calls =
            [
                new Stage<DomctlContext>
                {
                    Name = "arch_do_domctl",
                    Source = $"{source} xen/arch/x86/domctl.c",
                    When = static d => DomctlCommands.IsArch(d.Command, d.Xen.Profile.Release),
                    WhenText = "an architecture's command",
                    Enter = static d => DomctlCommands.Run(d),
                    Return = static d => HypercallInit.PutFrame(d, StageOutcome.Ok),
                    OnCalleeFailure = HypercallInit.PutFrame,
                    Calls =
                    [
                        new Stage<DomctlContext>
                        {
                            Name = release == XenRelease.V4_0 ? "hypercall_page_initialise" : "init_hypercall_page",
                            Source = $"{source} xen/arch/x86/{(release == XenRelease.V4_0 ? "traps.c" : "domain.c")}",
                            When = static d => d.HypercallPage != Mfn.Invalid,
                            WhenText = "the frame is the domain's and writable",
                            Enter = HypercallInit.Fill,
                        },
                    ],
                },
            ],
        };
    }

    private static StageOutcome CheckAndDispatch(DomctlContext d)
    {
        Xen xen = d.Xen;
        if (!d.Call.Memory.TryReadStruct(new VirtualAddress(d.Call.A1), out d.Request))
            return d.Finish(XenErrno.EFAULT);
        if (d.Request.InterfaceVersion != InterfaceVersions.Domctl(xen.Profile.Release))
            return d.Finish(XenErrno.EACCES);
        if (xen.Options.DomctlFaults?.Invoke(XenNames.Domctl(d.Request.Cmd)) is { } other)
            d.Request.Domain = other.Value;
        d.Target = xen.FindDomain(new DomainId(d.Request.Domain));
        bool quarantine = d.Command is DomctlCommand.assign_device or DomctlCommand.deassign_device && d.Request.Domain == DomainId.Io.Value;
        bool needsTarget = d.Command is not (DomctlCommand.createdomain or DomctlCommand.getdomaininfo) && !quarantine;
        if (xen.Profile.DomctlLooksUpTargetFirst && needsTarget && d.Target is null)
            return d.Finish(XenErrno.ESRCH);
        if (!MayIssue(d))
            return d.Finish(XenErrno.EPERM);
        if (!xen.Profile.DomctlLooksUpTargetFirst && needsTarget && d.Target is null && DomctlCommands.Exists(d.Command, xen.Profile.Release))
            return d.Finish(XenErrno.ESRCH);
        return DomctlCommands.IsArch(d.Command, xen.Profile.Release) ? StageOutcome.Ok : Finished(d, DomctlCommands.Run(d));
    }

    /// <summary>A common command is over: no callee follows, so its answer goes back now.</summary>
    private static StageOutcome Finished(DomctlContext d, StageOutcome outcome) => outcome.Failed && !d.CopyBack ? outcome : CopyBackOf(d, outcome);

    private static StageOutcome CopyBack(DomctlContext d)
        => DomctlCommands.IsArch(d.Command, d.Xen.Profile.Release) ? CopyBackOf(d, StageOutcome.Ok) : StageOutcome.Ok;

    private static StageOutcome CopyBackOf(DomctlContext d, StageOutcome outcome)
        => d.CopyBack && !d.Call.Memory.TryWriteStruct(new VirtualAddress(d.Call.A1), d.Request) ? d.Finish(XenErrno.EFAULT) : outcome;

    /// <summary>IS_PRIV; four pass-through commands are open to who is privileged over the target (4.0).</summary>
    private static bool MayIssue(DomctlContext d)
    {
        if (d.Call.Caller.IsPrivileged)
            return true;
        bool passThrough = d.Command is DomctlCommand.ioport_mapping or DomctlCommand.memory_mapping or DomctlCommand.bind_pt_irq or DomctlCommand.unbind_pt_irq;
        return passThrough && d.Target is not null && d.Call.Caller.IsPrivilegedFor(d.Target);
    }
}
