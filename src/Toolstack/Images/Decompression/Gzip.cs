using System.IO.Compression;

namespace XenSim.Toolstack.Images.Decompression;

/// <summary>zlib's inflate(Z_FINISH) of one gzip member into a buffer of fixed size, with zlib's return codes.</summary>
internal static class Gzip
{
    public const int Z_STREAM_END = 1;
    public const int Z_DATA_ERROR = -3;
    public const int Z_BUF_ERROR = -5;

    public static bool IsGzip(ReadOnlySpan<byte> bytes) => bytes.Length >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;

    /// <summary>Unpacks the first member and zeroes the rest of <paramref name="destination"/>.</summary>
    /// <returns>Z_STREAM_END, or why not: damaged (also by its CRC), or it ends too early or does not fit.</returns>
    public static int Inflate(ReadOnlyMemory<byte> source, Span<byte> destination)
    {
        if (TryInflate(source, destination, out int written) && HoldsOneMember(source.Span, written))
            return Z_STREAM_END;

        // GZipStream goes on with a following member, zlib does not; and it does not say what was wrong: look at the first one alone.
        int length = FirstMember(source, destination.Length, out int rc);
        if (length == 0)
            return rc;
        return TryInflate(source[..length], destination, out _) ? Z_STREAM_END : Z_DATA_ERROR;
    }

    /// <summary>The size at the end is that of the last member: only then did nothing follow the first.</summary>
    private static bool HoldsOneMember(ReadOnlySpan<byte> source, int written)
        => source.Length >= 18 && StreamDecoders.AppendedSize(source) == (uint)written;

    private static bool TryInflate(ReadOnlyMemory<byte> source, Span<byte> destination, out int written)
    {
        written = 0;
        using MemoryStream input = StreamDecoders.Wrap(source);
        try
        {
            using var stream = new GZipStream(input, CompressionMode.Decompress, leaveOpen: true);
            int count = -1;
            while (written < destination.Length && (count = stream.Read(destination[written..])) > 0)
                written += count;
            bool ended = count == 0 || stream.ReadByte() < 0;
            destination[written..].Clear(); // the native inflater scribbles behind what it reports
            return ended;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }

    /// <summary>Length of the first gzip member; 0 when it does not end well within the source or the room, then with zlib's code.</summary>
    /// <remarks>Source: RFC 1952, 2.3.</remarks>
    private static int FirstMember(ReadOnlyMemory<byte> source, int room, out int rc)
    {
        const int trailer = 8;
        rc = Z_DATA_ERROR;
        int header = HeaderLength(source.Span);
        if (header == 0)
            return 0;
        var input = new ByteByByteStream(source[header..]);
        try
        {
            using var stream = new DeflateStream(input, CompressionMode.Decompress, leaveOpen: true);
            byte[] scratch = new byte[64 * 1024];
            long total = 0;
            int count;
            while ((count = stream.Read(scratch)) > 0 && total <= room)
                total += count;
            long end = header + input.Position + trailer;
            rc = Z_BUF_ERROR;
            return total <= room && end <= source.Length ? (int)end : 0;
        }
        catch (InvalidDataException)
        {
            rc = input.Position == input.Length ? Z_BUF_ERROR : Z_DATA_ERROR;
            return 0;
        }
    }

    private static int HeaderLength(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 18 || !IsGzip(bytes))
            return 0;
        int flags = bytes[3];
        int at = 10;
        if ((flags & 4) != 0)
            at += 2 + bytes[at] + (bytes[at + 1] << 8);
        for (int text = 0; text < ((flags >> 3) & 1) + ((flags >> 4) & 1); text++)
        {
            int end = at < bytes.Length ? bytes[at..].IndexOf((byte)0) : -1;
            if (end < 0)
                return 0;
            at += end + 1;
        }

        at += (flags & 2) != 0 ? 2 : 0;
        return at < bytes.Length ? at : 0;
    }

    /// <summary>Gives one byte per read, so that its position tells exactly where a decoder stopped.</summary>
    private sealed class ByteByByteStream(ReadOnlyMemory<byte> source) : Stream
    {
        private int _at;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => source.Length;

        public override long Position
        {
            get => _at;
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            if (_at == source.Length || buffer.IsEmpty)
                return 0;
            buffer[0] = source.Span[_at++];
            return 1;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
