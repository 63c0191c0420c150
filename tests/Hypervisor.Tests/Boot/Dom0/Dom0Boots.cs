using XenSim.Hypervisor.Boot;
using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Tests.Boot.Dom0;

/// <summary>A boot with everything it emitted.</summary>
internal sealed class BootRun : IEventSink, IDisposable
{
    private readonly List<XenEvent> _events = [];

    public BootRun(Func<IEventSink, XenOptions> options, Dom0Image? image)
    {
        Xen = new Xen(options(this));
        Machine = Xen.Boot(image);
        Outcome = Machine.Run();
    }

    public Xen Xen { get; }

    public StageMachine<BootContext> Machine { get; }

    public StageOutcome Outcome { get; }

    public IReadOnlyList<XenEvent> Events => _events;

    public string[] Log => [.. _events.OfType<LogLine>().Where(l => l.Context == "XEN").Select(l => l.Rendered)];

    public string[] Stages => [.. _events.OfType<StageEntered>().Select(s => s.Stage)];

    public bool Wants<TEvent>()
        where TEvent : XenEvent => true;

    public void Emit(XenEvent e) => _events.Add(e);

    public void Dispose() => Xen.Dispose();
}

/// <summary>The golden boots of the test kernel, by the name of their log.</summary>
internal static class Dom0Boots
{
    public const string CommandLine = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=256M";

    public static readonly string[] Names =
        ["boot-4.0.4-x86_32-ring1", "boot-4.0.4-x86_32-ring0", "boot-4.0.4-x86_64-compat", "boot-4.17-x86_64-compat"];

    public static Dom0Image TestKernel => new("test-kernel-32.elf", TestData.Bytes("Dom0TestKernel/test-kernel-32.elf"), default, "foo bar=1");

    public static BootRun Run(string name, Dom0Image? image = null, Func<XenOptions, XenOptions>? change = null)
        => new(events => (change ?? (o => o))(Options(name, events)), image ?? TestKernel);

    public static XenOptions Options(string name, IEventSink events)
    {
        bool host64 = name.Contains("x86_64", StringComparison.Ordinal);
        bool modern = name.Contains("4.17", StringComparison.Ordinal);
        return new XenOptions
        {
            Release = modern ? XenRelease.V4_17 : XenRelease.V4_0,
            Host = HostModels.Default(host64 ? CpuVendor.AMD : CpuVendor.Intel, host64) is var h && host64 ? h : HostModels.Find(HostModels.Qemu32)!,
            Host64 = host64,
            SupervisorModeKernel = name.EndsWith("ring0", StringComparison.Ordinal),
            DebugBuild = modern,
            CommandLine = modern ? CommandLine + " noreboot=0" : CommandLine,
            Events = events,
        };
    }
}
