using XenSim.Hypervisor.Public;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Debugging;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Tests.Debugging;

/// <summary>Sessions under the debugger, made of built-in guests.</summary>
internal static class Debugged
{
    public static DebugSession Boot(string guest, BootPath path = BootPath.DomU, XenRelease release = XenRelease.V4_17, DebugSettings? settings = null)
        => new(Options(guest, path, release), settings);

    public static StopReport Go(this DebugSession debug, Direction direction = Direction.Forward) => debug.Continue(direction, TestContext.Current.CancellationToken);

    public static StopReport StepBy(this DebugSession debug, Granularity granularity, StepKind kind = StepKind.Into, Direction direction = Direction.Forward)
        => debug.Step(granularity, kind, direction, null, TestContext.Current.CancellationToken);

    public static SessionOptions Options(string guest, BootPath path = BootPath.DomU, XenRelease release = XenRelease.V4_17)
    {
        BuiltInGuest builtIn = BuiltInGuest.Find(guest)!;
        return new SessionOptions
        {
            Path = path,
            Release = release,
            Guest = new GuestSpec
            {
                Type = path != BootPath.Hvm ? GuestType.Pv : release == XenRelease.V4_0 ? GuestType.Hvm : GuestType.Pvh,
                Kernel = new NamedBytes(guest, builtIn.Image.ToArray()),
                BuiltIn = builtIn,
                MemoryMiB = 32,
                Name = guest,
            },
        };
    }
}
