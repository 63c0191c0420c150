using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>The processor as Xen has set it up when it first leaves to a PV guest's kernel.</summary>
internal static class PvVcpuStart
{
    /// <summary>PG, AM, WP, NE, TS clear, ET, MP, PE. Source: RELEASE-4.0.4 xen/arch/x86/boot/trampoline.S.</summary>
    private const ulong HostCr0 = 0x8005_0033;

    // OSXMMEXCPT, OSFXSR, PGE, PAE, MCE; the bits a guest reads back are core's virtual CR4.
    private const ulong HostCr4 = 0x6E0;
    private const ulong EferSyscall = 1 << 0;
    private const ulong EferLongMode = (1 << 8) | (1 << 10);
    private const ulong EferNoExecute = 1 << 11;

    public static void Enter(Vcpu v, ushort cs, ushort ss, ushort data)
    {
        VirtualCpu cpu = v.Cpu;
        bool host64 = v.Domain.Xen.Options.Host64;
        cpu.Cr0 = HostCr0;
        cpu.Cr4 = HostCr4;
        cpu.Efer = EferNoExecute | (host64 ? EferLongMode | EferSyscall : 0);
        cpu.Gdtr = new DescriptorTableRegister(v.Domain.Xen.Mappings.GdtBase(v.Id), DescriptorTables.Limit);
        cpu.Cpl = v.Domain.KernelRing;
        SetFlat(v, SegmentName.Cs, cs);
        SetFlat(v, SegmentName.Ss, ss);
        foreach (SegmentName name in (SegmentName[])[SegmentName.Ds, SegmentName.Es, SegmentName.Fs, SegmentName.Gs])
            SetFlat(v, name, data);
        GuestTables.LoadLdtr(v);
    }

    /// <summary>Loads one of Xen's own flat selectors with its hidden part out of Xen's descriptors (SDM vol. 3A, 3.4.5).</summary>
    private static void SetFlat(Vcpu v, SegmentName name, ushort selector)
    {
        int index = (selector - DescriptorTables.FirstReservedByte) >> 3;
        ReadOnlySpan<ulong> entries = DescriptorTables.XenEntries(v.Domain.Xen.Options, v.Domain.Is32BitPv);
        if (selector == 0 || index <= 0 || index >= entries.Length)
        {
            v.Cpu.SetSegment(name, default);
            return;
        }

        ulong d = entries[index];
        ushort access = (ushort)((d >> 40) & 0xF0FF);
        uint limit = (uint)((d & 0xFFFF) | ((d >> 32) & 0xF0000));
        bool pages = (d >> 55 & 1) != 0;
        v.Cpu.SetSegment(name, new SegmentRegister(selector, 0, pages ? (limit << 12) | 0xFFF : limit, (ushort)(access | 1)));
    }
}
