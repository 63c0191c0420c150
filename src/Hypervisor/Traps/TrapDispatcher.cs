using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Scheduling;

namespace XenSim.Hypervisor.Traps;

/// <summary>What an exit of a vCPU means to Xen.</summary>
internal sealed class TrapDispatcher
{
    private readonly Xen _xen;

    internal TrapDispatcher(Xen xen) => _xen = xen;

    public RunStop? Handle(Vcpu vcpu, in CpuExit exit)
        => new(RunStopReason.Unimplemented, vcpu.Domain.Id, vcpu.Id, $"{exit.Reason} at {vcpu.Cpu.Rip:x}, instruction {_xen.Instructions}");

    public void TestAllEvents(Vcpu vcpu)
    {
        _ = _xen;
        _ = vcpu;
    }
}
