using System.Reflection;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Debugging.State;

/// <summary>Every object that can be reached from some, once each.</summary>
internal abstract class StateWalk
{
    private readonly Stack<object> _open = new();

    /// <summary>An object to be walked; what is no state is left out.</summary>
    public void Push(object? o)
    {
        if (o is not null && !IsNoState(o))
            _open.Push(o);
    }

    /// <summary>Walks all that has been pushed, and what it refers to.</summary>
    protected void WalkAll()
    {
        while (_open.TryPop(out object? o))
        {
            if (o is Delegate d)
            {
                if (Enter(o))
                    VisitTargets(d);
                continue;
            }

            if (!Enter(o))
                continue;
            if (o is PhysicalMemory or VirtualCpu)
                continue;
            Reject(o);
            ObjectShape.Of(o.GetType()).Visit?.Invoke(o, this);
        }
    }

    /// <summary>Sees an object. False: it has been seen before, or is not to be walked.</summary>
    protected abstract bool Enter(object o);

    /// <summary>Why objects of a type cannot be captured; null: they can.</summary>
    public static string? WhyNot(Type type)
    {
        if (typeof(Stream).IsAssignableFrom(type) || typeof(TextWriter).IsAssignableFrom(type) || typeof(TextReader).IsAssignableFrom(type))
            return "a stream has a place outside";
        if (typeof(Thread).IsAssignableFrom(type) || typeof(Task).IsAssignableFrom(type) || typeof(Timer).IsAssignableFrom(type) || typeof(WaitHandle).IsAssignableFrom(type))
            return "a thread cannot be put back";
        if (type == typeof(System.Runtime.InteropServices.GCHandle) || typeof(System.Runtime.InteropServices.SafeHandle).IsAssignableFrom(type))
            return "what a handle stands for is not in it";
        FieldInfo? native = type.IsPrimitive || type.IsEnum ? null : ObjectShape.AllFields(type).FirstOrDefault(f => f.FieldType.IsPointer || f.FieldType == typeof(nint) || f.FieldType == typeof(nuint));
        return native is null ? null : $"what its field {native.Name} points to is not in it";
    }

    private static void Reject(object o)
    {
        if (o is Array or string || s_known.Contains(o.GetType()))
            return;
        if (WhyNot(o.GetType()) is { } why)
            throw new NotSupportedException($"{o.GetType()} is part of a session's state and cannot be captured: {why}");
        lock (s_known)
            s_known.Add(o.GetType());
    }

    private static readonly HashSet<Type> s_known = [];

    private void VisitTargets(Delegate d)
    {
        if (d.HasSingleTarget)
        {
            Push(d.Target);
            return;
        }

        foreach (Delegate one in d.GetInvocationList())
            Push(one.Target);
    }

    /// <summary>Never changes, or is not the session's.</summary>
    private static bool IsNoState(object o) => o is string or MemberInfo or Assembly or Module or XenEvent or IOutsideHistory or CancellationTokenSource or System.Collections.IEqualityComparer
        or System.Globalization.CultureInfo or Exception;
}
