using System.Globalization;
using System.Text;

namespace XenSim.Simulator.Debugging.Dap;

/// <summary>Takes messages out of a stream: a header with <c>Content-Length</c>, an empty line, so many bytes of JSON. DAP's overview, "Base protocol".</summary>
/// <param name="longest">Of a message. Unit: bytes.</param>
internal sealed class DapReader(Stream input, int longest)
{
    private const int LongestHeader = 4096;
    private readonly byte[] _buffer = new byte[4096];
    private int _from, _to;

    /// <summary>The next message's bytes; null: the stream is over.</summary>
    /// <exception cref="DapException">What comes is no message, or ends in the midst of one.</exception>
    public byte[]? Next()
    {
        if (Length() is not { } length)
            return null;
        byte[] message = new byte[length];
        for (int done = 0; done < length;)
        {
            if (_from == _to && !Fill())
                throw new DapException($"the stream ended {length - done} bytes before the end of a message");
            int n = Math.Min(length - done, _to - _from);
            _buffer.AsSpan(_from, n).CopyTo(message.AsSpan(done));
            _from += n;
            done += n;
        }

        return message;
    }

    private int? Length()
    {
        int? length = null;
        int seen = 0;
        while (true)
        {
            string? line = Line(ref seen);
            if (line is null)
                return seen == 0 ? null : throw new DapException("the stream ended in the midst of a header");
            if (line.Length == 0)
                return length ?? throw new DapException("a message without Content-Length");
            string[] parts = line.Split(':', 2);
            if (parts.Length == 2 && parts[0].Trim().Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
            {
                if (!int.TryParse(parts[1].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int given) || given > longest)
                    throw new DapException($"a message of \"{parts[1].Trim()}\" bytes; at most {longest} are taken");
                length = given;
            }
        }
    }

    /// <summary>Up to CR LF, without it; null: the stream is over.</summary>
    private string? Line(ref int seen)
    {
        StringBuilder line = new();
        while (true)
        {
            if (_from == _to && !Fill())
                return null;
            char c = (char)_buffer[_from++];
            if (++seen > LongestHeader)
                throw new DapException("a header without end");
            if (c == '\n')
                return line.ToString().TrimEnd('\r');
            line.Append(c);
        }
    }

    private bool Fill()
    {
        _from = 0;
        _to = input.Read(_buffer);
        return _to > 0;
    }
}

/// <summary>The client does not keep to the protocol. The message is one line.</summary>
internal sealed class DapException(string message) : Exception(message);

/// <summary>A request cannot be carried out; the client is told why.</summary>
internal sealed class DapRefusal(string message) : Exception(message);
