using XenSim.Hypervisor.Boot;
using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor;

/// <summary>Xen's boot, and the parts of its global state that the boot decides.</summary>
public sealed partial class Xen
{
    /// <summary><c>__start_xen</c> up to the idle loop. To be run once, before anything else.</summary>
    /// <param name="dom0">The boot loader's modules. Null: a control domain without code stands in for dom0, so that the tools have one.</param>
    public StageMachine<BootContext> Boot(Dom0Image? dom0)
    {
        // Only a dom0 with code of its own can look at them.
        if (dom0 is not null)
            AcpiFirmware.Write(Options.Host.Firmware, Options.MemoryMiB, Memory);
        return new(StartXen.Tree(Options), new BootContext(this, dom0), Side.Hypervisor, Events, Options.StageFaults);
    }

    /// <summary>What decides the flavour of a page written for a domain now: <c>hypercall_page_initialise</c>, <c>init_hypercall_page</c>.</summary>
    public HypercallPageSelection PageSelectionFor(Domains.Domain domain)
        => new(Options.Release, Options.Host64, Options.SupervisorModeKernel, Hvm?.Flavour, domain.IsHvm, domain.Is32BitPv);
}
