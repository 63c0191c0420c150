using Mono.Cecil;

namespace XenSim.Architecture.Tests.Rules;

/// <summary>
/// No state outside a session: a static field is a constant or read-only, and what others can see of it cannot be changed
/// through it either (no arrays or growing collections).
/// </summary>
public static class StaticStateRule
{
    private static readonly string[] s_growing = ["List`1", "Dictionary`2", "HashSet`1", "Queue`1", "Stack`1", "SortedDictionary`2"];

    /// <summary>Offending fields as <c>type.field: why</c>.</summary>
    public static IReadOnlyList<string> Violations(ModuleDefinition module, string space = "")
        => [.. CodeWalker.Types(module, space).SelectMany(type => type.Fields).Where(field => field.IsStatic && !IsGenerated(field))
            .Select(field => (field, why: Complaint(field)))
            .Where(found => found.why is not null)
            .Select(found => $"{found.field.DeclaringType.FullName}.{found.field.Name}: {found.why}")];

    private static string? Complaint(FieldDefinition field)
    {
        if (field.CustomAttributes.Any(a => a.AttributeType.Name == nameof(ThreadStaticAttribute)))
            return "thread-static";
        if (!field.IsInitOnly && !field.IsLiteral)
            return "not read-only";
        if (field.IsPrivate)
            return null;
        return field.FieldType.IsArray || s_growing.Contains(field.FieldType.GetElementType().Name) ? "contents can be changed by everybody" : null;
    }

    /// <summary>What the compiler adds: caches of delegates, data of array literals, switch tables.</summary>
    private static bool IsGenerated(FieldDefinition field)
        => field.Name.Contains('<', StringComparison.Ordinal) || field.DeclaringType.FullName.Contains('<', StringComparison.Ordinal);
}
