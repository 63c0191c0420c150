using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Devices;

/// <summary>
/// The ACPI hardware of the machine: PM1 status, enable and control, the general-purpose event block, the SMI command port and the reset register. Nothing
/// here ever raises the SCI: no button is pressed, no event comes in.
/// </summary>
/// <remarks>Source: ACPI 5.0, section 4.8; QEMU 7.2 hw/acpi/core.c, hw/isa/lpc_ich9.c, hw/isa/piix4.c.</remarks>
internal sealed class AcpiRegisters(Xen xen, HostFirmware firmware)
{
    private const int EventLength = 4, ControlLength = 2, Enable = 2;
    private const ushort SciEnable = 1, TimerEnable = 1, SleepEnable = 1 << 13;
    private const int SleepType = 10;
    private const byte ResetProcessor = 4;

    /// <summary>PM1 status (cleared by writing ones) and enable.</summary>
    private readonly byte[] _events = new byte[EventLength];

    /// <summary>Of the general-purpose events; the first half is status.</summary>
    private readonly byte[] _general = new byte[firmware.Fadt.Gpe0Length];
    private ushort _control;

    public bool Claims(ulong port)
        => port - firmware.Pm1Event < EventLength || port - firmware.Pm1Control < ControlLength || port - firmware.Fadt.Gpe0 < firmware.Fadt.Gpe0Length
            || port == firmware.Fadt.SmiCommand || port == MachinePorts.ResetPort;

    public byte Read(ulong port)
    {
        if (port - firmware.Pm1Event < EventLength)
            return _events[port - firmware.Pm1Event];
        if (port - firmware.Pm1Control < ControlLength)
            return (byte)(_control >> (8 * (int)(port - firmware.Pm1Control)));
        return port - firmware.Fadt.Gpe0 < firmware.Fadt.Gpe0Length ? _general[port - firmware.Fadt.Gpe0] : (byte)0;
    }

    public void Write(ulong port, byte value)
    {
        if (port - firmware.Pm1Event < EventLength)
            WriteEvent((int)(port - firmware.Pm1Event), value);
        else if (port - firmware.Pm1Control < ControlLength)
            WriteControl(8 * (int)(port - firmware.Pm1Control), value);
        else if (port - firmware.Fadt.Gpe0 < firmware.Fadt.Gpe0Length)
            WriteGeneral((int)(port - firmware.Fadt.Gpe0), value);
        else if (port == firmware.Fadt.SmiCommand)
            Command(value);
        else if ((value & ResetProcessor) != 0)
            xen.EndMachine(MachineEnd.Reset);
    }

    private void WriteEvent(int at, byte value)
    {
        if (at < Enable)
            _events[at] &= (byte)~value;
        else
            _events[at] = value;
        if (at == Enable && (value & TimerEnable) != 0)
            xen.NotImplemented("PM1_EN.TMR_EN", "the PM timer does not interrupt", ours: true);
    }

    private void WriteGeneral(int at, byte value)
    {
        if (at < _general.Length / 2)
            _general[at] &= (byte)~value;
        else
            _general[at] = value;
    }

    /// <summary>SLP_EN is a command, which does not stay.</summary>
    private void WriteControl(int shift, byte value)
    {
        ushort all = (ushort)((_control & ~(0xFF << shift)) | (value << shift));
        _control = (ushort)(all & ~SleepEnable);
        if ((all & SleepEnable) == 0)
            return;

        // SLP_TYP as the sleep states in the DSDT have it; the machine ignores the others.
        switch (all >> SleepType & 7)
        {
            case 0 or 2:
                xen.EndMachine(MachineEnd.PowerOff);
                break;
            case 1:
                xen.NotImplemented("ACPI S3", "the machine does not wake from suspend to RAM", ours: true);
                break;
        }
    }

    /// <summary>The firmware's SMI handler: who handles ACPI events, it or the operating system.</summary>
    private void Command(byte value)
    {
        if (value == firmware.Fadt.AcpiEnable)
            _control |= SciEnable;
        else if (value == firmware.Fadt.AcpiDisable)
            _control &= unchecked((ushort)~SciEnable);
    }
}
