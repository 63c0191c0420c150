using System.Buffers.Binary;

namespace XenSim.Hypervisor.Public.Acpi;

/// <summary>What a FADT says: ports, their lengths in bytes, and flags. Zero: there is no such thing.</summary>
/// <remarks>Source: ACPI 5.0, section 5.2.9.</remarks>
public sealed record FixedAcpiTable
{
    /// <summary>Length in ACPI 1.0, and where the 64-bit fields end that revision 3 added. Unit: bytes, the header included.</summary>
    public const int FirstLength = 116, ThirdLength = 244;

    /// <summary>INT_MODEL of ACPI 1.0: 1 with APICs.</summary>
    public byte InterruptModel { get; init; }

    public ushort SciInterrupt { get; init; }

    public uint SmiCommand { get; init; }

    /// <summary>What to write to <see cref="SmiCommand"/>.</summary>
    public byte AcpiEnable { get; init; }

    public byte AcpiDisable { get; init; }

    public uint Pm1Event { get; init; }

    public uint Pm1Control { get; init; }

    public uint PmTimer { get; init; }

    public uint Gpe0 { get; init; }

    public byte Gpe0Length { get; init; }

    /// <summary>X_GPE0_BLK repeats <see cref="Gpe0"/>; not all firmware fills it.</summary>
    public bool ExtendedGpe0 { get; init; }

    /// <summary>Index in the clock chip's RAM at which the century stands.</summary>
    public byte Century { get; init; }

    /// <summary>IAPC_BOOT_ARCH.</summary>
    public ushort BootArchitecture { get; init; }

    public uint Flags { get; init; }

    /// <summary>I/O port.</summary>
    public uint ResetRegister { get; init; }

    public byte ResetValue { get; init; }

    /// <summary>What follows the header of a table of that length: all of the first 116 bytes, and as much of the rest as fits.</summary>
    /// <param name="length">Unit: bytes, the header included.</param>
    /// <param name="facs">Physical address.</param>
    /// <param name="facsExtended">The same for X_FIRMWARE_CTRL, which some firmware leaves empty.</param>
    public byte[] Body(int length, ulong facs, ulong dsdt, ulong facsExtended)
    {
        const ushort noC2 = 0xfff, noC3 = 0xfff;
        const byte eventLength = 4, controlLength = 2, timerLength = 4;
        Writer w = new(length);
        w.Long(36, (uint)facs);
        w.Long(40, (uint)dsdt);
        w.Byte(44, InterruptModel);
        w.Word(46, SciInterrupt);
        w.Long(48, SmiCommand);
        w.Byte(52, AcpiEnable);
        w.Byte(53, AcpiDisable);
        w.Long(56, Pm1Event);
        w.Long(64, Pm1Control);
        w.Long(76, PmTimer);
        w.Long(80, Gpe0);
        w.Byte(88, eventLength);
        w.Byte(89, controlLength);
        w.Byte(91, PmTimer == 0 ? (byte)0 : timerLength);
        w.Byte(92, Gpe0Length);
        w.Word(96, noC2);
        w.Word(98, noC3);
        w.Byte(108, Century);
        w.Word(109, BootArchitecture);
        w.Long(112, Flags);
        if (length < ThirdLength)
            return w.Bytes;
        w.Port(116, 8, ResetRegister);
        w.Byte(128, ResetValue);
        w.Wide(132, facsExtended);
        w.Wide(140, dsdt);
        w.Port(148, eventLength * 8, Pm1Event);
        w.Port(172, controlLength * 8, Pm1Control);
        w.Port(208, timerLength * 8, PmTimer);
        w.Port(220, (byte)(Gpe0Length * 8), ExtendedGpe0 ? Gpe0 : 0);
        return w.Bytes;
    }

    /// <summary>Fields by their offsets in the table.</summary>
    private readonly struct Writer(byte[] body)
    {
        public Writer(int length)
            : this(new byte[length - AcpiTableFormat.HeaderSize])
        {
        }

        public byte[] Bytes => body;

        public void Byte(int at, byte value) => body[at - AcpiTableFormat.HeaderSize] = value;

        public void Word(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(at - AcpiTableFormat.HeaderSize), value);

        public void Long(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(at - AcpiTableFormat.HeaderSize), value);

        public void Wide(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(at - AcpiTableFormat.HeaderSize), value);

        /// <summary>Generic address structure: space (1, system I/O), width in bits, offset, access size, address.</summary>
        public void Port(int at, byte bits, uint port)
        {
            if (port == 0)
                return;
            Byte(at, 1);
            Byte(at + 1, bits);
            Wide(at + 4, port);
        }
    }
}
