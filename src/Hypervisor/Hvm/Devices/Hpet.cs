namespace XenSim.Hypervisor.Hvm.Devices;

/// <summary>The high-precision event timer's counter and identity; its three comparators keep what is written but do not interrupt.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/hpet.c; IA-PC HPET specification 1.0a.</remarks>
internal sealed class Hpet(Xen xen)
{
    public const ulong PageAddress = 0xFED0_0000;

    private const int Size = 0x400;
    private const int Configuration = 0x10, Counter = 0xF0, FirstTimer = 0x100;
    private const ulong Enable = 1, InterruptEnable = 4;

    /// <summary>Period 16 ns (62.5 MHz), vendor 0x8086, legacy route, 64 bits, three timers, revision 1.</summary>
    private const ulong Capabilities = 0x00F4_2400_8086_A201;
    private const ulong NanosecondsPerTick = 16;

    private readonly byte[] _registers = CreateRegisters();
    private ulong _base;

    public static bool Claims(ulong address) => address - PageAddress < Size;

    private bool IsEnabled => (_registers[Configuration] & Enable) != 0;

    private ulong Now => IsEnabled ? (xen.VirtualNanoseconds / NanosecondsPerTick) + _base : _base;

    public ulong Read(uint offset, int size)
    {
        Span<byte> bytes = stackalloc byte[8];
        if (offset + size > Size)
            return 0;
        if (offset is >= Counter and < Counter + 8)
        {
            BitConverter.TryWriteBytes(bytes, Now >> (int)((offset - Counter) * 8));
            return BitConverter.ToUInt64(bytes) & Mask(size);
        }

        _registers.AsSpan((int)offset, size).CopyTo(bytes);
        return BitConverter.ToUInt64(bytes);
    }

    public void Write(uint offset, int size, ulong value)
    {
        if (offset + size > Size || offset < 8)
            return;
        ulong before = Now;
        if (offset is >= Counter and < Counter + 8)
        {
            int shift = (int)((offset - Counter) * 8);
            SetCounter((before & ~(Mask(size) << shift)) | (value & Mask(size)) << shift);
            return;
        }

        Span<byte> bytes = stackalloc byte[8];
        BitConverter.TryWriteBytes(bytes, value);
        bytes[..size].CopyTo(_registers.AsSpan((int)offset));
        if (offset == Configuration)
            SetCounter(before);
        if (offset >= FirstTimer && (offset & 0x1F) == 0 && (value & InterruptEnable) != 0 && IsEnabled)
            xen.NotImplemented("HPET timer interrupts", "the comparators do not interrupt", ours: true);
    }

    private void SetCounter(ulong value) => _base = IsEnabled ? value - (xen.VirtualNanoseconds / NanosecondsPerTick) : value;

    private static ulong Mask(int size) => size == 8 ? ulong.MaxValue : (1ul << (size * 8)) - 1;

    private static byte[] CreateRegisters()
    {
        byte[] r = new byte[Size];
        BitConverter.TryWriteBytes(r, Capabilities);
        for (int timer = 0; timer < 3; timer++)
        {
            // 64-bit comparator, periodic; routable to IO-APIC inputs 20 to 23. The comparator starts at its highest value.
            BitConverter.TryWriteBytes(r.AsSpan(FirstTimer + (timer * 0x20)), 0x00F0_0000_0000_0030ul);
            BitConverter.TryWriteBytes(r.AsSpan(FirstTimer + (timer * 0x20) + 8), ulong.MaxValue);
        }

        return r;
    }
}
