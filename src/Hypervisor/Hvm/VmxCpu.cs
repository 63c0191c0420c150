using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Hvm;

/// <summary>start_vmx and vmx_cpu_up, on what the host's CPUID and MSRs say.</summary>
/// <remarks>Source: xen/arch/x86/hvm/vmx/vmx.c, vmcs.c of both releases.</remarks>
internal static class VmxCpu
{
    private const ulong Lock = 1 << 0;
    private const ulong InsideSmx = 1 << 1;
    private const ulong OutsideSmx = 1 << 2;

    /// <summary>CR0 as trampoline.S sets it: PG, AM, WP, NE, ET, TS clear, MP, PE. Source: RELEASE-4.0.4 xen/arch/x86/boot/trampoline.S.</summary>
    private const ulong HostCr0 = 0x8005_0033;

    /// <summary>CR4 when VMXON runs: PSE, PAE, MCE, PGE, OSFXSR, OSXMMEXCPT, VMXE; 4.0 sets three of them later, which no processor demands.</summary>
    private const ulong HostCr4 = 0x26F0;

    /// <summary>vmx_cpu_up: null when VMXON succeeds, else what it prints before it gives up.</summary>
    public static string[]? CpuUpFailure(HostModel host, int cpu)
    {
        ulong fixed0 = host.Msrs.GetValueOrDefault(Msr.VmxCr0Fixed0);
        ulong fixed1 = host.Msrs.GetValueOrDefault(Msr.VmxCr0Fixed1, ulong.MaxValue);
        if ((~HostCr0 & fixed0) != 0 || (HostCr0 & ~fixed1) != 0)
            return [$"CPU{cpu}: some settings of host CR0 are not allowed in VMX operation."];

        // An unlocked register is for Xen to set (LOCK | VMXON outside SMX), so only a locked one can refuse.
        ulong control = host.Msrs.GetValueOrDefault(Msr.FeatureControl);
        bool locked = (control & Lock) != 0;
        if (locked && (control & OutsideSmx) == 0)
            return [$"CPU{cpu}: VMX disabled by BIOS."];
        if (!VmxonFaults(host))
            return null;
        return locked && host.Has(CpuFeature.Smx) && (control & InsideSmx) == 0
            ? [$"CPU{cpu}: VMXON failed: perhaps because of TXT settings in your BIOS configuration?", " --> Disable TXT in your BIOS unless using a secure bootloader."]
            : [$"CPU{cpu}: unexpected VMXON failure"];
    }

    /// <summary>VMXON is #GP(0) when CR4 has not the bits of IA32_VMX_CR4_FIXED0, or others than those of FIXED1 (SDM vol. 3C, VMXON; vol. 3D, A.8).</summary>
    private static bool VmxonFaults(HostModel host)
    {
        ulong fixed0 = host.Msrs.GetValueOrDefault(Msr.VmxCr4Fixed0);
        ulong fixed1 = host.Msrs.GetValueOrDefault(Msr.VmxCr4Fixed1, ulong.MaxValue);
        return (~HostCr4 & fixed0) != 0 || (HostCr4 & ~fixed1) != 0;
    }

    /// <summary>hvm_asid_init: as many as VPIDs, or none.</summary>
    public static string AsidLine(VmxCapabilities capabilities) => $"HVM: ASIDs {(capabilities.Vpid ? "en" : "dis")}abled.";

    public static HvmFunctionTable FunctionTable(VmxCapabilities c, XenRelease release)
    {
        bool hap = c.Ept && (release == XenRelease.V4_0 || c.Pat);
        return new HvmFunctionTable
        {
            Name = "VMX",
            Flavour = HypercallPageFlavour.Vmx,
            HapSupported = hap,
            Hap2Mb = hap && c.Ept2Mb,
            Hap1Gb = hap && release != XenRelease.V4_0 && c.Ept1Gb,
            ApicRegisterVirtualisation = c.ApicRegisterVirtualisation,
            X2ApicVirtualisation = c.X2ApicMode && c.ApicRegisterVirtualisation && c.VirtualInterruptDelivery,
        };
    }
}
