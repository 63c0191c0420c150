using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using XenSim.Hypervisor.Public.Boundary;

namespace XenSim.Hypervisor.Public.Wire;

/// <summary>Moves wire structures between spans, caller memory and values. x86 and every host we run on are little-endian.</summary>
public static class WireMemory
{
    /// <summary>The structure at the start of <paramref name="source"/>, which must hold all of it.</summary>
    public static T ReadStruct<T>(this ReadOnlySpan<byte> source)
        where T : unmanaged
        => MemoryMarshal.Read<T>(source);

    /// <inheritdoc cref="ReadStruct{T}(ReadOnlySpan{byte})"/>
    public static T ReadStruct<T>(this Span<byte> source)
        where T : unmanaged
        => MemoryMarshal.Read<T>(source);

    /// <summary>Writes all bytes of <paramref name="value"/>, padding included, at the start of <paramref name="destination"/>.</summary>
    public static void WriteStruct<T>(this Span<byte> destination, in T value)
        where T : unmanaged
        => MemoryMarshal.Write(destination, in value);

    /// <summary>The structure in place: changes through the reference change the bytes.</summary>
    public static ref T AsStruct<T>(this Span<byte> bytes)
        where T : unmanaged
        => ref MemoryMarshal.AsRef<T>(bytes);

    /// <summary>The bytes of a structure in place.</summary>
    public static Span<byte> AsBytes<T>(ref T value)
        where T : unmanaged
        => MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(ref value, 1));

    /// <summary>copy_from_guest of one structure; false means EFAULT.</summary>
    public static bool TryReadStruct<T>(this ICallerMemory memory, VirtualAddress source, out T value)
        where T : unmanaged
    {
        value = default;
        return memory.TryRead(source, AsBytes(ref value));
    }

    /// <summary>copy_to_guest of one structure; false means EFAULT.</summary>
    public static bool TryWriteStruct<T>(this ICallerMemory memory, VirtualAddress destination, in T value)
        where T : unmanaged
    {
        var copy = value;
        return memory.TryWrite(destination, AsBytes(ref copy));
    }

    /// <summary>Bytes of <typeparamref name="T"/> on the wire.</summary>
    public static uint SizeOf<T>()
        where T : unmanaged
        => (uint)Unsafe.SizeOf<T>();

    /// <summary>Reads a guest's <c>unsigned long</c> (also a pointer or xen_pfn_t).</summary>
    public static bool TryReadLong(this ICallerMemory memory, VirtualAddress source, Abi abi, out ulong value)
    {
        value = 0;
        return abi == Abi.X64
            ? memory.TryRead(source, AsBytes(ref value))
            : memory.TryRead(source, AsBytes(ref value)[..4]);
    }

    /// <summary>Writes a guest's <c>unsigned long</c>; in the 32-bit ABI the upper half is lost.</summary>
    public static bool TryWriteLong(this ICallerMemory memory, VirtualAddress destination, Abi abi, ulong value)
        => memory.TryWrite(destination, AsBytes(ref value)[..abi.LongSize()]);

    /// <summary>Bytes of <c>unsigned long</c>, pointers and xen_pfn_t.</summary>
    public static int LongSize(this Abi abi) => abi == Abi.X64 ? 8 : 4;
}
