using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace XenSim.Hypervisor.Public.Acpi;

/// <summary>Terms of the ACPI machine language, and the resources that a device lists. Source: ACPI 5.0, sections 20.2 and 6.4.</summary>
public static class Aml
{
    private const byte NameOp = 0x08, BytePrefix = 0x0a, WordPrefix = 0x0b, DWordPrefix = 0x0c, ScopeOp = 0x10, BufferOp = 0x11, PackageOp = 0x12, MethodOp = 0x14, ExtOpPrefix = 0x5b, DeviceOp = 0x82;

    /// <summary>Largest package lengths of one, two and three bytes. Unit: bytes.</summary>
    private const int OneByte = 0x3f, TwoBytes = 0xfff;

    /// <param name="path">Name segments of four letters, <c>\</c> before them for the root.</param>
    public static byte[] Scope(string path, params byte[][] terms) => [ScopeOp, .. Sized([.. Letters(path), .. Join(terms)])];

    public static byte[] Device(string name, params byte[][] terms) => [ExtOpPrefix, DeviceOp, .. Sized([.. Letters(name), .. Join(terms)])];

    /// <summary>A method without arguments.</summary>
    public static byte[] Method(string name, params byte[][] terms) => [MethodOp, .. Sized([.. Letters(name), 0, .. Join(terms)])];

    public static byte[] Name(string name, byte[] value) => [NameOp, .. Letters(name), .. value];

    public static byte[] Package(params uint[] elements) => [PackageOp, .. Sized([(byte)elements.Length, .. Join(elements.Select(Integer))])];

    public static byte[] Integer(uint value) => value switch
    {
        0 or 1 => [(byte)value],
        <= byte.MaxValue => [BytePrefix, (byte)value],
        <= ushort.MaxValue => [WordPrefix, .. Word((ushort)value)],
        _ => [DWordPrefix, .. DWord(value)],
    };

    /// <summary>A buffer, filled up with zeroes.</summary>
    public static byte[] Buffer(ReadOnlySpan<byte> bytes)
        => [BufferOp, .. Sized([.. Integer((uint)bytes.Length), .. bytes])];

    /// <summary>The number of a device's kind: three letters and four hexadecimal digits, as <c>PNP0B00</c>.</summary>
    public static byte[] EisaId(string id)
    {
        uint letters = 0;
        foreach (char c in id.AsSpan(0, 3))
            letters = letters << 5 | (uint)(c - '@');
        uint number = letters << 16 | uint.Parse(id.AsSpan(3), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        return [DWordPrefix, .. DWord(BinaryPrimitives.ReverseEndianness(number))];
    }

    /// <summary>A resource template: descriptors, and the end tag whose checksum of zero is always right.</summary>
    public static byte[] Resources(params byte[][] descriptors) => Buffer([.. Join(descriptors), 0x79, 0]);

    /// <summary>Ports that decode 16 bits.</summary>
    public static byte[] Ports(ushort first, byte count) => [0x47, 1, .. Word(first), .. Word(first), 1, count];

    /// <summary>An edge-triggered interrupt that nobody shares.</summary>
    public static byte[] Irq(int irq) => [0x22, .. Word((ushort)(1 << irq))];

    /// <summary>Memory at a fixed place, read-only.</summary>
    public static byte[] FixedMemory(uint address, uint bytes) => [0x86, 9, 0, 0, .. DWord(address), .. DWord(bytes)];

    /// <summary>A window of memory, not cached, that can be written.</summary>
    public static byte[] MemoryWindow(uint first, uint last)
        => [0x87, 23, 0, 0, FixedRange, 1, .. DWord(0), .. DWord(first), .. DWord(last), .. DWord(0), .. DWord(last - first + 1)];

    /// <summary>A window of ports that a bridge passes on.</summary>
    public static byte[] PortWindow(ushort first, ushort last)
        => [0x88, 13, 0, 1, FixedRange, 3, .. Word(0), .. Word(first), .. Word(last), .. Word(0), .. Word((ushort)(last - first + 1))];

    /// <summary>Buses behind a bridge.</summary>
    public static byte[] Buses(byte first, byte last)
        => [0x88, 13, 0, 2, FixedRange, 0, .. Word(0), .. Word(first), .. Word(last), .. Word(0), .. Word((ushort)(last - first + 1))];

    /// <summary>Resource producer, positive decode, both ends fixed.</summary>
    private const byte FixedRange = 0x0c;

    /// <summary>PkgLength, which counts itself, and what it covers.</summary>
    private static byte[] Sized(byte[] content)
    {
        if (content.Length + 1 <= OneByte)
            return [(byte)(content.Length + 1), .. content];
        return content.Length + 2 <= TwoBytes
            ? [(byte)(0x40 | (content.Length + 2) & 0xf), (byte)((content.Length + 2) >> 4), .. content]
            : [(byte)(0x80 | (content.Length + 3) & 0xf), (byte)((content.Length + 3) >> 4), (byte)((content.Length + 3) >> 12), .. content];
    }

    private static byte[] Word(ushort value) => [(byte)value, (byte)(value >> 8)];

    private static byte[] DWord(uint value) => [(byte)value, (byte)(value >> 8), (byte)(value >> 16), (byte)(value >> 24)];

    private static byte[] Letters(string text) => Encoding.ASCII.GetBytes(text);

    private static byte[] Join(IEnumerable<byte[]> parts) => [.. parts.SelectMany(p => p)];
}
