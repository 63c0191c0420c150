using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Traps;

/// <summary>pv_inject_event: an exception goes to the guest's own handler, with what Xen prints if there is none.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/traps.c: do_guest_trap, propagate_page_fault; stable-4.17 xen/arch/x86/pv/traps.c: pv_inject_event.</remarks>
internal static class PvInjection
{
    public const byte DebugException = 1;
    public const byte InvalidOpcode = 6;
    public const byte NotPresent = 11;
    public const byte StackFault = 12;
    public const byte GeneralProtection = 13;
    public const byte PageFault = 14;

    private const uint UserMode = 4;

    /// <summary>An exception of the instruction at RIP. <paramref name="address"/> is said in events and, of page faults, in the walk that is printed.</summary>
    public static void Inject(Vcpu v, byte vector, uint? errorCode, ulong address = 0)
    {
        Xen xen = v.Domain.Xen;
        bool handled = v.TrapTable[vector].Address != 0;
        if (xen.Events.Wants<GuestException>())
            xen.Events.Emit(new GuestException(v.Domain.Id, v.Id, vector, errorCode ?? 0, v.Cpu.Rip, vector == PageFault ? address : 0, handled ? "bounced" : "unhandled"));
        if (!handled)
            ReportUnhandled(xen, v, vector, errorCode, address);
        GuestBounce.Trap(v, vector, errorCode);
    }

    /// <summary>pv_inject_page_fault: CR2 is the guest's, and the user bit says which of its modes faulted: a 64-bit kernel runs in ring 3.</summary>
    public static void InjectPageFault(Vcpu v, uint errorCode, ulong address)
    {
        errorCode &= ~UserMode;
        if (!GuestBounce.InKernel(v))
            errorCode |= UserMode;
        v.VcpuInfo.SetCr2(v.Domain.SharedInfo.Layout, address);
        Inject(v, PageFault, errorCode, address);
    }

    private static void ReportUnhandled(Xen xen, Vcpu v, byte vector, uint? code, ulong address)
    {
        const uint none = uint.MaxValue; // X86_EVENT_NO_EC
        uint errorCode = code ?? 0;
        bool v40 = xen.Profile.Release == Public.XenRelease.V4_0;
        v.Unhandled = new UnhandledTrap(vector, errorCode, vector == PageFault ? address : null);
        if (!v40)
            xen.Log(LogLevel.Error, $"d{v.Domain.Id.Value}v{v.Id} Unhandled: vec {vector}, {(vector < _vectors.Length ? _vectors[vector] : "???")}[{code ?? none:x4}]");
        else if (vector == PageFault)
            xen.Log(LogLevel.Error, $"d{v.Domain.Id.Value}:v{v.Id}: unhandled page fault (ec={errorCode:X4})");
        else if (xen.Options.DebugBuild)
            xen.Log(LogLevel.Warn, $"d{v.Domain.Id.Value}:v{v.Id}: Unhandled {(vector < _names.Length ? _names[vector] : "???")} fault/trap [#{vector}] on VCPU {v.Id} [ec={errorCode:x4}]");
        if (vector != PageFault)
            return;
        foreach (string line in ExecutionState.PageWalk(v, address))
            xen.Log(LogLevel.Error, line);
    }

    // vector_name of stable-4.17 xen/arch/x86/traps.c.
    private static readonly string[] _vectors =
    [
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "CSO", "#TS", "#NP", "#SS", "#GP", "#PF", "SPV", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
    ];

    // trapstr of RELEASE-4.0.4 xen/arch/x86/traps.c.
    private static readonly string[] _names =
    [
        "divide error", "debug", "nmi", "bkpt", "overflow", "bounds", "invalid opcode", "device not available", "double fault",
        "coprocessor segment", "invalid tss", "segment not found", "stack error", "general protection fault", "page fault",
        "spurious interrupt", "coprocessor error", "alignment check", "machine check", "simd error",
    ];
}
