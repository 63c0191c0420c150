using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;

namespace XenSim.Simulator.Session;

/// <summary>What does not fit together in a session's options.</summary>
public static class OptionRules
{
    /// <returns>What is wrong and what would fix it, or null.</returns>
    public static string? Check(SessionOptions o) => o switch
    {
        { Host.Bits: 32, Release: not XenRelease.V4_0 } => "the 32-bit hypervisor exists in Xen 4.0 only: use xen 4.0 or 64 bits",
        { Host: { SupervisorModeKernel: true, Bits: not 32 } } => "supervisor-mode-kernel exists in the 32-bit hypervisor only: use 32 bits",
        { Host: { Bits: 64, Model: { } model } } when HostModels.Find(model) is { LongMode: false } => $"{model} has no long mode: use 32 bits and xen 4.0",
        { Path: not BootPath.Dom0 } when ReferenceEquals(o.Guest.Kernel, NamedBytes.None) => "only a boot loader can have no kernel: use the path dom0",
        _ when o.Host.CpuMsrs.Any(m => m.Cpu >= o.Host.Cpus) => $"cpu-msrs names a processor that the machine lacks: its last one is {o.Host.Cpus - 1}, raise cpus",
        { Path: BootPath.Stubdom, Release: not XenRelease.V4_0 } => "the stub-domain path is that of Xen 4.0: use xen 4.0",
        { Host: { Bits: 32, MemoryMiB: < Hypervisor.Xen.LeastMemoryMiB32 } } => $"the 32-bit hypervisor needs a machine with {Hypervisor.Xen.LeastMemoryMiB32} MiB",
        { Path: BootPath.Hvm, Guest.Type: GuestType.Pv } => "the hvm path needs a guest of type hvm or pvh",
        { Path: BootPath.DomU or BootPath.Stubdom, Guest.Type: not GuestType.Pv } => "a guest of type hvm or pvh comes up on the path hvm",
        { Path: BootPath.Dom0, Guest.Type: not GuestType.Pv } => "dom0 is a guest of type pv",
        { Guest.Type: GuestType.Pvh, Release: XenRelease.V4_0 } => "PVH came after Xen 4.0: use type hvm or xen 4.17",
        { XlWaits: true, Path: BootPath.Dom0 or BootPath.Stubdom } => "on-poweroff, on-reboot and on-crash are for a domain that xl waits for: use the path domu or hvm",
        { Guest.Viridian: true, Guest.Type: not GuestType.Hvm } => "viridian is for guests of type hvm",
        { Path: BootPath.Stubdom, Others.Count: > 0 } => "the stub-domain path has its two domains and no others: use the path domu, hvm or dom0",
        { Host.SupervisorModeKernel: true, Others.Count: > 0 } => "a supervisor-mode hypervisor has no domain but dom0: leave the others out",
        _ => CheckGuest(o.Guest) ?? o.Others.Select(g => CheckOther(o, g)).FirstOrDefault(wrong => wrong is not null),
    };

    /// <summary>What a further domain cannot be.</summary>
    private static string? CheckOther(SessionOptions o, GuestSpec guest) => guest switch
    {
        _ when ReferenceEquals(guest.Kernel, NamedBytes.None) => $"{guest.Name}: only a boot loader can have no kernel",
        { Type: GuestType.Pvh } when o.Release == XenRelease.V4_0 => $"{guest.Name}: PVH came after Xen 4.0: use type hvm or xen 4.17",
        { Viridian: true, Type: not GuestType.Hvm } => $"{guest.Name}: viridian is for guests of type hvm",
        _ => CheckGuest(guest) is { } wrong ? $"{guest.Name}: {wrong}" : null,
    };

    /// <summary>What does not fit together in the guest alone.</summary>
    public static string? CheckGuest(GuestSpec guest) => guest switch
    {
        { BuiltIn: null, Variant.IsShipped: false } => "only a built-in guest's image can be varied: notes, xen-guest and tries do not go with a kernel file",
        { BuiltIn: { } kernel } when guest.Variant.Tries.Where(t => !kernel.Trials.Contains(t)).Select(GuestWords.NameOf).FirstOrDefault() is { } trial
            => $"{kernel.Name} cannot try {trial}: it knows {string.Join(", ", kernel.Trials.Select(GuestWords.NameOf))}",
        _ => null,
    };
}
