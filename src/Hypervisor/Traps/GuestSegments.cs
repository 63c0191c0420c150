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
        cs = OnTheWayOut(v, cs);
        v.Cpu.Cpl = cs & 3;
        v.Cpu.SetSegment(SegmentName.Cs, Read(v, cs));
        v.Cpu.SetSegment(SegmentName.Ss, Read(v, ss));
    }

    /// <summary>
    /// What IRET to a less privileged ring does with data segments that may not be used there, null ones that bear an RPL included. The way out
    /// of a 64-bit guest is SYSRET, or from ring 3 to ring 3.
    /// </summary>
    public static void ClearUnreachable(Vcpu v)
    {
        const int code = 8, conforming = 4;
        int ring = v.Cpu.Cpl;
        if (!v.Domain.Is32BitPv || ring == 0)
            return;
        foreach (SegmentName name in DataSegments)
        {
            SegmentRegister s = v.Cpu.GetSegment(name);
            bool alwaysOpen = (s.Access & (code | conforming)) == (code | conforming);
            if (s.Selector != 0 && ((s.Selector & ~3) == 0 || (!alwaysOpen && (s.Access >> 5 & 3) < ring)))
                v.Cpu.SetSegment(name, new SegmentRegister(0, 0, 0, 0));
        }
    }

    public static ReadOnlySpan<SegmentName> DataSegments => [SegmentName.Ds, SegmentName.Es, SegmentName.Fs, SegmentName.Gs];

    /// <summary>A selector that cannot be loaded becomes null, as load_segments arranges.</summary>
    public static void LoadData(Vcpu v, SegmentName name, ushort selector)
    {
        if (!v.Cpu.TryLoadSegment(name, selector, out _, out _))
            v.Cpu.TryLoadSegment(name, 0, out _, out _);
    }

    public static void SetBase(Vcpu v, SegmentName name, ulong address)
        => v.Cpu.SetSegment(name, v.Cpu.GetSegment(name) with { Base = address });

    /// <summary>The hidden part of a selector, straight from the table; a null one where there is none.</summary>
    public static SegmentRegister Read(Vcpu v, ushort selector)
        => TryReadDescriptor(v, selector, out ulong d) ? FromDescriptor(selector, d) : new SegmentRegister(selector, 0, 0, 0);

    /// <summary>The descriptor behind a selector that is not null, as ring 0 reads it: pages of the LDT come in on the way.</summary>
    public static bool TryReadDescriptor(Vcpu v, ushort selector, out ulong descriptor)
    {
        descriptor = 0;
        if ((selector & ~3) == 0)
            return false;
        bool ldt = (selector & 4) != 0;
        if (ldt ? selector >> 3 >= v.LdtEntries : selector >> 3 >= (DescriptorTables.Limit + 1) >> 3)
            return false;
        ulong table = ldt ? v.Domain.Xen.Mappings.LdtBase(v.Id) : v.Domain.Xen.Mappings.GdtBase(v.Id);
        Span<byte> raw = stackalloc byte[8];
        Guest.Memory.LinearAddress at = new(table + (ulong)(selector & ~7));
        if (!v.Cpu.TryRead(at, raw, 0, out _, out _)
            && !(ldt && GuestTables.MapLdtPage(v, selector >> 12) && v.Cpu.TryRead(at, raw, 0, out _, out _)))
            return false;
        descriptor = BitConverter.ToUInt64(raw);
        return true;
    }

    /// <summary>
    /// What IRET checks of the two selectors: null = they can be loaded, else the vector; the error code is
    /// <paramref name="errorCode"/>. SDM vol. 2A, IRET, RETURN-TO-OUTER-PRIVILEGE-LEVEL and RETURN-TO-SAME-PRIVILEGE-LEVEL.
    /// </summary>
    public static byte? RefuseReturn(Vcpu v, ushort cs, ushort ss, out uint errorCode)
    {
        const ulong system = 1UL << 44, code = 1UL << 43, conforming = 1UL << 42, writable = 1UL << 41, present = 1UL << 47;
        cs = OnTheWayOut(v, cs);
        errorCode = (cs & ~3) == 0 ? 0 : cs & ~3u;
        int ring = cs & 3;
        if (!TryReadDescriptor(v, cs, out ulong d) || (d & (system | code)) != (system | code))
            return PvInjection.GeneralProtection;
        int dpl = (int)(d >> 45) & 3;
        bool longAndDefault = v.Domain.Host64 && (d >> 53 & 3) == 3;
        if (longAndDefault || ((d & conforming) != 0 ? dpl > ring : dpl != ring))
            return PvInjection.GeneralProtection;
        if ((d & present) == 0)
            return PvInjection.NotPresent;
        if (ring == 0)
            return null; // to the same ring, as a kernel in ring 0: SS stays what it is
        bool toLongMode = v.Domain.Host64 && (d >> 53 & 1) != 0;
        errorCode = (ss & ~3) == 0 ? 0 : ss & ~3u;
        if ((ss & ~3) == 0)
            return toLongMode && ring != 3 ? null : PvInjection.GeneralProtection;
        if (!TryReadDescriptor(v, ss, out d) || (ss & 3) != ring || (d & (system | code | writable)) != (system | writable) || ((int)(d >> 45) & 3) != ring)
            return PvInjection.GeneralProtection;
        return (d & present) == 0 ? PvInjection.StackFault : null;
    }

    private static ushort OnTheWayOut(Vcpu v, ushort cs) => v.Domain.KernelRing == 0 && (cs & UserRing) == 0 ? (ushort)(cs & ~3) : cs;

    private static SegmentRegister FromDescriptor(ushort selector, ulong d)
    {
        uint limit = (uint)(d & 0xFFFF) | (uint)(d >> 32 & 0xF0000);
        if ((d >> 55 & 1) != 0)
            limit = (limit << 12) | 0xFFF;
        ulong address = (d >> 16 & 0xFFFFFF) | (d >> 32 & 0xFF000000);
        return new SegmentRegister(selector, address, limit, (ushort)(d >> 40 & 0xF0FF));
    }
}
