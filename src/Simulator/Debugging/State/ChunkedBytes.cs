using System.Runtime.InteropServices;

namespace XenSim.Simulator.Debugging.State;

/// <summary>The contents of an array without references, in chunks that are shared with the copy made before where they are equal.</summary>
internal sealed class ChunkedBytes
{
    private const int ChunkSize = 16 << 10;
    private readonly byte[][] _chunks;

    private ChunkedBytes(byte[][] chunks) => _chunks = chunks;

    /// <param name="before">The copy made before; null: none.</param>
    /// <param name="fresh">Bytes that had to be copied.</param>
    public static ChunkedBytes Of(Array array, ObjectShape shape, ChunkedBytes? before, out long fresh)
    {
        Span<byte> bytes = BytesOf(array, shape);
        byte[][] chunks = new byte[(bytes.Length + ChunkSize - 1) / ChunkSize][];
        fresh = 0;
        bool same = before is not null && before._chunks.Length == chunks.Length;
        for (int i = 0; i < chunks.Length; i++)
        {
            Span<byte> chunk = bytes.Slice(i * ChunkSize, Math.Min(ChunkSize, bytes.Length - (i * ChunkSize)));
            if (same && chunk.SequenceEqual(before!._chunks[i]))
            {
                chunks[i] = before._chunks[i];
                continue;
            }

            chunks[i] = chunk.ToArray();
            fresh += chunk.Length;
        }

        return fresh == 0 && same ? before! : new ChunkedBytes(chunks);
    }

    public void CopyTo(Array array, ObjectShape shape)
    {
        Span<byte> bytes = BytesOf(array, shape);
        for (int i = 0; i < _chunks.Length; i++)
            _chunks[i].CopyTo(bytes[(i * ChunkSize)..]);
    }

    /// <summary>The elements as they lie in memory; references among them may be compared so, not copied.</summary>
    public static Span<byte> BytesOf(Array array, ObjectShape shape)
        => MemoryMarshal.CreateSpan(ref MemoryMarshal.GetArrayDataReference(array), checked((int)(array.LongLength * shape.ElementSize)));
}
