using XenSim.Hypervisor.Devices;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>physdev_op about the I/O APIC: dom0 reads its registers, and says what it would write to them.</summary>
/// <remarks>
/// Source: RELEASE-4.17.0 and RELEASE-4.0.4 xen/arch/x86/io_apic.c: ioapic_guest_read, ioapic_guest_write; physdev.c; answers and entries: oracle, io-apic.
/// </remarks>
internal static class IoApicOp
{
    private const uint FirstEntry = 0x10, Masked = 1 << 16, Level = 1 << 15, ActiveLow = 1 << 13, LowestPriority = 1;

    /// <summary>The I/O APIC, and a vector that is nothing but the number asked for.</summary>
    public static long Do(HypercallCall c, PhysdevOp op, VirtualAddress arg)
    {
        if (op == PhysdevOp.alloc_irq_vector)
        {
            if (!c.Memory.TryReadStruct(arg, out PhysdevIrq irq))
                return XenErrno.EFAULT.ToResult();
            irq.Vector = irq.Irq;
            return !c.Caller.IsPrivileged ? XenErrno.EPERM.ToResult() : c.Memory.TryWriteStruct(arg, irq) ? 0 : XenErrno.EFAULT.ToResult();
        }

        int size = c.Abi == Abi.X64 ? 8 : 4;
        Span<byte> request = stackalloc byte[16];
        request = request[..(size + 8)];
        if (!c.Memory.TryRead(arg, request))
            return XenErrno.EFAULT.ToResult();
        if (!c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        ulong address = size == 8 ? request.ReadStruct<ulong>() : request.ReadStruct<uint>();
        uint register = request[size..].ReadStruct<uint>();
        if (address != c.Xen.Options.Host.Firmware.IoApicAddress)
            return XenErrno.EINVAL.ToResult();
        if (op == PhysdevOp.apic_write)
            return Write(c, register, request[(size + 4)..].ReadStruct<uint>()).ToResult();
        request[(size + 4)..].WriteStruct(c.Xen.IoApic.Read(register));
        return c.Memory.TryWrite(arg, request) ? 0 : XenErrno.EFAULT.ToResult();
    }

    /// <summary>ioapic_guest_write. Only the first half of an entry is looked at: what becomes of the rest is Xen's business.</summary>
    private static XenErrno Write(HypercallCall c, uint register, uint value)
    {
        Xen xen = c.Xen;
        if (register < FirstEntry || (register & 1) != 0)
            return XenErrno.None;
        uint pin = (register - FirstEntry) >> 1;
        if ((value >> 8 & 7) > LowestPriority)
        {
            xen.Log(LogLevel.Info, "ERROR: Attempt to write weird IOAPIC destination mode!");
            xen.Log(LogLevel.Info, $"       APIC=0/{pin}, lo-reg={value:x}");
            return XenErrno.EINVAL;
        }

        // A pin that there is not is taken for the number of an interrupt. Xen looks at it only where it is too large to be dom0's.
        if (pin >= HostIoApic.Pins)
        {
            const uint vectors = 256;
            if (IsNamed(xen, value) && (pin >= vectors ? pin : value & 0xFF) >= xen.FindDomain(DomainId.Dom0)!.Pirqs.Count)
                return XenErrno.EINVAL;
            xen.NotImplemented("PHYSDEVOP_apic_write", $"there is no pin {pin}, and Xen does not ask", ours: true);
            return XenErrno.EINVAL;
        }

        return WriteEntry(xen, (int)pin, value);
    }

    /// <summary>The vector is dom0's number of the interrupt; 4.17 does not look at it in an entry that is masked.</summary>
    private static bool IsNamed(Xen xen, uint value) => xen.Profile.Release == XenRelease.V4_0 || (value & Masked) == 0;

    private static XenErrno WriteEntry(Xen xen, int pin, uint value)
    {
        bool named = IsNamed(xen, value);
        int irq = xen.IoApic.IrqOf(pin), pirq = (int)(value & 0xFF);
        Pirqs pirqs = xen.FindDomain(DomainId.Dom0)!.Pirqs;
        if (named && pirq >= pirqs.Count)
            return XenErrno.EINVAL;
        if (xen.IoApic.IsInUse(irq))
            return XenErrno.None;
        if (!xen.IoApic.HasVector(pin))
            xen.Log(LogLevel.Info, $"allocated vector {xen.IoApic.Assign(pin):x2} for irq {irq}");
        if (named)
            pirqs.Map(pirq, irq);

        // Xen unmasks it; a level-triggered one when somebody handles it.
        bool level = (value & Level) != 0;
        xen.IoApic.Route(pin, level, (value & ActiveLow) != 0, masked: level);
        return XenErrno.None;
    }
}
