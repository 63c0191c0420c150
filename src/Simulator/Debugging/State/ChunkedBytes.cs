using System.Runtime.InteropServices;

namespace XenSim.Simulator.Debugging.State;

/// <summary>The contents of an array without references, in chunks that are shared with the copy made before where they are equal.</summary>
internal sealed class ChunkedBytes : SharedCopy
{
    private const int ChunkSize = 16 << 10;

    /// <summary>What a chunk takes besides its bytes. Unit: bytes.</summary>
    private const int ChunkOverhead = 64;

    private readonly Chunk[] _chunks;

    private ChunkedBytes(Chunk[] chunks) => _chunks = chunks;

    /// <param name="before">The copy made before; null: none.</param>
    public static ChunkedBytes Of(Array array, ObjectShape shape, ChunkedBytes? before)
    {
        Span<byte> bytes = BytesOf(array, shape);
        Chunk[] chunks = new Chunk[(bytes.Length + ChunkSize - 1) / ChunkSize];
        bool like = before is not null && before._chunks.Length == chunks.Length, same = like;
        for (int i = 0; i < chunks.Length; i++)
        {
            Span<byte> chunk = bytes.Slice(i * ChunkSize, Math.Min(ChunkSize, bytes.Length - (i * ChunkSize)));
            if (like && chunk.SequenceEqual(before!._chunks[i].Bytes))
            {
                chunks[i] = before._chunks[i];
                continue;
            }

            chunks[i] = new Chunk(chunk.ToArray());
            same = false;
        }

        return same ? before! : new ChunkedBytes(chunks);
    }

    public void CopyTo(Array array, ObjectShape shape)
    {
        Span<byte> bytes = BytesOf(array, shape);
        for (int i = 0; i < _chunks.Length; i++)
            _chunks[i].Bytes.CopyTo(bytes[(i * ChunkSize)..]);
    }

    /// <summary>The elements as they lie in memory; references among them may be compared so, not copied.</summary>
    public static Span<byte> BytesOf(Array array, ObjectShape shape)
        => MemoryMarshal.CreateSpan(ref MemoryMarshal.GetArrayDataReference(array), checked((int)(array.LongLength * shape.ElementSize)));

    protected override long Taken() => (ChunkOverhead * _chunks.Length) + _chunks.Sum(c => c.Hold());

    protected override long Freed() => (ChunkOverhead * _chunks.Length) + _chunks.Sum(c => c.LetGo());

    private sealed class Chunk(byte[] bytes) : SharedCopy
    {
        public byte[] Bytes => bytes;

        protected override long Taken() => bytes.Length;

        protected override long Freed() => bytes.Length;
    }
}
