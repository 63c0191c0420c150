using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.Hvm.Devices;

/// <summary>vioapic: 48 inputs, each with an entry that says which vector goes to whom.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/vioapic.c; Intel 82093AA data sheet.</remarks>
internal sealed class IoApic(Domain domain, Func<int, bool> isAsserted)
{
    /// <summary>VIOAPIC_DEFAULT_BASE_ADDRESS.</summary>
    public const ulong PageAddress = 0xFEC0_0000;

    /// <summary>VIOAPIC_NUM_PINS.</summary>
    public const int Pins = 48;

    // Register select, window, end of interrupt.
    private const uint Select = 0x00, Window = 0x10, EndOfInterruptRegister = 0x40;
    private const uint VersionId = 0x11;

    // Redirection entry.
    private const ulong DeliveryStatus = 1 << 12, RemoteIrr = 1 << 14, Level = 1 << 15, Masked = 1 << 16, Logical = 1 << 11;
    private const ulong ReadOnly = DeliveryStatus | RemoteIrr;
    private const int DestinationShift = 56;

    private readonly ulong[] _entries = [.. Enumerable.Repeat(Masked, Pins)];
    private uint _select;
    private uint _id;

    public static bool Claims(ulong address) => address - PageAddress < 0x100;

    public uint Read(uint offset) => offset switch
    {
        Select => _select,
        Window => ReadRegister(),
        _ => 0,
    };

    public void Write(uint offset, uint value)
    {
        switch (offset)
        {
            case Select:
                _select = value;
                break;
            case Window:
                WriteRegister(value);
                break;
            case EndOfInterruptRegister:
                EndOfInterrupt(value & 0xFF);
                break;
        }
    }

    /// <summary>vioapic_irq_positive_edge.</summary>
    public void PositiveEdge(int pin)
    {
        ulong entry = _entries[pin];
        if ((entry & Masked) != 0)
            return;
        if ((entry & Level) == 0)
        {
            Deliver(pin);
        }
        else if ((entry & RemoteIrr) == 0)
        {
            _entries[pin] |= RemoteIrr;
            Deliver(pin);
        }
    }

    /// <summary>vioapic_update_EOI: what is still asserted interrupts again.</summary>
    public void EndOfInterrupt(uint vector)
    {
        for (int pin = 0; pin < Pins; pin++)
        {
            if ((_entries[pin] & 0xFF) != vector)
                continue;
            _entries[pin] &= ~RemoteIrr;
            Reassert(pin);
        }
    }

    private void Reassert(int pin)
    {
        if ((_entries[pin] & (Level | Masked | RemoteIrr)) != Level || !isAsserted(pin))
            return;
        _entries[pin] |= RemoteIrr;
        Deliver(pin);
    }

    private uint ReadRegister()
    {
        if (_select == 0)
            return _id << 24;
        if (_select == 1)
            return VersionId | (Pins - 1) << 16;
        if (_select == 2)
            return _id << 24;
        uint index = (_select - 0x10) >> 1;
        return index >= Pins ? 0 : (uint)(_entries[index] >> ((_select & 1) != 0 ? 32 : 0));
    }

    private void WriteRegister(uint value)
    {
        if (_select == 0)
        {
            _id = value >> 24 & 0xF;
            return;
        }

        uint index = (_select - 0x10) >> 1;
        if (_select < 0x10 || index >= Pins)
            return;
        ulong old = _entries[index];
        ulong fresh = (_select & 1) != 0 ? (uint)old | ((ulong)value << 32) : (old & 0xFFFF_FFFF_0000_0000) | value;
        fresh = (fresh & ~ReadOnly) | (old & ReadOnly);

        // Remote IRR has no meaning for an edge-triggered input.
        if ((fresh & Level) == 0)
            fresh &= ~RemoteIrr;
        _entries[index] = fresh;
        Reassert((int)index);
    }

    /// <summary>vioapic_deliver.</summary>
    private void Deliver(int pin)
    {
        ulong entry = _entries[pin];
        uint destination = (uint)(entry >> DestinationShift), vector = (uint)entry & 0xFF;
        bool logical = (entry & Logical) != 0, level = (entry & Level) != 0;
        switch (entry >> 8 & 7)
        {
            case 0:
                foreach (Vcpu v in domain.Vcpus)
                {
                    if (v.Apic!.Matches(destination, logical) && v.Apic.IsReady)
                        v.Apic.SetIrq(vector, level);
                }

                break;
            case 1:
                InterProcessorInterrupt.Lowest(domain, v => v.Apic!.Matches(destination, logical))?.Apic!.SetIrq(vector, level);
                break;
            case 4:
                foreach (Vcpu v in domain.Vcpus)
                {
                    if (!v.Apic!.Matches(destination, logical))
                        continue;
                    v.NmiPending = true;
                    v.Kick();
                }

                break;
        }
    }
}
