using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;

namespace XenSim.Hypervisor.Traps;

/// <summary>Loads a PV guest's segment registers as Xen's return path and load_segments do.</summary>
internal static class GuestSegments
{
    /// <summary>The bit of an RPL by which entry.S tells user code (3) from a kernel (0 or 1).</summary>
    private const int UserRing = 2;

    /// <summary>
    /// CS and SS from the descriptor tables, without touching the accessed bit: IRET of the golden runs' machine leaves it
    /// (oracle: LAR of e019 reads 00c0ba00 while it is loaded).
    /// </summary>
    /// <remarks>
    /// A kernel that runs in ring 0 gives and gets its selectors with RPL 1; the way out drops it
    /// (RELEASE-4.0.4 xen/arch/x86/x86_32/supervisor_mode_kernel.S: restore_ring0_guest).
    /// </remarks>
    public static void LoadCodeAndStack(Vcpu v, ushort cs, ushort ss)
    {
        if (v.Domain.KernelRing == 0 && (cs & UserRing) == 0)
            cs &= unchecked((ushort)~3);
        v.Cpu.Cpl = cs & 3;
        v.Cpu.SetSegment(SegmentName.Cs, Read(v, cs));
        v.Cpu.SetSegment(SegmentName.Ss, Read(v, ss));
    }

    /// <summary>A selector that cannot be loaded becomes null, as load_segments arranges.</summary>
    public static void LoadData(Vcpu v, SegmentName name, ushort selector)
    {
        if (!v.Cpu.TryLoadSegment(name, selector, out _, out _))
            v.Cpu.TryLoadSegment(name, 0, out _, out _);
    }

    public static void SetBase(Vcpu v, SegmentName name, ulong address)
        => v.Cpu.SetSegment(name, v.Cpu.GetSegment(name) with { Base = address });

    /// <summary>The hidden part of a selector, straight from the table.</summary>
    public static SegmentRegister Read(Vcpu v, ushort selector)
    {
        if ((selector & ~3) == 0)
            return new SegmentRegister(selector, 0, 0, 0);
        bool ldt = (selector & 4) != 0;
        ulong table = ldt ? v.Domain.Xen.Mappings.LdtBase(v.Id) : v.Domain.Xen.Mappings.GdtBase(v.Id);
        Span<byte> raw = stackalloc byte[8];
        if (ldt ? selector >> 3 >= v.LdtEntries : selector >> 3 >= (DescriptorTables.Limit + 1) >> 3)
            return new SegmentRegister(selector, 0, 0, 0);
        if (!v.Cpu.TryRead(new Guest.Memory.LinearAddress(table + (ulong)(selector & ~7)), raw, 0, out _, out _))
            return new SegmentRegister(selector, 0, 0, 0);
        ulong d = BitConverter.ToUInt64(raw);
        uint limit = (uint)(d & 0xFFFF) | (uint)(d >> 32 & 0xF0000);
        if ((d >> 55 & 1) != 0)
            limit = (limit << 12) | 0xFFF;
        ulong address = (d >> 16 & 0xFFFFFF) | (d >> 32 & 0xFF000000);
        return new SegmentRegister(selector, address, limit, (ushort)(d >> 40 & 0xF0FF));
    }
}
