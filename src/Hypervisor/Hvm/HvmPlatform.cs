using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm.Devices;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Hvm;

/// <summary>The chipset that Xen emulates for an HVM domain (not for PVH): interrupt controllers, timers, clock, and the interrupt lines between them.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/irq.c, pmtimer.c; which of them a domain has is in its emulation flags.</remarks>
internal sealed class HvmPlatform
{
    private const int PciDevices = 32, PciPins = 4;

    /// <summary>TMR_VAL_ADDR_V0 and V1: where HVM_PARAM_ACPI_IOPORTS_LOCATION puts the PM timer. PM1a's event registers are a few ports below.</summary>
    private const ulong PmTimerPort0 = 0x1F48, PmTimerPort1 = 0xB008;

    /// <summary>Unit: Hz.</summary>
    private const ulong PmTimerFrequency = 3_579_545;

    private readonly Domain _domain;
    private readonly Pic _pic = new();
    private readonly IoApic _ioApic;
    private readonly Pit _pit;
    private readonly Rtc _rtc;
    private readonly Hpet _hpet;
    private readonly int[] _asserted = new int[IoApic.Pins];
    private HvmCallbackType? _callback;
    private int _callbackGsi;
    private bool _callbackAsserted;

    public HvmPlatform(Domain domain)
    {
        _domain = domain;
        _ioApic = new IoApic(domain, gsi => _asserted[gsi] > 0);
        _pit = new Pit(domain.Xen, PulseTimer);
        _rtc = new Rtc(domain.Xen, () => GuestTime.BootSeconds + (ulong)domain.TimeOffsetSeconds);
        _hpet = new Hpet(domain.Xen);
    }

    /// <summary>When a timer of the chipset is due. Unit: ns of virtual time.</summary>
    public ulong? Deadline => _pit.Deadline;

    public void Fire(ulong now) => _pit.Fire(now);

    /// <summary>The 8259's output, as far as this vCPU is the one it is wired to.</summary>
    public bool PicOutputFor(Vcpu v) => _pic.Output && v.Apic!.AcceptsPic && v == _domain.Vcpus.FirstOrDefault(x => x.Apic!.AcceptsPic);

    public int AcknowledgePic() => _pic.Acknowledge();

    public void EndOfInterrupt(uint vector) => _ioApic.EndOfInterrupt(vector);

    /// <summary>hvm_set_callback_via for lines: nothing for the vector type.</summary>
    public void SetCallbackVia(ulong via)
    {
        if (_callbackAsserted && _callbackGsi != 0)
            SetGsi(_callbackGsi, up: false);
        var type = (HvmCallbackType)(via >> 56);
        _callback = via == 0 || type > HvmCallbackType.VECTOR ? null : type;
        _callbackGsi = _callback switch
        {
            HvmCallbackType.GSI => (byte)via,
            HvmCallbackType.PCI_INTX => PciGsi((int)(via >> 11) & (PciDevices - 1), (int)via & (PciPins - 1)),
            _ => 0,
        };
        if (_callbackGsi >= IoApic.Pins)
            _callbackGsi = 0;
        if (_callbackAsserted && _callbackGsi != 0)
            SetGsi(_callbackGsi, up: true);
    }

    /// <summary>hvm_set_callback_irq_level: the line follows vCPU 0's pending flag.</summary>
    public void SetCallbackLevel()
    {
        VcpuInfo info = _domain.Vcpus[0].VcpuInfo;
        bool up = info.Exists && info.UpcallPending;
        if (up == _callbackAsserted)
            return;
        _callbackAsserted = up;
        if (_callbackGsi != 0)
            SetGsi(_callbackGsi, up);
    }

    /// <summary>hvm_maybe_deassert_evtchn_irq.</summary>
    public void DeassertCallbackIfDone()
    {
        if (_callbackAsserted)
            SetCallbackLevel();
    }

    /// <summary>False: no port of the chipset.</summary>
    public bool TryPort(ulong port, int size, bool write, ref uint value)
    {
        if (size == 1 && Pic.Claims(port))
            return Byte(write, ref value, () => _pic.Read(port), v => _pic.Write(port, v));
        if (size == 1 && Pit.Claims(port))
            return Byte(write, ref value, () => _pit.Read(port), v => _pit.Write(port, v));
        if (size == 1 && Rtc.Claims(port))
            return Byte(write, ref value, () => _rtc.Read(port), v => _rtc.Write(port, v));
        bool old = _domain.HvmParams.Length <= (int)HvmParam.ACPI_IOPORTS_LOCATION || _domain.HvmParams[(int)HvmParam.ACPI_IOPORTS_LOCATION] == 0;
        if (port - (old ? PmTimerPort0 : PmTimerPort1) >= 4 || size != 4)
            return false;
        if (!write)
            value = (uint)((UInt128)_domain.Xen.VirtualNanoseconds * PmTimerFrequency / 1_000_000_000);
        return true;
    }

    public bool ClaimsMemory(ulong address) => IoApic.Claims(address) || (Hpet.Claims(address) && _domain.HvmParams[(int)HvmParam.HPET_ENABLED] != 0);

    public ulong ReadMemory(ulong address, int size)
        => IoApic.Claims(address) ? _ioApic.Read((uint)(address - IoApic.PageAddress) & ~3u) >> (int)((address & 3) * 8) : _hpet.Read((uint)(address - Hpet.PageAddress), size);

    public void WriteMemory(ulong address, int size, ulong value)
    {
        if (IoApic.Claims(address))
            _ioApic.Write((uint)(address - IoApic.PageAddress), (uint)value);
        else
            _hpet.Write((uint)(address - Hpet.PageAddress), size, value);
    }

    /// <summary>hvm_isa_irq_deassert and assert, back to back, as pt_update_irq does it: IRQ 0 is wired to input 2 of the IO-APIC.</summary>
    private void PulseTimer()
    {
        const int isaTimer = 0, timerGsi = 2;
        _ioApic.PositiveEdge(timerGsi);
        _pic.SetLine(isaTimer, up: false);
        _pic.SetLine(isaTimer, up: true);
        KickPicTarget();
    }

    /// <summary>hvm_pci_intx_gsi.</summary>
    private static int PciGsi(int device, int pin) => ((((device << 2) + (device >> 3) + pin) & 31) + 16) % IoApic.Pins;

    private void SetGsi(int gsi, bool up)
    {
        const int isaLines = 16;
        _asserted[gsi] += up ? 1 : -1;
        bool edge = up ? _asserted[gsi] == 1 : _asserted[gsi] == 0;
        if (!edge)
            return;
        if (up)
            _ioApic.PositiveEdge(gsi);
        if (gsi < isaLines)
            _pic.SetLine(gsi, up);
        KickPicTarget();
    }

    private void KickPicTarget()
    {
        if (!_pic.Output)
            return;
        foreach (Vcpu v in _domain.Vcpus)
        {
            if (PicOutputFor(v))
                v.Kick();
        }
    }

    private static bool Byte(bool write, ref uint value, Func<byte> read, Action<byte> set)
    {
        if (write)
            set((byte)value);
        else
            value = read();
        return true;
    }
}
