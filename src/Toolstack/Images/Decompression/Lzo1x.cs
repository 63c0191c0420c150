namespace XenSim.Toolstack.Images.Decompression;

/// <summary>lzo1x_decompress_safe: one LZO1X block into a buffer of fixed size. (No maintained .NET library has it.)</summary>
/// <remarks>Format: Linux Documentation/staging/lzo.rst.</remarks>
internal static class Lzo1x
{
    /// <summary>LZO_E_* results.</summary>
    internal enum Result
    {
        LZO_E_OK = 0,
        LZO_E_ERROR = -1,
        LZO_E_INPUT_OVERRUN = -4,
        LZO_E_OUTPUT_OVERRUN = -5,
        LZO_E_LOOKBEHIND_OVERRUN = -6,
        LZO_E_EOF_NOT_FOUND = -7,
        LZO_E_INPUT_NOT_CONSUMED = -8,
    }

    private sealed class Stop(Result result) : Exception
    {
        public Result Result { get; } = result;
    }

    public static Result Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int written)
    {
        var decoder = new Decoder(input, output);
        try
        {
            decoder.Run();
        }
        catch (Stop stop)
        {
            written = decoder.Written;
            return stop.Result;
        }

        written = decoder.Written;
        return decoder.Consumed == input.Length ? Result.LZO_E_OK : Result.LZO_E_INPUT_NOT_CONSUMED;
    }

    private ref struct Decoder(ReadOnlySpan<byte> input, Span<byte> output)
    {
        private readonly ReadOnlySpan<byte> _in = input;
        private readonly Span<byte> _out = output;
        private int _at;
        private int _to;

        public readonly int Written => _to;

        public readonly int Consumed => _at;

        /// <summary>State: number of literals the last instruction carried (0-3), 4 for a literal run.</summary>
        public void Run()
        {
            int state = 0;
            int first = Peek();
            if (first > 17)
            {
                _at++;
                int run = first - 17;
                Literals(run);
                state = run < 4 ? run : 4;
            }

            while (true)
            {
                int t = Next();
                if (t < 16 && state == 0)
                {
                    Literals(3 + (t == 0 ? Extended(15) : t));
                    state = 4;
                    continue;
                }

                (int length, int distance, int literals) = Match(t, state);
                if (distance == 0)
                {
                    if (length != 3)
                        throw new Stop(Result.LZO_E_ERROR);
                    return;
                }

                Copy(distance, length);
                Literals(literals);
                state = literals;
            }
        }

        /// <summary>One match instruction. Distance 0 is the end mark.</summary>
        private (int Length, int Distance, int Literals) Match(int t, int state)
        {
            if (t >= 64)
            {
                int distance = (Next() << 3) + ((t >> 2) & 7) + 1;
                return ((t >> 5) + 1, distance, t & 3);
            }

            if (t >= 32)
            {
                int length = (t & 31) == 0 ? 31 + Extended(0) : t & 31;
                int word = Word();
                return (length + 2, (word >> 2) + 1, word & 3);
            }

            if (t >= 16)
            {
                int length = (t & 7) == 0 ? 7 + Extended(0) : t & 7;
                int word = Word();
                int far = ((t & 8) << 11) + (word >> 2);
                return (length + 2, far == 0 ? 0 : far + 0x4000, word & 3);
            }

            int near = (Next() << 2) + (t >> 2);
            return state == 4 ? (3, near + 0x801, t & 3) : (2, near + 1, t & 3);
        }

        /// <summary>A length that did not fit: 255 per zero byte plus the first other byte.</summary>
        private int Extended(int start)
        {
            int length = start;
            int next;
            while ((next = Next()) == 0)
            {
                length += 255;
                if (length > _out.Length)
                    throw new Stop(Result.LZO_E_OUTPUT_OVERRUN);
            }

            return length + next;
        }

        private void Copy(int distance, int length)
        {
            if (distance > _to)
                throw new Stop(Result.LZO_E_LOOKBEHIND_OVERRUN);
            if (length > _out.Length - _to)
                throw new Stop(Result.LZO_E_OUTPUT_OVERRUN);
            if (distance >= length)
            {
                _out.Slice(_to - distance, length).CopyTo(_out[_to..]);
                _to += length;
                return;
            }

            for (int i = 0; i < length; i++, _to++)
                _out[_to] = _out[_to - distance];
        }

        private void Literals(int count)
        {
            if (count > _in.Length - _at)
                throw new Stop(Result.LZO_E_INPUT_OVERRUN);
            if (count > _out.Length - _to)
                throw new Stop(Result.LZO_E_OUTPUT_OVERRUN);
            _in.Slice(_at, count).CopyTo(_out[_to..]);
            _at += count;
            _to += count;
        }

        private int Word()
        {
            int low = Next();
            return low | (Next() << 8);
        }

        private int Next()
        {
            int value = Peek();
            _at++;
            return value;
        }

        private readonly int Peek() => _at < _in.Length ? _in[_at] : throw new Stop(Result.LZO_E_INPUT_OVERRUN);
    }
}
