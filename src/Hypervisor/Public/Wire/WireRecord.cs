using XenSim.Hypervisor.Public.Boundary;

namespace XenSim.Hypervisor.Public.Wire;

/// <summary>
/// A structure whose layout depends on the caller's ABI, as one value for both. Its fields are declared in the order of the
/// C structure, once, in <see cref="Visit"/>; <see cref="WireCursor"/> lays them out by C's alignment rules.
/// </summary>
public interface IWireRecord
{
    /// <summary>Takes every field past the cursor, which measures, reads or writes it.</summary>
    void Visit(ref WireCursor cursor);
}

/// <summary>Reading and writing of <see cref="IWireRecord"/>s.</summary>
public static class WireRecord
{
    /// <summary>sizeof in that ABI, trailing padding included.</summary>
    public static int Size<T>(Abi abi)
        where T : IWireRecord, new()
    {
        var cursor = WireCursor.Measuring(abi);
        new T().Visit(ref cursor);
        return cursor.End();
    }

    /// <summary>The record at the start of <paramref name="source"/>, which must hold all of it.</summary>
    public static T Decode<T>(ReadOnlySpan<byte> source, Abi abi)
        where T : IWireRecord, new()
    {
        var cursor = WireCursor.Reading(source, abi);
        T value = new();
        value.Visit(ref cursor);
        return value;
    }

    /// <summary>Writes the fields at the start of <paramref name="destination"/>; padding keeps its bytes.</summary>
    public static void Encode<T>(T value, Span<byte> destination, Abi abi)
        where T : IWireRecord
    {
        var cursor = WireCursor.Writing(destination, abi);
        value.Visit(ref cursor);
    }

    /// <summary>The record's bytes with all padding zero, as tools that build it from nothing send it.</summary>
    public static byte[] ToBytes<T>(T value, Abi abi)
        where T : IWireRecord, new()
    {
        var bytes = new byte[Size<T>(abi)];
        Encode(value, bytes, abi);
        return bytes;
    }

    /// <summary>copy_from_guest of one record; false means EFAULT.</summary>
    public static bool TryReadRecord<T>(this ICallerMemory memory, VirtualAddress source, Abi abi, out T value)
        where T : IWireRecord, new()
    {
        int size = Size<T>(abi);
        Span<byte> bytes = size <= MaxOnStack ? stackalloc byte[size] : new byte[size];
        bool read = memory.TryRead(source, bytes);
        value = read ? Decode<T>(bytes, abi) : new T();
        return read;
    }

    /// <summary>copy_to_guest of one record over the one that is there (its padding stays); false means EFAULT.</summary>
    public static bool TryWriteRecord<T>(this ICallerMemory memory, VirtualAddress destination, Abi abi, T value)
        where T : IWireRecord, new()
    {
        int size = Size<T>(abi);
        Span<byte> bytes = size <= MaxOnStack ? stackalloc byte[size] : new byte[size];
        if (!memory.TryRead(destination, bytes))
            return false;
        Encode(value, bytes, abi);
        return memory.TryWrite(destination, bytes);
    }

    private const int MaxOnStack = 256;
}
