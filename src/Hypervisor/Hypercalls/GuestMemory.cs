using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>A guest's address space as copy_from_guest and copy_to_guest see it: through its page tables, as Xen's ring 0 would.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/include/asm-x86/x86_64/uaccess.h: __addr_ok, compat_access_ok.</remarks>
public sealed class GuestMemory : ICallerMemory
{
    private readonly Vcpu _vcpu;

    internal GuestMemory(Vcpu vcpu) => _vcpu = vcpu;

    public bool TryRead(VirtualAddress source, Span<byte> destination)
        => IsGuestRange(source.Value, (ulong)destination.Length)
            && _vcpu.Cpu.TryRead(new LinearAddress(source.Value), destination, 0, out _, out _);

    public bool TryWrite(VirtualAddress destination, ReadOnlySpan<byte> source)
        => IsGuestRange(destination.Value, (ulong)source.Length)
            && _vcpu.Cpu.TryWrite(new LinearAddress(destination.Value), source, 0, out _, out _);

    /// <summary>breakpoint_addr_ok: an address that a debug register may hold.</summary>
    internal bool IsBreakpointAddress(ulong address)
        => _vcpu.Domain.Host64
            ? address is <= 0x0000_7FFF_FFFF_FFFF or >= 0xFFFF_8800_0000_0000
            : IsGuestRange(address, 4);

    /// <summary>access_ok: a range outside Xen's area.</summary>
    internal bool IsGuestRange(ulong address, ulong bytes)
    {
        Domain d = _vcpu.Domain;
        if (d.IsHvm)
            return true;
        ulong end = address + bytes;
        if (end < address)
            return false;
        if (!d.Is32BitPv)
            return end <= 0x0000_8000_0000_0000 || address >= 0xFFFF_8800_0000_0000;

        // A compat guest may name any 32-bit address; the 32-bit hypervisor keeps its own area to itself.
        return end <= (d.Host64 ? 1UL << 32 : 0xF580_0000);
    }
}
