using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Hvm;

/// <summary>What VMX can do here, out of the capability MSRs (SDM vol. 3D, appendix A): bits that may be set in a control are in its high half.</summary>
/// <remarks>Source: xen/arch/x86/hvm/vmx/vmcs.c: vmx_init_vmcs_config, vmx_display_features of both releases.</remarks>
internal sealed record VmxCapabilities
{
    private const ulong Default1Zero = 1ul << 55;
    private const uint CpuBasedMustNotBeForced = (1 << 9) | (1 << 15) | (1 << 16); // INVLPG, CR3 load, CR3 store exiting
    private const uint PinBasedCtls = 0x481;
    private const uint TrueProcbasedCtls = 0x48E;
    private const uint ExitCtls = 0x483;
    private const uint EntryCtls = 0x484;
    private const uint Misc = 0x485;
    private const uint VmFunc = 0x491;

    private readonly HostModel _host;
    private readonly bool _is40;

    public VmxCapabilities(HostModel host, XenRelease release)
    {
        _host = host;
        _is40 = release == XenRelease.V4_0;
        uint cpuBased = Allowed(Msr.VmxProcbasedCtls);
        TprShadow = Bit(cpuBased, 21);
        MsrBitmap = Bit(cpuBased, 28);
        VirtualNmi = Bit(Allowed(PinBasedCtls), 5);
        uint secondary = Bit(cpuBased, 31) ? Allowed(Msr.VmxProcbasedCtls2) : 0;
        ApicAccesses = Bit(secondary, 0);
        EptVpidCap = Bit(secondary, 1) || Bit(secondary, 5) ? Read(Msr.VmxEptVpidCap) : 0;
        bool eptUsable = Bit(EptVpidCap, 14) && Bit(EptVpidCap, 6) && Bit(EptVpidCap, 26); // WB, walk length 4, INVEPT all context
        bool forcedExits = (Required((Read(Msr.VmxBasic) & Default1Zero) != 0 ? TrueProcbasedCtls : Msr.VmxProcbasedCtls) & CpuBasedMustNotBeForced) != 0;
        Ept = Bit(secondary, 1) && eptUsable && !forcedExits;
        Vpid = Bit(secondary, 5) && Bit(EptVpidCap, 42); // INVVPID all context
        UnrestrictedGuest = Bit(secondary, 7) && !(eptUsable && forcedExits);
        Secondary = secondary;
        PostedInterrupts = Bit(Allowed(PinBasedCtls), 7) && VirtualInterruptDelivery;
        Pat = Bit(Allowed(ExitCtls), 18) && Bit(Allowed(ExitCtls), 19) && Bit(Allowed(EntryCtls), 14);
    }

    public bool TprShadow { get; }

    public bool MsrBitmap { get; }

    public bool VirtualNmi { get; }

    public bool ApicAccesses { get; }

    public bool Ept { get; }

    public bool Vpid { get; }

    public bool UnrestrictedGuest { get; }

    /// <summary>Saving and loading of the PAT; 4.17 uses EPT only with it (XSA-60).</summary>
    public bool Pat { get; }

    public bool PostedInterrupts { get; }

    public bool Ept2Mb => Bit(EptVpidCap, 16);

    public bool Ept1Gb => Bit(EptVpidCap, 17);

    public bool ApicRegisterVirtualisation => TprShadow && Bit(Secondary, 8);

    public bool VirtualInterruptDelivery => TprShadow && Bit(Secondary, 9);

    public bool X2ApicMode => TprShadow && Bit(Secondary, 4);

    private ulong EptVpidCap { get; }

    private uint Secondary { get; }

    /// <summary>The lines that vmx_display_features prints.</summary>
    public IEnumerable<string> FeatureLines()
    {
        string[] supported = [.. Features().Where(f => f.Present).Select(f => $" - {f.Text}")];
        IEnumerable<string> lines = ["VMX: Supported advanced features:", .. supported.Length > 0 ? supported : [" - none"]];
        return _is40 && Ept2Mb ? lines.Append("EPT supports 2MB super page.") : lines;
    }

    private IEnumerable<(bool Present, string Text)> Features()
    {
        IEnumerable<(bool, string)> both =
        [
            (ApicAccesses, "APIC MMIO access virtualisation"), (TprShadow, "APIC TPR shadow"), (Ept, "Extended Page Tables (EPT)"),
            (Vpid, "Virtual-Processor Identifiers (VPID)"), (VirtualNmi, "Virtual NMI"), (MsrBitmap, "MSR direct-access bitmap"),
            (UnrestrictedGuest, "Unrestricted Guest"),
        ];
        if (_is40)
            return both;
        bool vmFunctions = Bit(Secondary, 13) && Bit(Read(VmFunc), 0); // EPTP switching
        return both.Concat(
        [
            (ApicRegisterVirtualisation, "APIC Register Virtualization"), (VirtualInterruptDelivery, "Virtual Interrupt Delivery"),
            (PostedInterrupts, "Posted Interrupt Processing"), (Bit(Secondary, 14) && Bit(Read(Misc), 29), "VMCS shadowing"),
            (vmFunctions, "VM Functions"), (vmFunctions && Bit(Secondary, 18), "Virtualisation Exceptions"),
            (Ept && Bit(Secondary, 17) && Bit(EptVpidCap, 21), "Page Modification Logging"), (Bit(Secondary, 25), "TSC Scaling"),
            (Bit(Secondary, 30), "Bus Lock Detection"), (Bit(Secondary, 31), "Notify VM Exit"),
        ]);
    }

    private ulong Read(uint msr) => _host.Msrs.GetValueOrDefault(msr);

    private uint Allowed(uint msr) => (uint)(Read(msr) >> 32);

    private uint Required(uint msr) => (uint)Read(msr);

    private static bool Bit(ulong value, int bit) => (value >> bit & 1) != 0;
}
