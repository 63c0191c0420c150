using System.Buffers.Binary;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Public.Acpi;

namespace XenSim.Hypervisor.Boot.Hosts;

/// <summary>
/// The ACPI tables that the firmware leaves in the machine's memory, at the addresses and with the lengths that the host model gives. All but the DSDT say what
/// the modelled machine's own say; the DSDT is ours: it names the devices that are there, and its rest is an empty buffer.
/// </summary>
/// <remarks>Source: ACPI 5.0, section 5.2; QEMU 7.2 hw/i386/acpi-build.c, whose tables the host models describe.</remarks>
internal static class AcpiFirmware
{
    private const byte PcAtCompatible = 1;
    private const string Root = "RSDP", Pointers = "RSDT", Fixed = "FACP", Waking = "FACS", Differentiated = "DSDT";

    /// <summary>Writes them all.</summary>
    public static void Write(HostFirmware firmware, ulong memoryMiB, PhysicalMemory memory)
    {
        foreach (AcpiTable t in firmware.AcpiTables)
            memory.TryWrite(new PhysicalAddress(t.Address.Resolve(firmware.Top(memoryMiB))), Bytes(firmware, memoryMiB, t));
    }

    /// <summary>What is wrong with the tables of a host model: a line each.</summary>
    public static IEnumerable<string> Problems(HostFirmware firmware)
    {
        const ulong anySize = 1024;
        foreach (AcpiTable t in firmware.AcpiTables)
        {
            string at = $"$.firmware.acpiTables: {t.Signature}";
            if (t.Signature is not (Root or Pointers or Fixed or Waking or Differentiated or "APIC" or "HPET" or "MCFG" or "WAET"))
                yield return $"{at} is no table that the firmware can write";
            else if (t.Signature == "MCFG" && firmware.McfgBase is null)
                yield return $"{at} needs $.firmware.mcfgBase";
            else if (t.Signature is not (Root or Waking) && t.Identity is null)
                yield return $"{at}: \"{t.Text}\" is not what Xen prints of a table's header";
            else if (Bytes(firmware, anySize, t).Length is var length && length != t.Length)
                yield return $"{at} is {length:x} bytes long, not {t.Length:x}";
        }
    }

    private static byte[] Bytes(HostFirmware f, ulong memoryMiB, AcpiTable t) => t.Signature switch
    {
        Root => AcpiTableFormat.Rsdp(t.Text, (uint)Address(f, memoryMiB, Pointers), null),
        Waking => AcpiTableFormat.Facs(version: 0),
        _ => AcpiTableFormat.Table(t.Signature, (byte)t.Revision, t.Identity!.Value, Body(f, memoryMiB, t)),
    };

    private static byte[] Body(HostFirmware f, ulong memoryMiB, AcpiTable t) => t.Signature switch
    {
        Pointers => [.. f.AcpiTables.Where(x => x.Signature is not (Root or Pointers or Waking or Differentiated)).SelectMany(x => BitConverter.GetBytes((uint)x.Address.Resolve(f.Top(memoryMiB))))],
        Fixed => f.Fadt.Body((int)t.Length, Address(f, memoryMiB, Waking), Address(f, memoryMiB, Differentiated), facsExtended: 0),
        Differentiated => Dsdt(f, memoryMiB, (int)t.Length - AcpiTableFormat.HeaderSize),
        "APIC" => Madt(f),
        "HPET" => Hpet(f),
        "MCFG" => Mcfg(f.McfgBase ?? 0),
        _ => [2, 0, 0, 0], // WAET: the PM timer needs to be read once only
    };

    private static ulong Address(HostFirmware f, ulong memoryMiB, string signature)
        => f.AcpiTables.FirstOrDefault(t => t.Signature == signature)?.Address.Resolve(f.Top(memoryMiB)) ?? 0;

    /// <summary>One local APIC and one I/O APIC. ACPI 5.0, section 5.2.12.</summary>
    private static byte[] Madt(HostFirmware f)
    {
        const byte all = 0xff, enabled = 1, pin = 1;
        List<byte> body = [.. BitConverter.GetBytes((uint)f.LocalApicAddress), PcAtCompatible, 0, 0, 0];
        body.AddRange([0, 8, 0, 0, enabled, 0, 0, 0]);
        body.AddRange([1, 12, 0, 0, .. BitConverter.GetBytes((uint)f.IoApicAddress), 0, 0, 0, 0]);
        foreach (InterruptOverride o in f.Overrides)
            body.AddRange([2, 10, 0, (byte)o.Irq, .. BitConverter.GetBytes(o.Gsi), o.Flags, 0]);
        if (f.LapicNmi)
            body.AddRange([4, 6, all, 0, 0, pin]);
        return [.. body];
    }

