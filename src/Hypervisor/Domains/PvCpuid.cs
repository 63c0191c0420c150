using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Domains;

/// <summary>What Xen hides from, or adds to, the CPUID leaves of a PV guest.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/traps.c: pv_cpuid; stable-4.17 xen/arch/x86/cpuid.c: guest_cpuid.</remarks>
internal static class PvCpuid
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
    private const uint Xsave = 1u << 26;
    private const uint Osxsave = 1u << 27;
    private const uint Xsavec = 1u << 1;
    private const ulong Cr4Osxsave = 1 << 18;

    public static CpuidResult Adjust(Vcpu vcpu, uint leaf, uint subleaf, CpuidResult r)
    {
        Domain d = vcpu.Domain;
        return d.Xen.Profile.Release == XenRelease.V4_0
            ? d.IsHardwareDomain ? Dom0Of40(d, leaf, r) : r
            : Of417(vcpu, leaf, subleaf, r, d.CpuPolicy.Leaves.Count > 0);
    }

    private static CpuidResult Dom0Of40(Domain d, uint leaf, CpuidResult r)
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

    /// <summary>With a policy from the tools only the bits that follow the guest's state are left to fill in.</summary>
    private static CpuidResult Of417(Vcpu vcpu, uint leaf, uint subleaf, CpuidResult r, bool fromPolicy)
    {
        switch (leaf)
        {
            case 1:
                uint ecx = fromPolicy ? r.Ecx & ~Osxsave : r.Ecx & ~HiddenEcx;

                // Xen's own choice shows through, natively and by the forced-emulation prefix: part of the PV ABI by now.
                if ((vcpu.ControlRegisters[4] & Cr4Osxsave) != 0 || (ecx & Xsave) != 0)
                    ecx |= Osxsave;
                return r with { Ebx = r.Ebx & 0x00FF_FFFF, Ecx = ecx | Hypervisor, Edx = fromPolicy ? r.Edx : r.Edx & ~HiddenEdx };
            case 0xD when subleaf < 2:
                return subleaf == 0 || (r.Eax & Xsavec) != 0 ? r with { Ebx = XstateSize(vcpu, compacted: subleaf == 1) } : r;
            case 0x8000_0001 when !fromPolicy:
                return r with { Ecx = r.Ecx & ~HiddenExtendedEcx, Edx = r.Edx & ~(HiddenExtendedEdx & ~(1u << 27)) };
            case 5 or 0xA or 0x8000_000A or 0x8000_001B or 0x8000_001C when !fromPolicy:
                return default;
            default:
                return r;
        }
    }

    /// <summary>
    /// EBX of leaf 0xD: bytes of the save area for the components in XCR0, each at its fixed offset, or packed behind the header.
    /// SDM vol. 1, 13.4.2 and 13.4.3.
    /// </summary>
    private static uint XstateSize(Vcpu vcpu, bool compacted)
    {
        const uint legacyAndHeader = 576;
        uint size = legacyAndHeader;
        for (uint component = 2; component < 63; component++)
        {
            if ((vcpu.Cpu.Xcr0 >> (int)component & 1) == 0)
                continue;
            CpuidResult c = vcpu.Domain.CpuPolicy.Get(0xD, component);
            size = compacted ? size + c.Eax : Math.Max(size, c.Eax + c.Ebx);
        }

        return size;
    }
}
