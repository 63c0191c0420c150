using System.Buffers.Binary;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Memory;

/// <summary>Guest descriptor tables: Xen's own entries at selector 0xe000, and what a guest's descriptors may be.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 xen/arch/x86/boot/x86_32.S and x86_64.S: boot_cpu_gdt_table; x86_32/mm.c and x86_64/mm.c:
/// check_descriptor; stable-4.17 xen/arch/x86/desc.c.
/// </remarks>
public static class DescriptorTables
{
    /// <summary>FIRST_RESERVED_GDT_PAGE: guests have the 14 pages before it.</summary>
    public const int FirstReservedPage = 14;
    public const ushort FirstReservedByte = FirstReservedPage * 4096;

    /// <summary>Most entries a guest may have: 14 pages of 512.</summary>
    public const uint MaxGuestEntries = FirstReservedPage * 512;

    /// <summary>LAST_RESERVED_GDT_BYTE, the GDTR's limit.</summary>
    public const ushort Limit = FirstReservedByte + 4096 - 1;

    private const uint Present = 1 << 15;
    private const uint System = 1 << 12;
    private const uint DplMask = 3 << 13;
    private const uint Granular = 1 << 23;
    private const uint LongMode = 1 << 21;
    private const uint TypeMask = 0xF00;
    private const uint CallGate = 0xC00;
    private const ulong GuestSegmentEnd32 = 0xF680_0000;

    /// <summary>The reserved page's first entries (0xe000, 0xe008 …), by build and kind of guest.</summary>
    public static ReadOnlySpan<ulong> XenEntries(XenOptions options, bool compat)
    {
        if (!options.Host64)
            return options.SupervisorModeKernel ? _ring0Kernel : _pae;
        if (options.Release == XenRelease.V4_0)
            return compat ? _compat40 : _native40;
        return compat ? _compat417 : _native417;
    }

    // The data selector e010 bears the accessed bit: Xen runs on it. A 32-bit guest's limits end at MACH2PHYS_VIRT_END.
    private static readonly ulong[] _pae =
        [0, 0x00cf9a000000ffff, 0x00cf93000000ffff, 0x00cfba00000067ff, 0x00cfb200000067ff, 0x00cffa00000067ff, 0x00cff200000067ff];

    // x86_32/mm.c: subarch_init_memory clears the DPL of ring 1's descriptors in a supervisor-mode build.
    private static readonly ulong[] _ring0Kernel =
        [0, 0x00cf9a000000ffff, 0x00cf93000000ffff, 0x00cf9a00000067ff, 0x00cf9200000067ff, 0x00cffa00000067ff, 0x00cff200000067ff];

    private static readonly ulong[] _native40 =
        [0, 0x00af9a000000ffff, 0x00cf93000000ffff, 0, 0x00cffa000000ffff, 0x00cff2000000ffff, 0x00affa000000ffff, 0x00cf9a000000ffff];

    private static readonly ulong[] _compat40 =
        [0, 0x00af9a000000ffff, 0x00cf93000000ffff, 0x00cfba000000ffff, 0x00cfb2000000ffff, 0x00cffa000000ffff, 0x00cff2000000ffff, 0x00cf9a000000ffff];

    private static readonly ulong[] _native417 =
        [0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0, 0x00cffb000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff];

    private static readonly ulong[] _compat417 =
        [0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cfbb000000ffff, 0x00cfb3000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff];

    /// <summary>alloc_segdesc_page: checks and fixes up the 512 descriptors of a page.</summary>
    internal static XenErrno Validate(Xen xen, Mfn mfn, Domain owner)
    {
        Span<byte> page = xen.Memory.Writable(mfn.Value);
        for (int i = 0; i < 512; i++)
        {
            ulong d = BinaryPrimitives.ReadUInt64LittleEndian(page[(i * 8)..]);
            if (!Check(xen, owner, ref d))
                return xen.PageTypes.Refuse(owner, mfn, XenErrno.EINVAL, $"bad descriptor {d:x16} in entry {i} of {mfn}");
            BinaryPrimitives.WriteUInt64LittleEndian(page[(i * 8)..], d);
        }

        return XenErrno.None;
    }

