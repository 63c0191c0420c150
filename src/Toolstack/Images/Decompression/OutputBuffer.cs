namespace XenSim.Toolstack.Images.Decompression;

/// <summary>Where a decoder writes: an array of a known size, or one that grows up to a limit (4.0.4 does not know the size).</summary>
internal sealed class OutputBuffer
{
    private readonly int _limit;

    private OutputBuffer(int size, int limit)
    {
        // Decoders write every byte they report; what is beyond is never handed out.
        Bytes = new byte[size];
        _limit = limit;
    }

    public byte[] Bytes { get; private set; }

    public static OutputBuffer Exact(int size) => new(size, size);

    public static OutputBuffer Growing(int first) => new(Math.Clamp(first, 4096, DecodeLimits.Output), DecodeLimits.Output);

    /// <summary>Makes the array longer; false at the limit.</summary>
    public bool TryGrow()
    {
        if (Bytes.Length >= _limit)
            return false;
        byte[] larger = new byte[(int)Math.Min(_limit, 2L * Bytes.Length)];
        Bytes.CopyTo(larger, 0);
        Bytes = larger;
        return true;
    }
}
