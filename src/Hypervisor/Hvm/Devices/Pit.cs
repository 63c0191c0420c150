namespace XenSim.Hypervisor.Hvm.Devices;

/// <summary>The 8254 interval timer, counting on virtual time: channel 0 interrupts on IRQ 0, channel 2 is gated and read by port 0x61.</summary>
/// <remarks>Source: stable-4.17 xen/arch/x86/emul-i8254.c; Intel 8254 data sheet.</remarks>
internal sealed class Pit(Xen xen, Action tick)
{
    /// <summary>PIT_FREQ. Unit: Hz.</summary>
    private const ulong Frequency = 1_193_182;
    private const ulong Billion = 1_000_000_000;

    private readonly Channel[] _channels = [new(), new(), new()];
    private bool _speaker;

    /// <summary>When channel 0 interrupts next. Unit: ns of virtual time; null: never.</summary>
    public ulong? Deadline { get; private set; }

    public static bool Claims(ulong port) => port is >= 0x40 and <= 0x43 or 0x61;

    public void Fire(ulong now)
    {
        if (Deadline is not { } deadline || deadline > now)
            return;
        Channel c = _channels[0];
        if (c.Mode is 2 or 3)
        {
            ulong period = Math.Max(1, Nanoseconds((ulong)c.Count));
            Deadline = deadline + ((((now - deadline) / period) + 1) * period);
        }
        else
        {
            Deadline = null;
        }

        tick();
    }

    public byte Read(ulong port)
    {
        if (port == 0x61)
            return SpeakerPort();
        if (port == 0x43)
            return 0; // write only
        Channel c = _channels[port - 0x40];
        if (c.LatchedStatus is { } status)
        {
            c.LatchedStatus = null;
            return status;
        }

        if (c.Latched.Count > 0)
            return c.Latched.Dequeue();
        int count = Current(c);
        bool high = c.Access == 2 || (c.Access == 3 && c.HighNext);
        if (c.Access == 3)
            c.HighNext = !c.HighNext;
        return (byte)(high ? count >> 8 : count);
    }

    public void Write(ulong port, byte value)
    {
        if (port == 0x61)
        {
            _speaker = (value & 2) != 0;
            SetGate(_channels[2], (value & 1) != 0);
        }
        else if (port == 0x43)
        {
            WriteControl(value);
        }
        else
        {
            WriteCount((int)(port - 0x40), value);
        }
    }

    private void WriteControl(byte value)
    {
        int channel = value >> 6;
        if (channel == 3)
        {
            for (int i = 0; i < 3; i++)
            {
                if ((value & (2 << i)) == 0)
                    continue;
                if ((value & 0x20) == 0)
                    Latch(_channels[i]);
                if ((value & 0x10) == 0)
                    _channels[i].LatchedStatus ??= (byte)((Output(_channels[i]) ? 0x80 : 0) | _channels[i].Access << 4 | _channels[i].Mode << 1 | (_channels[i].IsBcd ? 1 : 0));
            }

            return;
        }

        Channel c = _channels[channel];
        if ((value & 0x30) == 0)
        {
            Latch(c);
            return;
        }

        c.Access = value >> 4 & 3;
        c.Mode = value >> 1 & 7;
        if (c.Mode > 5)
            c.Mode &= 3;
        c.IsBcd = (value & 1) != 0;
        (c.HighNext, c.LowByte) = (false, null);
    }

    private void WriteCount(int index, byte value)
    {
        Channel c = _channels[index];
        switch (c.Access)
        {
            case 1:
                Load(index, value);
                break;
            case 2:
                Load(index, value << 8);
                break;
            case 3 when c.LowByte is { } low:
                c.LowByte = null;
                Load(index, low | value << 8);
                break;
            case 3:
                c.LowByte = value;
                break;
        }
    }

    private void Load(int index, int count)
    {
        Channel c = _channels[index];
        c.Count = count == 0 ? 0x10000 : c.IsBcd ? FromBcd(count) : count;
        c.Start = xen.VirtualNanoseconds;
        if (index != 0)
            return;
        Deadline = c.Start + Math.Max(1, Nanoseconds((ulong)c.Count));
        xen.TimerSet = true;
    }

    private void SetGate(Channel c, bool on)
    {
        // The counter restarts with the gate's rising edge in the modes that look at it.
        if (on && !c.Gate && c.Mode is 1 or 2 or 3 or 5)
            c.Start = xen.VirtualNanoseconds;
        c.Gate = on;
    }

    private byte SpeakerPort()
    {
        bool refresh = (xen.VirtualNanoseconds / 15_085 & 1) != 0;
        return (byte)((_speaker ? 2 : 0) | (_channels[2].Gate ? 1 : 0) | (refresh ? 0x10 : 0) | (Output(_channels[2]) ? 0x20 : 0));
    }

    private void Latch(Channel c)
    {
        if (c.Latched.Count > 0)
            return;
        int count = Current(c);
        if ((c.Access & 1) != 0)
            c.Latched.Enqueue((byte)count);
        if ((c.Access & 2) != 0)
            c.Latched.Enqueue((byte)(count >> 8));
    }

    private ulong Elapsed(Channel c) => (ulong)((UInt128)(xen.VirtualNanoseconds - c.Start) * Frequency / Billion);

    private int Current(Channel c)
    {
        ulong passed = Elapsed(c), count = (ulong)c.Count;
        int now = c.Mode switch
        {
            0 or 1 or 4 or 5 => (int)((count - passed) & 0xFFFF),
            3 => (int)(count - (2 * passed % count)),
            _ => (int)(count - (passed % count)),
        };
        return c.IsBcd ? ToBcd(now) : now;
    }

    private bool Output(Channel c)
    {
        ulong passed = Elapsed(c), count = (ulong)c.Count;
        return c.Mode switch
        {
            0 => passed >= count,
            1 => passed >= count,
            2 => passed % count != 0 || passed == 0,
            3 => passed % count < (count + 1) >> 1,
            _ => passed != count,
        };
    }

    private static ulong Nanoseconds(ulong ticks) => (ulong)((UInt128)ticks * Billion / Frequency);

    private static int FromBcd(int v) => (v & 15) + (10 * (v >> 4 & 15)) + (100 * (v >> 8 & 15)) + (1000 * (v >> 12 & 15));

    private static int ToBcd(int v) => (v % 10) | (v / 10 % 10 << 4) | (v / 100 % 10 << 8) | (v / 1000 % 10 << 12);

    private sealed class Channel
    {
        public int Count = 0x10000;
        public ulong Start;
        public int Mode = 3;
        public int Access = 3;
        public bool IsBcd;
        public bool Gate;
        public bool HighNext;
        public byte? LowByte;
        public byte? LatchedStatus;
        public readonly Queue<byte> Latched = new();
    }
}
