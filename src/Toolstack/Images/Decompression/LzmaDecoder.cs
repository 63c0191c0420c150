using System.Buffers.Binary;

namespace XenSim.Toolstack.Images.Decompression;

/// <summary>
/// LZMA range decoder straight into the output, which is also its dictionary: no window, no copy, and no memory that the
/// stream's header could ask for. (SharpCompress's took twice the time on a Linux kernel and allocates what the header says.)
/// </summary>
/// <remarks>Format: Igor Pavlov's LZMA specification (public domain, lzma-specification.7z).</remarks>
internal sealed class LzmaDecoder(OutputBuffer output)
{
    private const int ProbabilityInit = 1024;
    private const int LengthLow = 2;
    private const int LengthMid = LengthLow + (16 << 3);
    private const int LengthHigh = LengthMid + (16 << 3);
    private const int LengthSize = LengthHigh + 256;
    private const int OutputFull = -1;
    private const int DistanceSpecial = 115 + 1;

    private readonly ushort[] _isMatch = new ushort[12 << 4];
    private readonly ushort[] _isRep = new ushort[12];
    private readonly ushort[] _isRep0 = new ushort[12];
    private readonly ushort[] _isRep1 = new ushort[12];
    private readonly ushort[] _isRep2 = new ushort[12];
    private readonly ushort[] _isRep0Long = new ushort[12 << 4];
    private readonly ushort[] _slot = new ushort[4 << 6];
    private readonly ushort[] _special = new ushort[DistanceSpecial];
    private readonly ushort[] _align = new ushort[16];
    private readonly ushort[] _length = new ushort[LengthSize];
    private readonly ushort[] _repLength = new ushort[LengthSize];
    private ushort[] _literal = [];
    private int _lc;
    private int _lpMask;
    private int _pbMask;
    private int _state;
    private uint _rep0;
    private uint _rep1;
    private uint _rep2;
    private uint _rep3;
    private uint _range;
    private uint _code;
    private int _at;

    /// <summary>Bytes of the output that are filled.</summary>
    public int Written { get; private set; }

    /// <summary>Start of what distances may reach back to (an LZMA2 dictionary reset moves it).</summary>
    public int DictionaryStart { get; set; }

    /// <summary>Sets lc, lp and pb from the properties byte; false when it is not valid.</summary>
    public bool TrySetProperties(byte properties)
    {
        if (properties >= 9 * 5 * 5)
            return false;
        _lc = properties % 9;
        int rest = properties / 9;
        int lp = rest % 5;
        _lpMask = (1 << lp) - 1;
        _pbMask = (1 << (rest / 5)) - 1;
        int size = 0x300 << (_lc + lp);
        if (_literal.Length < size)
            _literal = new ushort[size];
        return true;
    }

    public void ResetState()
    {
        foreach (ushort[] table in new[] { _isMatch, _isRep, _isRep0, _isRep1, _isRep2, _isRep0Long, _slot, _special, _align, _length, _repLength, _literal })
            Array.Fill(table, (ushort)ProbabilityInit);
        _state = 0;
        _rep0 = _rep1 = _rep2 = _rep3 = 0;
    }

    /// <summary>An LZMA2 chunk without compression. False: the output is full or there is nothing to grow.</summary>
    public bool Append(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > output.Bytes.Length - Written)
        {
            if (!output.TryGrow())
                return false;
        }

