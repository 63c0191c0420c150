using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

namespace XenSim.Simulator.Debugging.State;

/// <summary>
/// How objects of one class are walked, copied, compared and put back, by code that is made for the class once. Every field counts, private and
/// inherited ones too, so a class that gets a new field needs nothing done for it.
/// </summary>
[UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "What is walked are objects that exist: their fields do.")]
[UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "As above.")]
internal sealed class ObjectShape
{
    private const BindingFlags OwnFields = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
    private static readonly ConcurrentDictionary<Type, ObjectShape> s_shapes = new();
    private static readonly Func<object, object> s_clone = typeof(object).GetMethod("MemberwiseClone", BindingFlags.Instance | BindingFlags.NonPublic)!.CreateDelegate<Func<object, object>>();
    private static readonly MethodInfo s_push = typeof(StateWalk).GetMethod(nameof(StateWalk.Push))!;

    private ObjectShape(Type type)
    {
        Type = type;
        Fields = [.. AllFields(type)];
        IsMutable = type.IsArray || (!type.IsValueType && Fields.Any(f => !f.IsInitOnly));
        IsBytes = type.IsArray && !ContainsReferences(type.GetElementType()!);
        ElementSize = type.IsArray ? SizeOf(type.GetElementType()!) : 0;
        Visit = MakeVisit();
        if (type.IsArray || type.IsValueType)
            return;
        CopyFields = MakeCopy();
        Same = MakeSame();
    }

    public Type Type { get; }

    public IReadOnlyList<FieldInfo> Fields { get; }

    /// <summary>Its own fields or elements can change. (What it refers to can in any case.)</summary>
    public bool IsMutable { get; }

    /// <summary>An array without references.</summary>
    public bool IsBytes { get; }

    /// <summary>Of an array: what an element takes. Unit: bytes.</summary>
    public int ElementSize { get; }

    /// <summary>Pushes every object that this one refers to; null: none can be.</summary>
    public Action<object, StateWalk>? Visit { get; }

    /// <summary>Copies all fields of the first into the second.</summary>
    public Action<object, object>? CopyFields { get; }

    /// <summary>Whether all fields are equal; null: cannot be told.</summary>
    public Func<object, object, bool>? Same { get; }

    public static ObjectShape Of(Type type) => s_shapes.GetOrAdd(type, t => new ObjectShape(t));

    public static object Clone(object o) => s_clone(o);

    public static IEnumerable<FieldInfo> AllFields(Type type)
    {
        for (Type? t = type; t is not null && t != typeof(object) && t != typeof(ValueType) && t != typeof(Array); t = t.BaseType)
        {
            foreach (FieldInfo f in t.GetFields(OwnFields))
                yield return f;
        }
    }

    /// <summary>Whether a field of this type can hold a reference, itself or inside.</summary>
    public static bool ContainsReferences(Type type)
        => !type.IsValueType ? !type.IsPointer && !type.IsFunctionPointer : !type.IsPrimitive && !type.IsEnum && AllFields(type).Any(f => f.FieldType != type && ContainsReferences(f.FieldType));

    private static int SizeOf(Type type)
    {
        DynamicMethod method = new("Size", typeof(int), null, typeof(ObjectShape), skipVisibility: true);
        ILGenerator il = method.GetILGenerator();
        il.Emit(OpCodes.Sizeof, type);
        il.Emit(OpCodes.Ret);
        return method.CreateDelegate<Func<int>>()();
    }

    private Action<object, StateWalk>? MakeVisit()
    {
        if (Type.IsArray)
            return IsBytes ? null : Type.GetElementType()!.IsValueType ? MakeElementVisit() : VisitReferences;
        if (!Fields.Any(f => ContainsReferences(f.FieldType)))
            return null;
        DynamicMethod method = new("Visit", null, [typeof(object), typeof(StateWalk)], typeof(ObjectShape), skipVisibility: true);
        ILGenerator il = method.GetILGenerator();
        EmitPushes(il, () => EmitSelf(il, OpCodes.Ldarg_0), Type);
        il.Emit(OpCodes.Ret);
        return method.CreateDelegate<Action<object, StateWalk>>();
    }

    private static void VisitReferences(object array, StateWalk walk)
    {
        if (array is object?[] references)
        {
            foreach (object? o in references)
                walk.Push(o);
        }
    }

    /// <summary>A loop over the elements of a one-dimensional array of structures.</summary>
    private Action<object, StateWalk>? MakeElementVisit()
    {
        if (Type.GetArrayRank() != 1)
            throw new NotSupportedException($"arrays of structures with several dimensions cannot be captured: {Type}");
        Type element = Type.GetElementType()!;
        DynamicMethod method = new("VisitElements", null, [typeof(object), typeof(StateWalk)], typeof(ObjectShape), skipVisibility: true);
        ILGenerator il = method.GetILGenerator();
        LocalBuilder i = il.DeclareLocal(typeof(int));
        Label loop = il.DefineLabel(), check = il.DefineLabel();
        il.Emit(OpCodes.Ldc_I4_0);
        il.Emit(OpCodes.Stloc, i);
        il.Emit(OpCodes.Br, check);
        il.MarkLabel(loop);
        void Element()
        {
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Castclass, Type);
            il.Emit(OpCodes.Ldloc, i);
            il.Emit(OpCodes.Ldelema, element);
        }