    /// <summary>check_descriptor: whether a guest may have it, with its DPL and limit made safe.</summary>
    public static bool Check(Xen xen, Domain owner, ref ulong descriptor)
    {
        if (xen.Options.SupervisorModeKernel)
            return true;
        uint a = (uint)descriptor;
        uint b = (uint)(descriptor >> 32);
        if ((b & Present) == 0)
            return true;
        if ((b & System) == 0 && owner.Host64 && (b & TypeMask) == 0 && xen.Profile.Release != XenRelease.V4_0)
            return true;
        uint dpl = Math.Max((b >> 13) & 3, (uint)owner.KernelRing);
        b = (b & ~DplMask) | (dpl << 13);
        bool good = (b & System) == 0
            ? CheckGate(owner, dpl, ref a, ref b)
            : xen.Options.Host64 ? CheckSegment64(owner, ref a, ref b) : CheckSegment32(ref a, ref b);
        if (good)
            descriptor = ((ulong)b << 32) | a;
        return good;
    }

    private static bool CheckGate(Domain owner, uint dpl, ref uint a, ref uint b)
    {
        bool native = owner.Host64;
        if (native && (b & TypeMask) == 0)
            return true;
        if ((b & TypeMask) != CallGate)
            return false;
        uint cs = a >> 16;
        if (!native && (cs & 3) < owner.KernelRing)
            cs = (cs & ~3u) | (uint)owner.KernelRing;
        if (!GateSelectorOkay(owner, (ushort)cs))
            return false;
        if (native)
        {
            // The gate faults on use and is emulated; its DPL waits in the selector's RPL.
            b &= ~DplMask;
            cs = (cs & ~3u) | dpl;
        }

        a = (a & 0xFFFF) | (cs << 16);
        return (b & (owner.Is32BitPv ? 0xE0u : 0xFFu)) == 0;
    }

    private static bool GateSelectorOkay(Domain owner, ushort selector)
        => (selector >> 3) < FirstReservedByte >> 3 || selector == Hypercalls.TrapCallbacks.KernelCs(owner) || (selector & 4) != 0;

    private static bool CheckSegment64(Domain owner, ref uint a, ref uint b)
    {
        if (!owner.Is32BitPv)
            return true;
        if ((b & LongMode) != 0)
            return false;
        if (Base(a, b) == 0 && Limit20(a, b) > 0xF580_0000)
        {
            a |= 0xFFFF;
            b |= 0xF0000;
        }

        return true;
    }

    private static bool CheckSegment32(ref uint a, ref uint b)
    {
        ulong start = Base(a, b);
        ulong size = Limit20(a, b);
        if (start >= GuestSegmentEnd32 - 4096)
            return false;
        bool growsDown = (b & 0xC00) == 0x400;
        if (growsDown ? ((start + size) & uint.MaxValue) <= start : start + size <= GuestSegmentEnd32 && start + size < 1UL << 32)
            return true;
        if ((b & Granular) == 0)
            return false;
        ulong limit = ((growsDown ? (ulong)(uint)-(int)(start & ~0xFFFUL) : GuestSegmentEnd32 - start) >> 12) - 1;
        a = (a & 0xFFFF0000) | (uint)(limit & 0xFFFF);
        b = (b & 0xFFF0FFFF) | (uint)(limit & 0xF0000);
        return true;
    }

    private static ulong Base(uint a, uint b) => (b & 0xFF000000) | ((b & 0xFF) << 16) | (a >> 16);

    /// <summary>Size in bytes: the inclusive limit plus one, scaled.</summary>
    private static ulong Limit20(uint a, uint b)
    {
        ulong limit = ((b & 0xF0000) | (a & 0xFFFF)) + 1UL;
        return (b & Granular) != 0 ? limit << 12 : limit;
    }
}
