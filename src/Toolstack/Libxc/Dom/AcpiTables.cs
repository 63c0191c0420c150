using System.Buffers.Binary;
using System.Text;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>
/// The ACPI tables of a PVH domain: RSDP, info page and a block with XSDT, FADT, MADT and DSDT. Places and sizes are those that libacpi
/// gives them; the DSDT is empty, because ours describes no devices, where libacpi's lists the processors.
/// </summary>
/// <remarks>Source: stable-4.17 tools/libs/light/libxl_x86_acpi.c, tools/libacpi/build.c; ACPI 5.0 section 5.2 for the tables.</remarks>
internal static class AcpiTables
{
    private const ulong RsdpLength = 64;
    private const ulong TablePages = 7;
    private const uint LapicBase = 0xfee00000;
    private const int HeaderSize = 36;

    /// <param name="info">ACPI_INFO_PHYSICAL_ADDRESS; the tables follow it.</param>
    /// <param name="lowRsdp">Some Linux kernels look for the RSDP only below 1 MiB.</param>
    public static IReadOnlyList<AcpiModule> Build(ulong info, uint vcpus, bool lowRsdp)
    {
        ulong tables = info + 4096;
        byte[] block = new byte[TablePages << 12];
        int at = 0;
        ulong dsdt = Place(Table("DSDT", 2, []));
        ulong fadt = Place(Table("FACP", 5, Fadt(dsdt)));
        ulong madt = Place(Table("APIC", 3, Madt(vcpus)));
        ulong xsdt = Place(Table("XSDT", 1, [.. BitConverter.GetBytes(fadt), .. BitConverter.GetBytes(madt)]));
        ulong rsdp = lowRsdp ? 0x100000 - RsdpLength : tables + (TablePages << 12);
        return
        [
            new AcpiModule(Rsdp(xsdt), rsdp, RsdpLength),
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

    private static byte[] Rsdp(ulong xsdt)
    {
        byte[] rsdp = new byte[RsdpLength];
        Encoding.ASCII.GetBytes("RSD PTR ").CopyTo(rsdp, 0);
        Encoding.ASCII.GetBytes("Xen\0\0\0").CopyTo(rsdp, 9);
        rsdp[15] = 2;
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

    /// <summary>Hardware-reduced: no legacy devices, no VGA, no CMOS clock.</summary>
    private static byte[] Fadt(ulong dsdt)
    {
        byte[] body = new byte[268 - HeaderSize];
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(40 - HeaderSize), (uint)dsdt);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(109 - HeaderSize), 1 << 2 | 1 << 5);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(112 - HeaderSize), 1u << 20);
        BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(140 - HeaderSize), dsdt);
        return body;
    }

    /// <summary>One local APIC per vcpu, with the id that Xen gives it: twice the vcpu's number.</summary>
    private static byte[] Madt(uint vcpus)
    {
        byte[] body = new byte[8 + (8 * vcpus)];
        BinaryPrimitives.WriteUInt32LittleEndian(body, LapicBase);
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
