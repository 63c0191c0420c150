using System.Buffers.Binary;
using XenSim.Hypervisor.Public.Acpi;

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
    private const int FadtLength = 268;

    private static readonly AcpiIdentity s_identity = new("Xen", "HVM", 0, "HVML", 0);

    /// <summary>The event by which processors are plugged in.</summary>
    private static readonly byte[] s_dsdt = Aml.Scope("\\_GPE", Aml.Method("_E02"));

    /// <param name="info">ACPI_INFO_PHYSICAL_ADDRESS; the tables follow it.</param>
    /// <param name="lowRsdp">Some Linux kernels look for the RSDP only below 1 MiB.</param>
    public static IReadOnlyList<AcpiModule> Build(ulong info, uint vcpus, bool lowRsdp)
    {
        ulong tables = info + 4096;
        byte[] block = new byte[TablePages << 12];
        int at = 0;
        ulong facs = Place(AcpiTableFormat.Facs(version: 1));
        ulong dsdt = Place(Table("DSDT", 5, s_dsdt));
        byte[] fixedTable = Fadt().Body(FadtLength, facs, dsdt, facs);
        ulong oldFadt = Place(Table("FACP", 1, fixedTable[..(FixedAcpiTable.FirstLength - AcpiTableFormat.HeaderSize)])); // for the RSDT of systems of ACPI 1.0
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
        AcpiTableFormat.Rsdp("Xen", (uint)rsdt, xsdt).CopyTo(rsdp, 0);
        return rsdp;
    }

    private static byte[] Table(string signature, byte revision, byte[] body) => AcpiTableFormat.Table(signature, revision, s_identity, body);

    /// <summary>Fadt of static_tables.c without a PM timer, VGA and CMOS clock; its registers are those of a device model, which a PVH guest lacks: they read as all ones.</summary>
    private static FixedAcpiTable Fadt()
    {
        const ushort noVga = 1 << 2, noCmosClock = 1 << 5;

        // WBINVD, C1, no fixed buttons, RTC wake not fixed, long timer, platform clock.
        const uint flags = 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 15;
        return new FixedAcpiTable
        {
            SciInterrupt = 9,
            Pm1Event = 0xb000, // ACPI_*_BLK_ADDRESS_V1
            Pm1Control = 0xb004,
            Gpe0 = 0xafe0,
            Gpe0Length = 4,
            BootArchitecture = noVga | noCmosClock,
            Flags = flags,
            ResetRegister = 0xcf9,
            ResetValue = 6,
        };
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
}
