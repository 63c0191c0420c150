using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.Traps;

internal static class GuestReturn
{
    public static void Iret(Vcpu v) => v.Domain.Xen.NotImplemented("iret", "return to a guest frame", ours: true);
}
