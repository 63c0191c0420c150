using Mono.Cecil;

namespace XenSim.Architecture.Tests.Rules;

/// <summary>What may not stand where the guest's instructions run.</summary>
public static class HotCodeRule
{
    /// <summary>Methods with a <c>try</c> of any kind (<c>using</c>, <c>lock</c> and <c>foreach</c> over what is disposed have one too), as <c>type.method: has a try</c>.</summary>
    public static IReadOnlyList<string> Tries(IEnumerable<TypeDefinition> types)
        => [.. types.SelectMany(type => type.Methods).Where(method => method.HasBody && method.Body.HasExceptionHandlers)
            .Select(method => $"{method.DeclaringType.FullName}.{method.Name}: has a try")];

    /// <summary>
    /// Static interface members with a body, as <c>type.member: has a body</c>. The ahead compiler leaves every method that uses one, and all that is generic
    /// over it, to run time: docs/benchmarks.md, start-up.
    /// </summary>
    public static IReadOnlyList<string> StaticDefaults(ModuleDefinition module, string space)
        => [.. CodeWalker.Types(module, space).Where(type => type.IsInterface).SelectMany(type => type.Methods).Where(method => method is { IsStatic: true, IsVirtual: true, IsAbstract: false })
            .Select(method => $"{method.DeclaringType.FullName}.{method.Name}: has a body")];
}
