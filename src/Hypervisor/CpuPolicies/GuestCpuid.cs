using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Traps;

namespace XenSim.Hypervisor.CpuPolicies;

/// <summary>guest_cpuid of 4.17: the policy's leaf, and what depends on who asks in which state.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/cpuid.c: guest_cpuid.</remarks>
internal static class GuestCpuid
{
    private const uint Osxsave = 1u << 27;
    private const uint Eist = 1u << 7;
    private const uint Ospke = 1u << 4;
    private const uint Mtrr = 1u << 12;
    private const uint Syscall = 1u << 11;
    private const ulong Cr4Osxsave = 1 << 18;
    private const ulong Cr4Pke = 1 << 22;
    private const ulong EferLma = 1 << 10;

    public static CpuidResult Answer(Vcpu v, CpuidPolicy policy, uint leaf, uint subleaf, bool forced)
    {
        CpuidResult r = policy.Leaf(leaf, subleaf);
        bool hvm = v.Domain.IsHvm;
        HostModel host = v.Domain.Xen.Options.Host;
        ulong cr4 = hvm ? v.Cpu.Cr4 : v.ControlRegisters[4];
        switch (leaf)
        {
            case 1:
                // To a PV kernel that asks Xen, Xen's own OSXSAVE leaks: Linux has come to depend on it.
                bool osxsave = (cr4 & Cr4Osxsave) != 0 || (!hvm && forced && policy[X86Feature.XSAVE] && GuestBounce.InKernel(v));
                return Leaks(v, r with
                {
                    Ebx = (r.Ebx & 0x00FF_FFFF) | (hvm ? (uint)v.Id * 2 << 24 : 0),
                    Ecx = r.Ecx | (osxsave ? Osxsave : 0) | (IsHardwareKernel(v) && (host.Cpuid(1, 0).Ecx & Eist) != 0 ? Eist : 0),
                });
            case 7 when subleaf == 0 && (cr4 & Cr4Pke) != 0:
                return r with { Ecx = r.Ecx | Ospke };
            case 0xB when policy[X86Feature.X2APIC]:
                return r with { Ecx = (r.Ecx & ~0xFFu) | (byte)subleaf, Edx = (uint)v.Id * 2 };
            case CpuidPolicy.XstateLeaf when subleaf == 0 && policy[X86Feature.XSAVE]:
                return r with { Ebx = NativeCpuid.XstateSize(host, v.Cpu.Xcr0, compacted: false) };
            case CpuidPolicy.XstateLeaf when subleaf == 1 && policy[X86Feature.XSAVEC]:
                return r with { Ebx = NativeCpuid.XstateSize(host, v.Cpu.Xcr0, compacted: true) };
            case 0x8000_0001:
                bool hidden = hvm && !policy.IsAmd && (v.Cpu.Efer & EferLma) == 0;
                return Leaks(v, hidden ? r with { Edx = r.Edx & ~Syscall } : r);
            default:
                return r;
        }
    }

    /// <summary>common_leaf1_adjustments: old PV dom0 kernels take MTRR for the sign that Xen has the memory-type calls.</summary>
    private static CpuidResult Leaks(Vcpu v, CpuidResult r)
        => IsHardwareKernel(v) && (v.Domain.Xen.Options.Host.Cpuid(1, 0).Edx & Mtrr) != 0 ? r with { Edx = r.Edx | Mtrr } : r;

    private static bool IsHardwareKernel(Vcpu v) => !v.Domain.IsHvm && v.Domain.IsHardwareDomain && GuestBounce.InKernel(v);
}
