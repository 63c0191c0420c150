using System.Runtime.CompilerServices;

namespace XenSim.Guest.Memory;

/// <summary>The contents of a <see cref="PhysicalMemory"/> at one moment: references to its pages. Dispose gives them back.</summary>
public sealed class MemorySnapshot : IDisposable
{
    /// <summary>Pages of a piece of the table. Few change between two snapshots, and they lie here and there.</summary>
    private const int PieceLength = 64;

    private readonly Table<int> _frames;
    private PhysicalMemory? _memory;
    private Table<nint>[] _pieces;

    private MemorySnapshot(PhysicalMemory memory, Table<int> frames, Table<nint>[] pieces)
    {
        _memory = memory;
        _frames = frames;
        _pieces = pieces;
        memory.SnapshotBytes += pieces.Length * nint.Size;
    }

    internal int[] Frames => _frames.Items;

    internal nint Page(int i) => _pieces[i / PieceLength].Items[i % PieceLength];

    /// <summary>Shares with the snapshot made before what is equal.</summary>
    /// <param name="pages">The pages of the frames; the snapshot holds a reference to each.</param>
    internal static MemorySnapshot Of(PhysicalMemory memory, ReadOnlySpan<int> frames, ReadOnlySpan<nint> pages, MemorySnapshot? before)
    {
        Table<nint>[] pieces = new Table<nint>[(pages.Length + PieceLength - 1) / PieceLength];
        for (int i = 0; i < pieces.Length; i++)
        {
            ReadOnlySpan<nint> piece = pages.Slice(i * PieceLength, Math.Min(PieceLength, pages.Length - (i * PieceLength)));
            pieces[i] = Table<nint>.Hold(memory, piece, before is not null && i < before._pieces.Length ? before._pieces[i] : null);
        }

        return new MemorySnapshot(memory, Table<int>.Hold(memory, frames, before?._frames), pieces);
    }

    public void Dispose()
    {
        if (_memory is not { } memory)
            return;
        foreach (Table<nint> piece in _pieces)
        {
            memory.Release(piece.Items);
            piece.LetGo(memory);
        }

        _frames.LetGo(memory);
        memory.SnapshotBytes -= _pieces.Length * nint.Size;
        _memory = null;
        _pieces = [];
    }

    internal bool IsOf(PhysicalMemory memory) => ReferenceEquals(_memory, memory);

    /// <summary>A part of a table that several snapshots may share: it is counted once.</summary>
    private sealed class Table<T>(T[] items)
        where T : unmanaged, IEquatable<T>
    {
        private int _holders;

        public T[] Items => items;

        private long Bytes => (long)items.Length * Unsafe.SizeOf<T>();

        /// <summary>The one of the snapshot before, if that holds the same.</summary>
        public static Table<T> Hold(PhysicalMemory memory, ReadOnlySpan<T> items, Table<T>? before)
        {
            Table<T> table = before is not null && items.SequenceEqual(before.Items) ? before : new Table<T>(items.ToArray());
            if (table._holders++ == 0)
                memory.SnapshotBytes += table.Bytes;
            return table;
        }

        public void LetGo(PhysicalMemory memory)
        {
            if (--_holders == 0)
                memory.SnapshotBytes -= Bytes;
        }
    }
}
