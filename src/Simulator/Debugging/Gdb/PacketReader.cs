namespace XenSim.Simulator.Debugging.Gdb;

internal enum GdbInputKind
{
    Packet,

    /// <summary>+</summary>
    Acknowledged,

    /// <summary>-: the last packet is wanted again.</summary>
    Rejected,

    /// <summary>The byte 3, outside packets: Ctrl-C.</summary>
    Interrupt,

    /// <summary>A packet whose checksum is wrong.</summary>
    Damaged,

    /// <summary>A packet longer than was agreed upon.</summary>
    TooLong,
}

/// <summary>What came from a client.</summary>
/// <param name="Body">Of a packet: what stands between $ and #, unescaped.</param>
internal readonly record struct GdbInput(GdbInputKind Kind, byte[] Body)
{
    public GdbInput(GdbInputKind kind)
        : this(kind, [])
    {
    }
}

/// <summary>
/// Takes bytes as they come, split and joined anywhere, and makes packets of them: <c>$body#checksum</c>. What stands between packets and means
/// nothing is passed over. GDB manual, "Remote Serial Protocol: Overview".
/// </summary>
/// <param name="longest">Of a body, as sent. Unit: bytes.</param>
internal sealed class PacketReader(int longest)
{
    private enum Place
    {
        Outside,
        Body,
        Escaped,
        FirstDigit,
        SecondDigit,
    }

    private readonly List<byte> _body = [];
    private Place _place;
    private int _length;
    private byte _sum;
    private int _firstDigit;

    /// <summary>A packet has begun and is not complete.</summary>
    public bool InPacket => _place != Place.Outside;

    public void Take(ReadOnlySpan<byte> bytes, Action<GdbInput> consumer)
    {
        foreach (byte b in bytes)
        {
            if (Take(b) is { } input)
                consumer(input);
        }
    }

    private GdbInput? Take(byte b)
    {
        switch (_place)
        {
            case Place.Outside:
                return TakeOutside(b);
            case Place.FirstDigit:
                _firstDigit = GdbText.Digit(b);
                _place = Place.SecondDigit;
                return null;
            case Place.SecondDigit:
                _place = Place.Outside;
                int second = GdbText.Digit(b);
                if (_length > longest)
                    return new GdbInput(GdbInputKind.TooLong);
                return _firstDigit < 0 || second < 0 || ((_firstDigit << 4) | second) != _sum ? new GdbInput(GdbInputKind.Damaged) : new GdbInput(GdbInputKind.Packet, [.. _body]);
            default:
                TakeInside(b);
                return null;
        }
    }

    private GdbInput? TakeOutside(byte b)
    {
        switch (b)
        {
            case (byte)'$':
                Begin();
                return null;
            case (byte)'+':
                return new GdbInput(GdbInputKind.Acknowledged);
            case (byte)'-':
                return new GdbInput(GdbInputKind.Rejected);
            case 3:
                return new GdbInput(GdbInputKind.Interrupt);
            default:
                return null;
        }
    }

    private void TakeInside(byte b)
    {
        // Neither stands inside a body unescaped: a $ means that the end of the packet before it was lost.
        if (b == (byte)'$')
        {
            Begin();
            return;
        }

        if (b == (byte)'#')
        {
            _place = Place.FirstDigit;
            return;
        }

        _sum += b;
        _length++;
        bool escape = _place == Place.Body && b == (byte)'}';
        if (!escape && _length <= longest)
            _body.Add(_place == Place.Escaped ? (byte)(b ^ 0x20) : b);
        _place = escape ? Place.Escaped : Place.Body;
    }

    private void Begin()
    {
        _body.Clear();
        (_place, _length, _sum) = (Place.Body, 0, 0);
    }
}