        EmitPushes(il, Element, element);
        il.Emit(OpCodes.Ldloc, i);
        il.Emit(OpCodes.Ldc_I4_1);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Stloc, i);
        il.MarkLabel(check);
        il.Emit(OpCodes.Ldloc, i);
        il.Emit(OpCodes.Ldarg_0);
        il.Emit(OpCodes.Castclass, Type);
        il.Emit(OpCodes.Ldlen);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Blt, loop);
        il.Emit(OpCodes.Ret);
        return method.CreateDelegate<Action<object, StateWalk>>();
    }

    /// <summary>Pushes each reference among the fields of what <paramref name="load"/> puts on the stack: an object, or the address of a structure.</summary>
    private static void EmitPushes(ILGenerator il, Action load, Type type)
    {
        foreach (FieldInfo f in AllFields(type))
        {
            if (!ContainsReferences(f.FieldType))
                continue;
            if (f.FieldType.IsByRefLike)
                throw new NotSupportedException($"{type} holds a {f.FieldType}, which cannot be captured");
            if (!f.FieldType.IsValueType)
            {
                il.Emit(OpCodes.Ldarg_1);
                load();
                il.Emit(OpCodes.Ldfld, f);
                il.Emit(OpCodes.Callvirt, s_push);
            }
            else if (f.FieldType.GetCustomAttribute<InlineArrayAttribute>() is not null)
            {
                throw new NotSupportedException($"{type}.{f.Name} is an inline array of references, which cannot be captured");
            }
            else
            {
                EmitPushes(il, () =>
                {
                    load();
                    il.Emit(OpCodes.Ldflda, f);
                }, f.FieldType);
            }
        }
    }

    private Action<object, object> MakeCopy()
    {
        DynamicMethod method = new("Copy", null, [typeof(object), typeof(object)], typeof(ObjectShape), skipVisibility: true);
        ILGenerator il = method.GetILGenerator();
        foreach (FieldInfo f in Fields)
        {
            EmitSelf(il, OpCodes.Ldarg_1);
            EmitSelf(il, OpCodes.Ldarg_0);
            il.Emit(OpCodes.Ldfld, f);
            il.Emit(OpCodes.Stfld, f);
        }

        il.Emit(OpCodes.Ret);
        return method.CreateDelegate<Action<object, object>>();
    }

    private Func<object, object, bool>? MakeSame()
    {
        if (!Fields.All(f => IsComparable(f.FieldType)))
            return null;
        DynamicMethod method = new("Same", typeof(bool), [typeof(object), typeof(object)], typeof(ObjectShape), skipVisibility: true);
        ILGenerator il = method.GetILGenerator();
        Label different = il.DefineLabel();
        EmitCompares(il, Type, () => EmitSelf(il, OpCodes.Ldarg_0), () => EmitSelf(il, OpCodes.Ldarg_1), different);
        il.Emit(OpCodes.Ldc_I4_1);
        il.Emit(OpCodes.Ret);
        il.MarkLabel(different);
        il.Emit(OpCodes.Ldc_I4_0);
        il.Emit(OpCodes.Ret);
        return method.CreateDelegate<Func<object, object, bool>>();
    }

    private static void EmitCompares(ILGenerator il, Type type, Action a, Action b, Label different)
    {
        foreach (FieldInfo f in AllFields(type))
        {
            if (f.FieldType is { IsValueType: true, IsPrimitive: false, IsEnum: false })
            {
                void Inner(Action outer)
                {
                    outer();
                    il.Emit(OpCodes.Ldflda, f);
                }

                EmitCompares(il, f.FieldType, () => Inner(a), () => Inner(b), different);
                continue;
            }

            a();
            il.Emit(OpCodes.Ldfld, f);
            b();
            il.Emit(OpCodes.Ldfld, f);
            il.Emit(OpCodes.Bne_Un, different);
        }
    }

    /// <summary>Field by field: what has its bytes overlaid or repeated cannot be compared so.</summary>
    private static bool IsComparable(Type type)
        => type.IsPrimitive || type.IsEnum || !type.IsValueType
            || (type.GetCustomAttribute<InlineArrayAttribute>() is null && type.StructLayoutAttribute is not { Value: System.Runtime.InteropServices.LayoutKind.Explicit }
                && AllFields(type).All(f => f.GetCustomAttribute<FixedBufferAttribute>() is null && IsComparable(f.FieldType)));

    private void EmitSelf(ILGenerator il, OpCode argument)
    {
        il.Emit(argument);
        il.Emit(Type.IsValueType ? OpCodes.Unbox : OpCodes.Castclass, Type);
    }
}
