using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.CpuPolicies;

/// <summary>What 4.0 hides from, or adds to, the CPUID leaves of a PV dom0.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/traps.c: pv_cpuid.</remarks>
internal static class PvCpuid40
{
    // Leaf 1 EDX: VME 1, PSE 3, PGE 13, PSE36 17, DS 21, ACC 29, PBE 31; SEP 11 and APIC 9 depend.
    private const uint HiddenEdx = 1u << 1 | 1u << 3 | 1u << 13 | 1u << 17 | 1u << 21 | 1u << 29 | 1u << 31;

    // Leaf 1 ECX: DTES64 2, MWAIT 3, DSCPL 4, VMX 5, SMX 6, TM2 8, XTPR 14, PDCM 15, DCA 18, XSAVE 26 and with it OSXSAVE 27, AVX 28.
    private const uint HiddenEcx = 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 8 | 1u << 14 | 1u << 15 | 1u << 18 | 7u << 26;
    private const uint Hypervisor = 1u << 31;
    private const uint Cx16 = 1u << 13;
    private const uint Sep = 1u << 11;

    // Leaf 0x80000001 EDX: VME, PSE, PGE, PSE36 as above, PAGE1GB 26, RDTSCP 27; ECX: SVM 2, EXTAPIC 3, OSVW 9, IBS 10, SKINIT 12, WDT 13, LWP 15, NODEID 19, TOPOEXT 22.
    private const uint HiddenExtendedEdx = 1u << 1 | 1u << 3 | 1u << 13 | 1u << 17 | 1u << 26 | 1u << 27;
    private const uint HiddenExtendedEcx = 1u << 2 | 1u << 3 | 1u << 9 | 1u << 10 | 1u << 12 | 1u << 13 | 1u << 15 | 1u << 19 | 1u << 22;
    private const uint LongMode = 1u << 29;
    private const uint LahfLm = 1;
    private const uint Syscall = 1u << 11;

    public static CpuidResult Adjust(Domain d, uint leaf, CpuidResult r)
    {
        switch (leaf)
        {
            case 1:
                uint ecx = (r.Ecx & ~HiddenEcx & ~(d.Is32BitPv ? Cx16 : 0)) | Hypervisor;
                uint edx = r.Edx & ~HiddenEdx & ~(!d.Host64 && !d.Xen.Options.SupervisorModeKernel ? Sep : 0);
                return r with { Ecx = ecx, Edx = edx };
            case 0x8000_0001:
                uint extended = r.Edx & ~HiddenExtendedEdx;
                uint features = r.Ecx & ~HiddenExtendedEcx;
                if (d.Is32BitPv)
                {
                    extended &= ~LongMode;
                    features &= ~LahfLm;
                }

                if (!d.Host64 || (d.IsCompat && d.Xen.Options.Host.Vendor != CpuVendor.AMD))
                    extended &= ~Syscall;
                return r with { Ecx = features, Edx = extended };
            case 5 or 7 or 0xA or 0xB or 0xD or 0x8000_000A or 0x8000_001B or 0x8000_001C or 0x8000_001E:
                return default;
            default:
                return r;
        }
    }
}
