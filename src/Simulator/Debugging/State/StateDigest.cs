using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;

namespace XenSim.Simulator.Debugging.State;

/// <summary>
/// One number for the whole state of a session: memory, vCPUs, and every object that can be reached, by value and by who refers to whom. Two runs in the same
/// state have the same, though their objects are different ones. It reads everything: for tests and recordings.
/// </summary>
[UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "What is read are fields of objects that exist.")]
internal sealed class StateDigest : StateWalk
{
    private readonly Dictionary<object, int> _numbers = new(ReferenceEqualityComparer.Instance);
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _word = new byte[8];

    private StateDigest()
    {
    }

    public static string Of(IEnumerable<object> roots)
    {
        StateDigest digest = new();
        foreach (object root in roots)
            digest.Push(root);
        digest.WalkAll();
        using (digest._hash)
            return Convert.ToHexStringLower(digest._hash.GetHashAndReset());
    }

    protected override bool Enter(object o)
    {
        if (!_numbers.TryAdd(o, _numbers.Count))
            return false;
        Add(o.GetType().FullName ?? "");
        switch (o)
        {
            case PhysicalMemory memory:
                AddMemory(memory);
                return false;
            case VirtualCpu cpu:
                AddCpu(cpu);
                return false;
            case Delegate d:
                Add(d.Method.Name);
                return true;
            case IDictionary or IEnumerable when IsHashed(o.GetType()):
                AddHashed((IEnumerable)o);
                return false;
            case Array array:
                AddArray(array);
                return true;
            default:
                foreach (FieldInfo f in ObjectShape.Of(o.GetType()).Fields)
                    AddField(f.FieldType, f.GetValue(o));
                return true;
        }
    }

    /// <summary>Where things lie in a hash table depends on hash codes, which differ from run to run; their order of insertion does not.</summary>
    private static bool IsHashed(Type type)
        => type.IsGenericType && (type.GetGenericTypeDefinition() == typeof(Dictionary<,>) || type.GetGenericTypeDefinition() == typeof(HashSet<>));

    private void AddHashed(IEnumerable table)
    {
        foreach (object entry in table)
        {
            AddField(entry.GetType(), entry);
            if (entry.GetType() is { IsValueType: true, IsPrimitive: false } pair)
            {
                foreach (FieldInfo f in ObjectShape.Of(pair).Fields)
                    PushInside(f.FieldType, f.GetValue(entry));
            }
            else
            {
                Push(entry);
            }
        }
    }

    private void PushInside(Type type, object? value)
    {
        if (value is null)
            return;
        if (!type.IsValueType)
        {
            Push(value);
            return;
        }

        if (!type.IsPrimitive && !type.IsEnum)
        {
            foreach (FieldInfo f in ObjectShape.Of(type).Fields)
                PushInside(f.FieldType, f.GetValue(value));
        }
    }

    private void AddArray(Array array)
    {
        Add((ulong)array.LongLength);
        ObjectShape shape = ObjectShape.Of(array.GetType());
        if (shape.IsBytes)
        {
            _hash.AppendData(ChunkedBytes.BytesOf(array, shape));
            return;
        }

        Type element = array.GetType().GetElementType()!;
        foreach (object? o in array)
            AddField(element, o);
    }

    /// <summary>A reference as what it refers to, if that is known by now: a number; text and boxed numbers as themselves.</summary>
    private void AddField(Type type, object? value)
    {
        switch (value)
        {
            case null:
                Add(0);
                break;
            case string text:
                Add(text);
                break;
            case bool b:
                Add(b ? 1u : 0u);
                break;
            case char c:
                Add(c);
                break;
            case IConvertible number when type.IsPrimitive || type.IsEnum || value.GetType().IsPrimitive || value.GetType().IsEnum:
                Add(unchecked(number is ulong u ? u : number is double or float ? (ulong)BitConverter.DoubleToInt64Bits(number.ToDouble(null)) : (ulong)ToInt64(number)));
                break;
            default:
                if (value.GetType().IsValueType)
                {
                    foreach (FieldInfo f in ObjectShape.Of(value.GetType()).Fields)
                        AddField(f.FieldType, f.GetValue(value));
                }
                else
                {
                    Add(_numbers.TryGetValue(value, out int n) ? (ulong)n + 1 : ulong.MaxValue);
                }

                break;
        }
    }

    private static long ToInt64(IConvertible number)
        => number.GetTypeCode() == TypeCode.UInt64 ? unchecked((long)number.ToUInt64(null)) : number.ToInt64(null);

    private void AddMemory(PhysicalMemory memory)
    {
        for (ulong frame = 0; frame < memory.FrameCount; frame++)
        {
            if (!memory.IsTouched(frame) || !memory.Readable(frame).ContainsAnyExcept((byte)0))
                continue;
            Add(frame);
            _hash.AppendData(memory.Readable(frame));
        }
    }

    private void AddCpu(VirtualCpu cpu)
    {
        foreach (string name in RegisterFile.Names)
        {
            RegisterFile.TryRead(cpu, name, out ulong value);
            Add(value);
        }

        Span<byte> image = stackalloc byte[512];
        cpu.SaveFx(image);
        _hash.AppendData(image);
        cpu.SaveYmmHigh(image);
        _hash.AppendData(image[..256]);
    }

    private void Add(ulong value)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(_word, value);
        _hash.AppendData(_word);
    }

    private void Add(string text)
    {
        Add((ulong)text.Length);
        _hash.AppendData(Encoding.UTF8.GetBytes(text));
    }
}