        bytes.CopyTo(output.Bytes.AsSpan(Written));
        Written += bytes.Length;
        return true;
    }

    /// <summary>Decodes one range-coded run.</summary>
    /// <param name="input">Starts with the five bytes that initialise the range decoder.</param>
    /// <param name="count">Bytes to produce; -1: until the end mark.</param>
    /// <param name="endMarkAllowed">An end mark ends the run (LZMA); in LZMA2 it is an error.</param>
    /// <param name="consumed">Input bytes used.</param>
    /// <param name="ended">Whether the end mark was met.</param>
    public DecodeFault Run(ReadOnlySpan<byte> input, long count, bool endMarkAllowed, out int consumed, out bool ended)
    {
        consumed = 0;
        ended = false;
        if (input.Length < 5)
            return DecodeFault.Truncated;
        if (input[0] != 0)
            return DecodeFault.Corrupt;
        _range = uint.MaxValue;
        _code = BinaryPrimitives.ReadUInt32BigEndian(input[1..]);
        _at = 5;
        DecodeFault fault = Loop(input, count, endMarkAllowed, ref ended);
        consumed = Math.Min(_at, input.Length);
        return fault == DecodeFault.None && _at > input.Length ? DecodeFault.Truncated : fault;
    }

    private DecodeFault Loop(ReadOnlySpan<byte> input, long count, bool endMarkAllowed, ref bool ended)
    {
        byte[] bytes = output.Bytes;
        int to = Written;
        long end = count < 0 ? long.MaxValue : to + count;
        DecodeFault fault = DecodeFault.None;
        while (to < end)
        {
            if (_at > input.Length)
            {
                fault = DecodeFault.Truncated;
                break;
            }

            int posState = (to - DictionaryStart) & _pbMask;
            bool isLiteral = Bit(input, ref _isMatch[(_state << 4) + posState]) == 0;
            if (to == bytes.Length)
            {
                // A full output may still meet the end mark, which looks like a match.
                if (output.TryGrow())
                    bytes = output.Bytes;
                else if (isLiteral)
                    break;
            }

            if (isLiteral)
            {
                bytes[to] = Literal(input, bytes, to);
                to++;
                continue;
            }

            int length = Match(input, posState, bytes, ref to, out fault);
            if (fault != DecodeFault.None || length == OutputFull)
                break;
            if (length == 0)
                continue; // a short rep, already written
            if (_rep0 == uint.MaxValue)
            {
                ended = true;
                fault = endMarkAllowed ? DecodeFault.None : DecodeFault.Corrupt;
                Normalize(input);
                break;
            }

            if (_rep0 >= (uint)(to - DictionaryStart) || length > end - to)
            {
                fault = DecodeFault.Corrupt;
                break;
            }

            while (length > bytes.Length - to && output.TryGrow())
                bytes = output.Bytes;
            bool fits = length <= bytes.Length - to;
            CopyBack(bytes, ref to, fits ? length : bytes.Length - to);
            if (!fits)
                break;
        }

        if (to == end && fault == DecodeFault.None)
            Normalize(input);
        Written = to;
        return fault;
    }

    /// <summary>Anything but a literal. Returns its length with the distance in rep0; 0 for a short rep, which it writes itself.</summary>
    private int Match(ReadOnlySpan<byte> input, int posState, byte[] bytes, ref int to, out DecodeFault fault)
    {
        fault = DecodeFault.None;
        if (Bit(input, ref _isRep[_state]) == 0)
        {
            (_rep3, _rep2, _rep1) = (_rep2, _rep1, _rep0);
            int length = Length(input, _length, posState);
            _state = _state < 7 ? 7 : 10;
            _rep0 = Distance(input, length);
            return length;
        }

        if (to == DictionaryStart)
        {
            fault = DecodeFault.Corrupt;
            return 0;
        }

        if (Bit(input, ref _isRep0[_state]) == 0)
        {
            if (Bit(input, ref _isRep0Long[(_state << 4) + posState]) == 0)
            {
                _state = _state < 7 ? 9 : 11;
                if (to == bytes.Length)
                    return OutputFull;
                if (_rep0 >= (uint)(to - DictionaryStart))
                {
                    fault = DecodeFault.Corrupt;
                    return 0;
                }

                bytes[to] = bytes[to - (int)_rep0 - 1];
                to++;
                return 0;
            }
        }
        else
        {
            uint distance = _rep1;
            if (Bit(input, ref _isRep1[_state]) != 0)
            {
                distance = _rep2;
                if (Bit(input, ref _isRep2[_state]) != 0)
                {
                    distance = _rep3;
                    _rep3 = _rep2;
                }

                _rep2 = _rep1;
            }

            _rep1 = _rep0;
            _rep0 = distance;
        }

        int repeated = Length(input, _repLength, posState);
        _state = _state < 7 ? 8 : 11;
        return repeated;
    }

    private byte Literal(ReadOnlySpan<byte> input, byte[] bytes, int to)
    {
        int previous = to > DictionaryStart ? bytes[to - 1] : 0;
        int context = (((to - DictionaryStart) & _lpMask) << _lc) + (previous >> (8 - _lc));
        Span<ushort> probabilities = _literal.AsSpan(0x300 * context, 0x300);
        int symbol = 1;
        if (_state >= 7 && _rep0 < (uint)(to - DictionaryStart))
        {
            int match = bytes[to - (int)_rep0 - 1];
            do
            {
                int matchBit = (match >> 7) & 1;
                match <<= 1;
                int bit = Bit(input, ref probabilities[((1 + matchBit) << 8) + symbol]);
                symbol = (symbol << 1) | bit;
                if (matchBit != bit)
                    break;
            }
            while (symbol < 0x100);
        }

        while (symbol < 0x100)
            symbol = (symbol << 1) | Bit(input, ref probabilities[symbol]);
        _state = _state < 4 ? 0 : _state < 10 ? _state - 3 : _state - 6;
        return (byte)symbol;
    }

    private int Length(ReadOnlySpan<byte> input, ushort[] table, int posState)
    {
        if (Bit(input, ref table[0]) == 0)
            return 2 + Tree(input, table.AsSpan(LengthLow + (posState << 3), 8), 3);
        return Bit(input, ref table[1]) == 0
            ? 10 + Tree(input, table.AsSpan(LengthMid + (posState << 3), 8), 3)
            : 18 + Tree(input, table.AsSpan(LengthHigh, 256), 8);
    }

    private uint Distance(ReadOnlySpan<byte> input, int length)
    {
        int lengthState = Math.Min(length - 2, 3);
        int slot = Tree(input, _slot.AsSpan(lengthState << 6, 64), 6);
        if (slot < 4)
            return (uint)slot;
        int direct = (slot >> 1) - 1;
        uint distance = (uint)(2 | (slot & 1)) << direct;
        if (slot < 14)
            return distance + ReverseTree(input, _special.AsSpan((int)distance - slot), direct);
        for (int i = direct - 4; i > 0; i--)
        {
            Normalize(input);
            _range >>= 1;
            _code = unchecked(_code - _range);
            uint mask = 0u - (_code >> 31);
            _code = unchecked(_code + (_range & mask));
            distance = unchecked(distance + ((mask + 1) << (i + 3)));
        }

        return unchecked(distance + ReverseTree(input, _align, 4));
    }

    private int Tree(ReadOnlySpan<byte> input, Span<ushort> table, int bits)
    {
        int symbol = 1;
        for (int i = 0; i < bits; i++)
            symbol = (symbol << 1) | Bit(input, ref table[symbol]);
        return symbol - (1 << bits);
    }

    private uint ReverseTree(ReadOnlySpan<byte> input, Span<ushort> table, int bits)
    {
        int symbol = 1;
        uint value = 0;
        for (int i = 0; i < bits; i++)
        {
            int bit = Bit(input, ref table[symbol]);
            symbol = (symbol << 1) | bit;
            value |= (uint)bit << i;
        }

        return value;
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.AggressiveInlining)]
    private int Bit(ReadOnlySpan<byte> input, ref ushort probability)
    {
        Normalize(input);
        uint bound = (_range >> 11) * probability;
        if (_code < bound)
        {
            _range = bound;
            probability += (ushort)((2048 - probability) >> 5);
            return 0;
        }

        _range -= bound;
        _code -= bound;
        probability -= (ushort)(probability >> 5);
        return 1;
    }

    /// <summary>Behind the input zeros are read; the caller sees it by the position.</summary>
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.AggressiveInlining)]
    private void Normalize(ReadOnlySpan<byte> input)
    {
        if (_range >= 1u << 24)
            return;
        _range <<= 8;
        _code = (_code << 8) | ((uint)_at < (uint)input.Length ? input[_at] : 0u);
        _at++;
    }

    private void CopyBack(byte[] bytes, ref int to, int length)
    {
        int from = to - (int)_rep0 - 1;
        if (length <= to - from)
        {
            bytes.AsSpan(from, length).CopyTo(bytes.AsSpan(to));
        }
        else
        {
            for (int i = 0; i < length; i++)
                bytes[to + i] = bytes[from + i];
        }

        to += length;
    }
}
