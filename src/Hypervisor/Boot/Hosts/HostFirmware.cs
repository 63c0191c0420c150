using System.Globalization;
using XenSim.Hypervisor.Public.Acpi;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Boot.Hosts;

/// <summary>A range of the BIOS's memory map. Unit: bytes; <paramref name="End"/> is exclusive.</summary>
public readonly record struct E820Entry(ulong Start, ulong End, E820Type Type);

/// <summary>An address of the firmware: absolute, or below the end of the memory under 4 GiB.</summary>
/// <param name="FromTop">The address is <c>top - Offset</c>.</param>
public readonly record struct FirmwareAddress(bool FromTop, ulong Offset)
{
    public ulong Resolve(ulong top) => FromTop ? top - Offset : Offset;
}

/// <summary>A range of the memory map before the amount of memory is known.</summary>
public readonly record struct MemoryRange(FirmwareAddress Start, FirmwareAddress End, E820Type Type);

/// <summary>An ACPI table as the boot log lists it.</summary>
/// <param name="Text">OEM id, table id, revision and creator as printed.</param>
public sealed record AcpiTable(string Signature, FirmwareAddress Address, uint Length, uint Revision, string Text)
{
    /// <summary>What <see cref="Text"/> says, "%6s %8s %8X %4s %8X" (drivers/acpi/tables/tbutils.c: acpi_tb_print_table_header); null: it is not of that form.</summary>
    public AcpiIdentity? Identity
    {
        get
        {
            const int length = 38;
            return Text.Length == length && Number(16, out uint oem) && Number(30, out uint creator)
                ? new AcpiIdentity(Text[..6], Text[7..15], oem, Text[25..29], creator)
                : null;
        }
    }

    private bool Number(int at, out uint value) => uint.TryParse(Text.AsSpan(at, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out value);
}

/// <summary>An interrupt source override of the MADT.</summary>
public readonly record struct InterruptOverride(uint Irq, uint Gsi, string Polarity, string Trigger)
{
    /// <summary>MPS INTI flags: polarity in bits 0 and 1, trigger mode in 2 and 3. ACPI 5.0, table 5-50.</summary>
    public byte Flags => (byte)((Polarity switch { "high" => 1, "low" => 3, _ => 0 }) | (Trigger switch { "edge" => 1, "level" => 3, _ => 0 } << 2));
}

/// <summary>What the firmware and the boot loader tell Xen.</summary>
public sealed record HostFirmware
{
    /// <summary>Inputs of the one I/O APIC: nr_irqs_gsi.</summary>
    public const int GlobalInterrupts = 24;

    /// <summary>Multiboot loader name.</summary>
    public required string Loader { get; init; }

    /// <summary>Memory beyond this is mapped from 4 GiB up. Unit: bytes.</summary>
    public required ulong LowMemoryLimit { get; init; }

    public required IReadOnlyList<MemoryRange> Memory { get; init; }

    public required IReadOnlyList<AcpiTable> AcpiTables { get; init; }

    public required IReadOnlyList<InterruptOverride> Overrides { get; init; }

    /// <summary>The MADT lists an NMI pin for every local APIC.</summary>
    public required bool LapicNmi { get; init; }

    /// <summary>Physical address of the MP table.</summary>
    public required ulong MpTable { get; init; }

    public required string DmiVersion { get; init; }

    /// <summary>What the FADT says.</summary>
    public required FixedAcpiTable Fadt { get; init; }

    /// <summary>I/O port of the ACPI PM timer.</summary>
    public uint PmTimerPort => Fadt.PmTimer;

    public uint Pm1Control => Fadt.Pm1Control;

    public uint Pm1Event => Fadt.Pm1Event;

    public required ulong LocalApicAddress { get; init; }

    public required ulong IoApicAddress { get; init; }

    public required ulong HpetAddress { get; init; }

    public required uint HpetId { get; init; }

    /// <summary>Base of PCI Express configuration space; null if there is no MCFG.</summary>
    public required ulong? McfgBase { get; init; }

    /// <summary>The host bridge's configuration space as the firmware leaves it: 64 registers of 32 bits.</summary>
    public required IReadOnlyList<uint> HostBridge { get; init; }

    /// <summary>End of RAM below 4 GiB for a machine of that size. Unit: bytes.</summary>
    public ulong Top(ulong memoryMiB) => Math.Min(memoryMiB << 20, LowMemoryLimit);

    /// <summary>The BIOS's memory map of a machine with that much memory, in ascending order.</summary>
    public IReadOnlyList<E820Entry> MemoryMap(ulong memoryMiB)
    {
        const ulong fourGiB = 1ul << 32;
        ulong top = Top(memoryMiB);
        IEnumerable<E820Entry> low = Memory.Select(r => new E820Entry(r.Start.Resolve(top), r.End.Resolve(top), r.Type));
        ulong above = (memoryMiB << 20) - top;
        return [.. (above == 0 ? low : low.Append(new E820Entry(fourGiB, fourGiB + above, E820Type.RAM))).OrderBy(r => r.Start)];
    }
}
