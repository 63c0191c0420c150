using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Boot;

/// <summary>What the declarations of both releases' <c>__start_xen</c> are made of.</summary>
public static class StartXen
{
    /// <summary>The declaration for a build: release, word size.</summary>
    public static Stage<BootContext> Tree(XenOptions options)
        => options.Release == XenRelease.V4_0 ? StartXen40.Tree(options.Host64, options.Host.Cpus) : StartXen417.Tree(options.Host.Cpus);

    internal static Stage<BootContext> Step(string name, string source, Action<BootContext>? work = null) => new()
    {
        Name = name,
        Source = source,
        Enter = work is null
            ? null
            : c =>
            {
                work(c);
                return StageOutcome.Ok;
            },
    };

    /// <summary>A step that can fail.</summary>
    internal static Stage<BootContext> Check(string name, string source, Func<BootContext, StageOutcome> work)
        => new() { Name = name, Source = source, Enter = work };

    /// <summary>mbi->mods_count.</summary>
    internal static StageOutcome CheckModules(BootContext c)
    {
        const string message = "dom0 kernel not specified. Check bootloader configuration";
        if (!ReferenceEquals(c.Image, Dom0.Dom0Image.NoModule))
            return StageOutcome.Ok;
        return c.Xen.Options.Release == XenRelease.V4_0 ? c.EarlyFail($"{message}.") : c.Panic(message);
    }

    internal static bool HasKernel(BootContext c) => c.Image is not null;

    internal static bool HasNoKernel(BootContext c) => c.Image is null;

    /// <summary>domain_create(0) with its first vCPU.</summary>
    internal static void CreateDom0(BootContext c)
    {
        uint vcpus = Dom0MaxVcpus(c);
        c.Dom0 = c.Xen.CreateDomain(DomainId.Dom0, new DomainKind { IsPrivileged = true, MaxVcpus = vcpus, IsXenStore = true });
    }

    internal static void AddFirstVcpu(BootContext c) => c.Dom0!.AddVcpu();

    /// <summary>Without a kernel: the tools' calls need a caller.</summary>
    internal static void CreateControlDomain(BootContext c) => c.Dom0 = c.Xen.CreateControlDomain();

    /// <summary>A failed construct_dom0 that did not panic itself.</summary>
    internal static StageOutcome ConstructionFailed(BootContext c, StageOutcome failure, string message)
        => c.Panicked ? failure : c.Panic(message) with { Code = failure.Code, Errno = failure.Errno };

    /// <summary>A call whose failure __start_xen answers with a panic of its own.</summary>
    internal static Stage<BootContext> OrPanic(this Stage<BootContext> stage, Func<StageOutcome, string> message)
        => stage with { FailureInCaller = (c, failure) => ConstructionFailed(c, failure, message(failure)) };

    /// <summary>Options that have no effect here are named, so that nobody believes they had one.</summary>
    internal static void ReportUnusedOptions(BootContext c)
    {
        foreach (string name in c.CommandLine.Unasked)
            c.Xen.NotImplemented($"Xen's option {name}", "it has no effect here", ours: false);
    }

    /// <summary>domain_unpause_by_systemcontroller: dom0 runs as soon as the scheduler comes to it.</summary>
    internal static void Unpause(BootContext c)
    {
        Domain d = c.Dom0!;
        if (d.ControllerPauseCount == 0)
            d.PauseByController();
        d.UnpauseByController();
    }

    /// <summary>dom0_max_vcpus=, by default as many as CPUs are online.</summary>
    private static uint Dom0MaxVcpus(BootContext c)
    {
        const uint mostLegacy = 32;
        string option = c.CommandLine.Option("dom0_max_vcpus")?.Split('-')[^1] ?? "";
        return uint.TryParse(option, System.Globalization.CultureInfo.InvariantCulture, out uint n) && n > 0 ? Math.Min(n, mostLegacy) : (uint)c.Xen.OnlineCpus;
    }
}
