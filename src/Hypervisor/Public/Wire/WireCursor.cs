using System.Buffers.Binary;

namespace XenSim.Hypervisor.Public.Wire;

/// <summary>
/// Walks a C structure field by field. Alignment is that of the System V ABI: natural, except that 64-bit integers align to
/// four bytes in the 32-bit ABI (Xen's uint64_aligned_t, used where domctl and acquire_resource need it, aligns to eight).
/// </summary>
public ref struct WireCursor
{
    private readonly ReadOnlySpan<byte> _source;
    private readonly Span<byte> _destination;
    private readonly Direction _direction;
    private int _offset;
    private int _alignment;

    private WireCursor(Direction direction, ReadOnlySpan<byte> source, Span<byte> destination, Abi abi)
    {
        _direction = direction;
        _source = source;
        _destination = destination;
        _alignment = 1;
        Abi = abi;
    }

    private enum Direction
    {
        Measure,
        Read,
        Write,
    }

    public Abi Abi { get; }

    public static WireCursor Measuring(Abi abi) => new(Direction.Measure, default, default, abi);

    public static WireCursor Reading(ReadOnlySpan<byte> source, Abi abi) => new(Direction.Read, source, default, abi);

    public static WireCursor Writing(Span<byte> destination, Abi abi) => new(Direction.Write, default, destination, abi);

    /// <summary>sizeof: everything visited, rounded up to the structure's own alignment.</summary>
    public int End()
    {
        Align(_alignment);
        return _offset;
    }

    /// <summary>unsigned long, a pointer, a guest handle or xen_pfn_t. Writing to 32 bits loses the upper half, as C does.</summary>
    public void Long(ref ulong field)
    {
        if (Abi == Abi.X64)
        {
            U64(ref field, 8);
            return;
        }

        var narrow = (uint)field;
        U32(ref narrow);
        if (_direction == Direction.Read)
            field = narrow;
    }

    /// <inheritdoc cref="Long"/>
    public void Longs(ulong[] fields)
    {
        foreach (ref ulong field in fields.AsSpan())
            Long(ref field);
    }

    /// <summary>uint64_t.</summary>
    public void U64(ref ulong field) => U64(ref field, Abi == Abi.X64 ? 8 : 4);

    /// <summary>uint64_aligned_t.</summary>
    public void AlignedU64(ref ulong field) => U64(ref field, 8);

    public void U32(ref uint field)
    {
        int at = Take(4, 4);
        if (_direction == Direction.Read)
            field = BinaryPrimitives.ReadUInt32LittleEndian(_source[at..]);
        else if (_direction == Direction.Write)
            BinaryPrimitives.WriteUInt32LittleEndian(_destination[at..], field);
    }

    public void U16(ref ushort field)
    {
        int at = Take(2, 2);
        if (_direction == Direction.Read)
            field = BinaryPrimitives.ReadUInt16LittleEndian(_source[at..]);
        else if (_direction == Direction.Write)
            BinaryPrimitives.WriteUInt16LittleEndian(_destination[at..], field);
    }

    /// <summary>int16_t, the type of grant table statuses.</summary>
    public void S16(ref short field)
    {
        var bits = (ushort)field;
        U16(ref bits);
        field = (short)bits;
    }

    public void U8(ref byte field)
    {
        int at = Take(1, 1);
        if (_direction == Direction.Read)
            field = _source[at];
        else if (_direction == Direction.Write)
            _destination[at] = field;
    }

    public void Bytes(Span<byte> field)
    {
        int at = Take(field.Length, 1);
        if (_direction == Direction.Read)
            _source.Slice(at, field.Length).CopyTo(field);
        else if (_direction == Direction.Write)
            field.CopyTo(_destination[at..]);
    }

    /// <summary>Unnamed bytes that are left alone.</summary>
    public void Skip(int bytes) => Take(bytes, 1);

    /// <summary>Where a nested structure that holds an unsigned long starts and ends.</summary>
    public void AlignLong() => Align(Abi.LongSize());

    private void U64(ref ulong field, int alignment)
    {
        int at = Take(8, alignment);
        if (_direction == Direction.Read)
            field = BinaryPrimitives.ReadUInt64LittleEndian(_source[at..]);
        else if (_direction == Direction.Write)
            BinaryPrimitives.WriteUInt64LittleEndian(_destination[at..], field);
    }

    private int Take(int size, int alignment)
    {
        Align(alignment);
        int at = _offset;
        _offset += size;
        return at;
    }

    private void Align(int alignment)
    {
        _alignment = Math.Max(_alignment, alignment);
        _offset = (_offset + alignment - 1) & -alignment;
    }
}
