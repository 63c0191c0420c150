using System.Buffers.Binary;
using System.Text;

namespace XenSim.Hypervisor.Public.Acpi;

/// <summary>Who made a table: OEM (six letters), its name for the table (eight) and its revision, and the tool that made it (four letters).</summary>
public readonly record struct AcpiIdentity(string Oem, string OemTable, uint OemRevision, string Creator, uint CreatorRevision);

/// <summary>The form that all ACPI tables share. Source: ACPI 5.0, sections 5.2.5, 5.2.6 and 5.2.10.</summary>
public static class AcpiTableFormat
{
    /// <summary>DESCRIPTION_HEADER. Unit: bytes.</summary>
    public const int HeaderSize = 36;

    /// <summary>FACS. Unit: bytes.</summary>
    public const int FacsSize = 64;

    private const int FirstRsdpSize = 20;
    private const int RsdpSize = 36;

    /// <summary>A table with its header and checksum.</summary>
    /// <param name="signature">Four letters.</param>
    public static byte[] Table(string signature, byte revision, in AcpiIdentity id, ReadOnlySpan<byte> body)
    {
        byte[] table = new byte[HeaderSize + body.Length];
        Letters(signature, table, 0);
        BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(4), table.Length);
        table[8] = revision;
        Letters(id.Oem, table, 10);
        Letters(id.OemTable, table, 16);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(24), id.OemRevision);
        Letters(id.Creator, table, 28);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(32), id.CreatorRevision);
        body.CopyTo(table.AsSpan(HeaderSize));
        table[9] = Checksum(table);
        return table;
    }

    /// <summary>The root pointer: 20 bytes of revision 0, or 36 of revision 2.</summary>
    /// <param name="xsdt">Null: revision 0, which has none.</param>
    public static byte[] Rsdp(string oem, uint rsdt, ulong? xsdt)
    {
        byte[] rsdp = new byte[xsdt is null ? FirstRsdpSize : RsdpSize];
        Letters("RSD PTR ", rsdp, 0);
        Letters(oem, rsdp, 9);
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(16), rsdt);
        if (xsdt is { } extended)
        {
            rsdp[15] = 2;
            BinaryPrimitives.WriteInt32LittleEndian(rsdp.AsSpan(20), RsdpSize);
            BinaryPrimitives.WriteUInt64LittleEndian(rsdp.AsSpan(24), extended);
        }

        rsdp[8] = Checksum(rsdp.AsSpan(0, FirstRsdpSize));
        if (xsdt is not null)
            rsdp[32] = Checksum(rsdp);
        return rsdp;
    }

    /// <summary>The table without a header and checksum, in which the waking vector stands.</summary>
    public static byte[] Facs(byte version)
    {
        byte[] facs = new byte[FacsSize];
        Letters("FACS", facs, 0);
        BinaryPrimitives.WriteInt32LittleEndian(facs.AsSpan(4), facs.Length);
        facs[32] = version;
        return facs;
    }

    /// <summary>The byte that makes the sum of all of them zero.</summary>
    public static byte Checksum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte b in bytes)
            sum += b;
        return (byte)-sum;
    }

    private static void Letters(string text, byte[] table, int at) => Encoding.ASCII.GetBytes(text).CopyTo(table, at);
}