    /// <summary>IA-PC HPET specification 1.0a, section 3.2.4.</summary>
    private static byte[] Hpet(HostFirmware f)
    {
        byte[] body = new byte[20];
        BinaryPrimitives.WriteUInt32LittleEndian(body, f.HpetId);
        BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(8), f.HpetAddress);
        return body;
    }

    /// <summary>One segment with all its buses. PCI firmware specification 3.0, section 4.1.2.</summary>
    private static byte[] Mcfg(ulong start)
    {
        const byte lastBus = 0xff;
        return [0, 0, 0, 0, 0, 0, 0, 0, .. BitConverter.GetBytes(start), 0, 0, 0, lastBus, 0, 0, 0, 0];
    }

    /// <summary>The sleep states (SLP_TYP of PM1a and PM1b) and the devices that dom0 finds, or is to know of.</summary>
    private static byte[] Dsdt(HostFirmware f, ulong memoryMiB, int length)
    {
        const ushort serial = 0x3f8, clock = 0x70;
        const int serialIrq = 4, clockIrq = 8;
        const byte eightPorts = 8;
        const uint registersOfHpet = 0x400, configurationOfBus = 1 << 20, buses = 256;
        List<byte[]> devices =
        [
            RootBridge(f, (uint)f.Top(memoryMiB)),
            Aml.Device("COM1", Aml.Name("_HID", Aml.EisaId("PNP0501")), Aml.Name("_CRS", Aml.Resources(Aml.Ports(serial, eightPorts), Aml.Irq(serialIrq)))),
            Aml.Device("RTC_", Aml.Name("_HID", Aml.EisaId("PNP0B00")), Aml.Name("_CRS", Aml.Resources(Aml.Ports(clock, eightPorts), Aml.Irq(clockIrq)))),
            Aml.Device("HPET", Aml.Name("_HID", Aml.EisaId("PNP0103")), Aml.Name("_CRS", Aml.Resources(Aml.FixedMemory((uint)f.HpetAddress, registersOfHpet)))),
        ];
        if (f.McfgBase is { } mcfg)
        {
            byte[] window = Aml.MemoryWindow((uint)mcfg, (uint)mcfg + (configurationOfBus * buses) - 1);
            devices.Add(Aml.Device("DRAC", Aml.Name("_HID", Aml.EisaId("PNP0C01")), Aml.Name("_CRS", Aml.Resources(window))));
        }

        byte[] content =
        [
            .. Aml.Name("_S3_", Aml.Package(1, 1, 0, 0)), .. Aml.Name("_S4_", Aml.Package(2, 2, 0, 0)), .. Aml.Name("_S5_", Aml.Package(0, 0, 0, 0)),
            .. Aml.Scope("\\_SB_", [.. devices]),
        ];
        return [.. content, .. Filling(length - content.Length)];
    }

    /// <summary>The PCI bus: its kind, and what ports and memory it passes on, as on the modelled boards but for the window above 4 GiB.</summary>
    private static byte[] RootBridge(HostFirmware f, uint top)
    {
        const uint lastOfWindow = 0xfebf_ffff, configuration = 256 << 20;
        List<byte[]> windows = [Aml.Buses(0, 0xff), Aml.PortWindow(0, 0xcf7), Aml.PortWindow(0xd00, 0xffff), Aml.MemoryWindow(0xa_0000, 0xb_ffff)];
        if (f.McfgBase is { } mcfg)
            windows.AddRange([Aml.MemoryWindow(top, (uint)mcfg - 1), Aml.MemoryWindow((uint)mcfg + configuration, lastOfWindow)]);
        else
            windows.Add(Aml.MemoryWindow(top, lastOfWindow));
        byte[] kind = f.McfgBase is null
            ? Aml.Name("_HID", Aml.EisaId("PNP0A03"))
            : [.. Aml.Name("_HID", Aml.EisaId("PNP0A08")), .. Aml.Name("_CID", Aml.EisaId("PNP0A03"))];
        return Aml.Device("PCI0", kind, Aml.Name("_UID", Aml.Integer(0)), Aml.Name("_CRS", Aml.Resources([.. windows])));
    }

    /// <summary>A name with an empty buffer, which the interpreter takes over in one piece.</summary>
    private static byte[] Filling(int length)
    {
        // Name, buffer and their two lengths take ten to thirteen bytes.
        for (int overhead = 8; overhead <= 14 && overhead < length; overhead++)
        {
            byte[] filling = Aml.Name("FILL", Aml.Buffer(new byte[length - overhead]));
            if (filling.Length == length)
                return filling;
        }

        return [];
    }
}
