namespace XenSim.Guest.Memory;

/// <summary>The contents of a <see cref="PhysicalMemory"/> at one moment: references to its pages. Dispose gives them back.</summary>
public sealed class MemorySnapshot : IDisposable
{
    /// <summary>Pages of a piece of the table. Few change between two snapshots, and they lie here and there.</summary>
    private const int PieceLength = 64;

    private PhysicalMemory? _memory;
    private nint[][] _pieces;

    private MemorySnapshot(PhysicalMemory memory, int[] frames, nint[][] pieces, long bytes)
    {
        _memory = memory;
        Frames = frames;
        _pieces = pieces;
        Bytes = bytes;
    }

    /// <summary>What its tables take, without those it shares with the snapshot made before, and without the pages. Unit: bytes.</summary>
    public long Bytes { get; }

    internal int[] Frames { get; }

    internal nint Page(int i) => _pieces[i / PieceLength][i % PieceLength];

    /// <summary>Shares with the snapshot made before what is equal.</summary>
    /// <param name="pages">The pages of the frames; the snapshot holds a reference to each.</param>
    internal static MemorySnapshot Of(PhysicalMemory memory, ReadOnlySpan<int> frames, ReadOnlySpan<nint> pages, MemorySnapshot? before)
    {
        bool same = before is not null && frames.SequenceEqual(before.Frames);
        nint[][] pieces = new nint[(pages.Length + PieceLength - 1) / PieceLength][];
        long bytes = (same ? 0 : (long)frames.Length * sizeof(int)) + ((long)pieces.Length * nint.Size);
        for (int i = 0; i < pieces.Length; i++)
        {
            ReadOnlySpan<nint> piece = pages.Slice(i * PieceLength, Math.Min(PieceLength, pages.Length - (i * PieceLength)));
            if (before is not null && i < before._pieces.Length && piece.SequenceEqual(before._pieces[i]))
            {
                pieces[i] = before._pieces[i];
                continue;
            }

            pieces[i] = piece.ToArray();
            bytes += (long)piece.Length * nint.Size;
        }

        return new MemorySnapshot(memory, same ? before!.Frames : frames.ToArray(), pieces, bytes);
    }

    public void Dispose()
    {
        foreach (nint[] piece in _pieces)
            _memory?.Release(piece);
        _memory = null;
        _pieces = [];
    }

    internal bool IsOf(PhysicalMemory memory) => ReferenceEquals(_memory, memory);
}
