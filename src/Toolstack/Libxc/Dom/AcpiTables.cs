using System.Buffers.Binary;
using System.Text;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>
/// The ACPI tables of a PVH domain: RSDP, info page and a block with FACS, DSDT, FADT, MADT, XSDT and RSDT, in libacpi's order. Our DSDT has nothing but the
/// general-purpose event by which processors are plugged in, where libacpi's lists the processors.
/// </summary>
/// <remarks>Source: stable-4.17 tools/libs/light/libxl_x86_acpi.c, tools/libacpi/build.c, static_tables.c, mk_dsdt.c; ACPI 5.0 section 5.2 for the tables.</remarks>
internal static class AcpiTables
{
    private const ulong RsdpLength = 64;
    private const ulong TablePages = 7;
    private const uint LapicBase = 0xfee00000;
    private const int HeaderSize = 36;
    private const int OldFadtLength = 116;

    /// <summary><c>Scope (\_GPE) { Method (_E02) {} }</c>. Encoding: ACPI 5.0 section 20.2.</summary>
    private static readonly byte[] s_cpuHotplugEvent = [0x10, 0x0d, (byte)'\\', (byte)'_', (byte)'G', (byte)'P', (byte)'E', 0x14, 0x06, (byte)'_', (byte)'E', (byte)'0', (byte)'2', 0];

    /// <param name="info">ACPI_INFO_PHYSICAL_ADDRESS; the tables follow it.</param>
    /// <param name="lowRsdp">Some Linux kernels look for the RSDP only below 1 MiB.</param>
    public static IReadOnlyList<AcpiModule> Build(ulong info, uint vcpus, bool lowRsdp)
    {
        ulong tables = info + 4096;
        byte[] block = new byte[TablePages << 12];
        int at = 0;
        ulong facs = Place(Facs());
        ulong dsdt = Place(Table("DSDT", 5, s_cpuHotplugEvent));
        byte[] fixedTable = Fadt(facs, dsdt);
        ulong oldFadt = Place(Table("FACP", 1, fixedTable[..(OldFadtLength - HeaderSize)])); // for the RSDT of systems of ACPI 1.0
        ulong fadt = Place(Table("FACP", 5, fixedTable));
        ulong madt = Place(Table("APIC", 3, Madt(vcpus)));
        ulong xsdt = Place(Table("XSDT", 1, [.. BitConverter.GetBytes(fadt), .. BitConverter.GetBytes(madt)]));
        ulong rsdt = Place(Table("RSDT", 1, [.. BitConverter.GetBytes((uint)oldFadt), .. BitConverter.GetBytes((uint)madt)]));
        ulong rsdp = lowRsdp ? 0x100000 - RsdpLength : tables + (TablePages << 12);
        return
        [
            new AcpiModule(Rsdp(rsdt, xsdt), rsdp, RsdpLength),
            new AcpiModule(new byte[4096], info, 4096),
            new AcpiModule(block, tables, TablePages << 12),
        ];

        ulong Place(byte[] table)
        {
            table.CopyTo(block, at);
            ulong address = tables + (ulong)at;
            at = (at + table.Length + 15) & ~15;
            return address;
        }
    }

    private static byte[] Rsdp(ulong rsdt, ulong xsdt)
    {
        byte[] rsdp = new byte[RsdpLength];
        Encoding.ASCII.GetBytes("RSD PTR ").CopyTo(rsdp, 0);
        Encoding.ASCII.GetBytes("Xen\0\0\0").CopyTo(rsdp, 9);
        rsdp[15] = 2;
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(16), (uint)rsdt);
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(20), 36);
        BinaryPrimitives.WriteUInt64LittleEndian(rsdp.AsSpan(24), xsdt);
        rsdp[8] = Checksum(rsdp.AsSpan(0, 20));
        rsdp[32] = Checksum(rsdp.AsSpan(0, 36));
        return rsdp;
    }

    private static byte[] Table(string signature, byte revision, byte[] body)
    {
        byte[] table = new byte[HeaderSize + body.Length];
        Encoding.ASCII.GetBytes(signature).CopyTo(table, 0);
        BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(4), table.Length);
        table[8] = revision;
        Encoding.ASCII.GetBytes("Xen\0\0\0HVM\0\0\0\0\0").CopyTo(table, 10);
        Encoding.ASCII.GetBytes("HVML").CopyTo(table, 28);
        body.CopyTo(table, HeaderSize);
        table[9] = Checksum(table);
        return table;
    }

    private static byte[] Facs()
    {
        byte[] facs = new byte[64];
        Encoding.ASCII.GetBytes("FACS").CopyTo(facs, 0);
        BinaryPrimitives.WriteInt32LittleEndian(facs.AsSpan(4), facs.Length);
        facs[32] = 1;
        return facs;
    }

    /// <summary>Fadt of static_tables.c without a PM timer, VGA and CMOS clock; its registers are those of a device model, which a PVH guest lacks: they read as all ones.</summary>
    /// <returns>What follows the header.</returns>
    private static byte[] Fadt(ulong facs, ulong dsdt)
    {
        const uint events = 0xb000, control = 0xb004, generalEvents = 0xafe0; // ACPI_*_BLK_ADDRESS_V1
        const ushort noVga = 1 << 2, noCmosClock = 1 << 5;

        // WBINVD, C1, no fixed buttons, RTC wake not fixed, long timer, platform clock.
        const uint flags = 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 15;
        byte[] body = new byte[268 - HeaderSize];
        Long(36, (uint)facs);
        Long(40, (uint)dsdt);
        Word(46, 9); // sci_int
        Long(56, events);
        Long(64, control);
        Long(80, generalEvents);
        body[88 - HeaderSize] = 4;
        body[89 - HeaderSize] = 2;
        body[92 - HeaderSize] = 4;
        Word(96, 0xfff); // no C2, no C3
        Word(98, 0xfff);
        Word(109, noVga | noCmosClock);
        Long(112, flags);
        Port(116, 8, 0xcf9);
        body[128 - HeaderSize] = 6;
        Wide(132, facs);
        Wide(140, dsdt);
        Port(148, 32, events);
        Port(172, 16, control);
        return body;

        void Word(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(at - HeaderSize), value);

        void Long(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(at - HeaderSize), value);

        void Wide(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(at - HeaderSize), value);

        // struct acpi_20_generic_address: space (system I/O), width, offset, access, address.
        void Port(int at, byte bits, uint port)
        {
            body[at - HeaderSize] = 1;
            body[at + 1 - HeaderSize] = bits;
            Wide(at + 4, port);
        }
    }

    /// <summary>One local APIC per vcpu, with the id that Xen gives it: twice the vcpu's number.</summary>
    private static byte[] Madt(uint vcpus)
    {
        byte[] body = new byte[8 + (8 * vcpus)];
        BinaryPrimitives.WriteUInt32LittleEndian(body, LapicBase);
        body[4] = 1; // ACPI_PCAT_COMPAT: there are 8259s, says libacpi, and Linux takes its word
        for (int i = 0; i < (int)vcpus; i++)
            ((ReadOnlySpan<byte>)[0, 8, (byte)i, (byte)(i * 2), 1, 0, 0, 0]).CopyTo(body.AsSpan(8 + (i * 8)));
        return body;
    }

    private static byte Checksum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte b in bytes)
            sum += b;
        return (byte)-sum;
    }
}
