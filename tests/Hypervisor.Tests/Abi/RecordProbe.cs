using System.Reflection;
using System.Runtime.CompilerServices;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.PublicAbi;

/// <summary>
/// Finds where a record's fields lie by writing it: all bits of one field set, everything else zero, and seeing which bytes
/// are not zero. What it finds is what a guest would get.
/// </summary>
public static class RecordProbe
{
    private const BindingFlags Fields = BindingFlags.Instance | BindingFlags.Public;

    /// <summary>sizeof, and the place of every field that this ABI writes at all.</summary>
    public static (int Size, List<(FieldInfo Field, Place Place)> Places) Places(Type type, Abi abi)
    {
        MethodInfo encode = typeof(WireRecord).GetMethod(nameof(WireRecord.ToBytes))!.MakeGenericMethod(type);
        byte[] Bytes(object record) => (byte[])encode.Invoke(null, [record, abi])!;

        List<(FieldInfo, Place)> places = [];
        foreach (FieldInfo field in type.GetFields(Fields))
        {
            object record = Activator.CreateInstance(type)!;
            field.SetValue(record, Full(field.GetValue(record)!));
            byte[] bytes = Bytes(record);
            int first = Array.FindIndex(bytes, b => b != 0);
            int last = Array.FindLastIndex(bytes, b => b != 0);
            if (first >= 0)
                places.Add((field, WithTail(field, new Place(first, last - first + 1), abi)));
        }

        return (Bytes(Activator.CreateInstance(type)!).Length, places);
    }

    /// <summary>A nested record counts with the padding at its end, which writing leaves alone.</summary>
    private static Place WithTail(FieldInfo field, Place place, Abi abi)
    {
        if (!typeof(IWireRecord).IsAssignableFrom(field.FieldType))
            return place;
        var size = (int)typeof(WireRecord).GetMethod(nameof(WireRecord.Size))!.MakeGenericMethod(field.FieldType).Invoke(null, [abi])!;
        return place with { Size = size };
    }

    /// <summary>The same value with all bits set, in every element and nested field.</summary>
    private static object Full(object value)
    {
        if (value is Array array)
        {
            for (int i = 0; i < array.Length; i++)
                array.SetValue(Full(array.GetValue(i)!), i);
            return array;
        }

        return value switch
        {
            byte => byte.MaxValue,
            ushort => ushort.MaxValue,
            short => (short)-1,
            uint => uint.MaxValue,
            ulong => ulong.MaxValue,
            _ when value.GetType().IsDefined(typeof(InlineArrayAttribute)) => FullInlineArray(value),
            _ => FullRecord(value),
        };
    }

    private static object FullRecord(object record)
    {
        foreach (FieldInfo field in record.GetType().GetFields(Fields))
            field.SetValue(record, Full(field.GetValue(record)!));
        return record;
    }

    private static object FullInlineArray(object value) => value switch
    {
        Array4<ulong> => FullOf<Array4<ulong>>(),
        Array6<ulong> => FullOf<Array6<ulong>>(),
        _ => throw new NotSupportedException($"teach {nameof(RecordProbe)} to fill {value.GetType()}"),
    };

    private static T FullOf<T>()
        where T : unmanaged
    {
        T value = default;
        WireMemory.AsBytes(ref value).Fill(0xff);
        return value;
    }
}
