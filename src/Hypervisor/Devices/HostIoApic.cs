using XenSim.Hypervisor.Boot.Hosts;

namespace XenSim.Hypervisor.Devices;

/// <summary>The machine's I/O APIC: its registers, and the vectors that Xen gave the interrupts behind its pins. No device pulls a pin.</summary>
/// <remarks>
/// Source: RELEASE-4.17.0 xen/arch/x86/io_apic.c: setup_IO_APIC_irqs, io_apic_set_pci_routing, unmask_IO_APIC_irq; irq.c: _assign_irq_vector; values: oracle,
/// io-apic. 4.0's vectors are taken to be the same.
/// </remarks>
internal sealed class HostIoApic
{
    public const int Pins = 24;

    /// <summary>Version 0x20 with 24 entries.</summary>
    private const uint Version = 0x0017_0020;
    private const uint FirstEntry = 0x10, Masked = 1 << 16, Level = 1 << 15, ActiveLow = 1 << 13;

    /// <summary>Lowest priority among logical destinations, of which the first processor is one.</summary>
    private const uint Delivery = 0x900, FirstProcessor = 0x0100_0000;

    // Interrupts that Xen handles itself, on vectors of high priority: the timer and the serial line.
    private const int Timer = 0, Serial = 4, Cascade = 2, IsaIrqs = 16;
    private const uint TimerVector = 0xF0, SerialVector = 0xF1;

    /// <summary>Dynamic vectors go up by eight; two that trap gates use are left out.</summary>
    private const uint BeforeFirstVector = 0x28, VectorStep = 8, LegacySyscallVector = 0x80;

    private readonly HostFirmware _firmware;
    private readonly uint[] _entries = new uint[Pins];
    private readonly bool[] _programmed = new bool[Pins], _written = new bool[Pins], _bound = new bool[Pins];
    private uint _vector = BeforeFirstVector;

    /// <summary>As setup_IO_APIC_irqs leaves it: ISA's interrupts have their vectors, the level-triggered are masked.</summary>
    public HostIoApic(HostFirmware firmware)
    {
        _firmware = firmware;
        Array.Fill(_entries, Masked);
        for (int pin = 1; pin < IsaIrqs; pin++)
        {
            bool level = firmware.Overrides.Any(o => o.Gsi == pin && o.Trigger == "level");
            uint vector = IrqOf(pin) switch { Timer => TimerVector, Serial => SerialVector, Cascade => 0, _ => NextVector() };
            if (vector != 0)
                _entries[pin] = Delivery | vector | (level ? Level | Masked : 0);
        }
    }

    /// <summary>apic_pin_2_gsi_irq: the interrupt source overrides make an ISA interrupt of a pin.</summary>
    public int IrqOf(int pin)
    {
        foreach (InterruptOverride o in _firmware.Overrides)
        {
            if (o.Gsi == pin)
                return (int)o.Irq;
        }

        return pin;
    }

    /// <summary>desc->action: Xen handles it, or a guest does.</summary>
    public bool IsInUse(int irq) => irq is Timer or Serial || (irq < Pins && _bound[irq]);

    public bool HasVector(int pin) => (_entries[pin] & 0xFF) != 0;

    /// <summary>A pin that was routed by a write of dom0's and has no vector from elsewhere.</summary>
    public bool WasWritten(int pin) => _written[pin];

    public uint Read(uint register)
    {
        if (register < FirstEntry)
            return register == 1 ? Version : 0;
        int pin = (int)(register - FirstEntry) / 2;
        if (pin >= Pins)
            return 0;
        return (register & 1) == 0 ? _entries[pin] : HasVector(pin) ? FirstProcessor : 0;
    }

    /// <summary>assign_irq_vector for a write of dom0's: the vector.</summary>
    public uint Assign(int pin)
    {
        _written[pin] = true;
        return _entries[pin] = NextVector();
    }

    /// <summary>The entry of a pin that has a vector.</summary>
    public void Route(int pin, bool level, bool activeLow, bool masked)
        => _entries[pin] = Delivery | (_entries[pin] & 0xFF) | (level ? Level : 0) | (activeLow ? ActiveLow : 0) | (masked ? Masked : 0);

    /// <summary>io_apic_set_pci_routing. False: the pin is in use, or was set up before.</summary>
    public bool TrySetUp(int pin, bool level, bool activeLow)
    {
        if (IsInUse(pin) || _programmed[pin])
            return false;
        _programmed[pin] = true;
        if (!HasVector(pin))
            _entries[pin] = NextVector();
        Route(pin, level, activeLow, masked: true);
        return true;
    }

    /// <summary>A guest's handler comes (the pin is unmasked) or goes (a level-triggered one is masked).</summary>
    public void Bind(int irq, bool bound)
    {
        if (irq is <= 0 or >= Pins)
            return;
        _bound[irq] = bound;
        if (bound)
            _entries[irq] &= ~Masked;
        else if ((_entries[irq] & Level) != 0)
            _entries[irq] |= Masked;
    }

    private uint NextVector()
    {
        _vector += VectorStep;
        if (_vector == LegacySyscallVector)
            _vector += VectorStep;
        return _vector;
    }
}
