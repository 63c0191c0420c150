namespace XenSim.Hypervisor.Hvm.Devices;

/// <summary>The clock chip behind ports 0x70 and 0x71: time of day and its RAM. It does not interrupt here.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/hvm/rtc.c; Motorola MC146818A data sheet.</remarks>
/// <param name="century">Index at which a firmware says that the century stands; 0: nowhere.</param>
internal sealed class Rtc(Xen xen, Func<ulong> secondsSince1970, byte century = 0)
{
    private const int RegisterA = 10, RegisterB = 11, RegisterC = 12, RegisterD = 13;
    private const byte BinaryMode = 4, Hours24 = 2, InterruptEnables = 0x70, ValidRam = 0x80;

    /// <summary>Day number of DateOnly.</summary>
    private const int FirstOfJanuary1970 = 719_162;

    private readonly byte[] _ram = CreateRam();
    private int _index;

    public static bool Claims(ulong port) => port is 0x70 or 0x71;

    public byte Read(ulong port)
    {
        if (port == 0x70)
            return 0xFF;
        ulong now = secondsSince1970() + (xen.VirtualNanoseconds / 1_000_000_000);
        DateOnly day = DateOnly.FromDayNumber(FirstOfJanuary1970 + (int)(now / 86_400));
        int hour = (int)(now / 3600 % 24);
        return _index switch
        {
            0 => Coded((int)(now % 60)),
            2 => Coded((int)(now / 60 % 60)),
            4 => (_ram[RegisterB] & Hours24) != 0 ? Coded(hour) : (byte)(Coded(((hour + 11) % 12) + 1) | (hour >= 12 ? 0x80 : 0)),
            6 => Coded((int)day.DayOfWeek + 1),
            7 => Coded(day.Day),
            8 => Coded(day.Month),
            9 => Coded(day.Year % 100),
            _ when _index == century && century != 0 => Coded(day.Year / 100),
            RegisterC => 0,
            _ => _ram[_index],
        };
    }

    public void Write(ulong port, byte value)
    {
        if (port == 0x70)
        {
            _index = value & 0x7F;
            return;
        }

        if (_index == RegisterB && (value & InterruptEnables) != 0)
            xen.NotImplemented("RTC interrupts", "the clock chip does not interrupt", ours: true);
        if (_index is not (RegisterC or RegisterD))
            _ram[_index] = _index == RegisterA ? (byte)(value & 0x7F) : value;
    }

    private byte Coded(int value) => (_ram[RegisterB] & BinaryMode) != 0 ? (byte)value : (byte)(value / 10 << 4 | value % 10);

    private static byte[] CreateRam()
    {
        byte[] ram = new byte[128];
        (ram[RegisterA], ram[RegisterB], ram[RegisterD]) = (0x26, Hours24, ValidRam);
        return ram;
    }
}
