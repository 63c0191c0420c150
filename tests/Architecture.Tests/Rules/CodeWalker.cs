using Mono.Cecil;
using Mono.Cecil.Cil;

namespace XenSim.Architecture.Tests.Rules;

/// <summary>Everything that compiled code names: types in signatures and bodies, and the members it uses.</summary>
public static class CodeWalker
{
    /// <summary>All types of a module, nested and generated ones too, whose namespace starts with <paramref name="space"/>.</summary>
    public static IEnumerable<TypeDefinition> Types(ModuleDefinition module, string space = "")
        => module.Types.Where(type => type.Namespace.StartsWith(space, StringComparison.Ordinal)).SelectMany(WithNested);

    /// <summary>The members and types that <paramref name="type"/> uses.</summary>
    public static IEnumerable<MemberReference> Uses(TypeDefinition type)
    {
        var types = type.Fields.Select(field => field.FieldType)
            .Concat(type.Interfaces.Select(i => i.InterfaceType))
            .Concat(type.BaseType is { } parent ? [parent] : []);
        return types.SelectMany(Parts).Concat(type.Methods.SelectMany(Uses));
    }

    private static IEnumerable<MemberReference> Uses(MethodDefinition method)
    {
        var signature = method.Parameters.Select(p => p.ParameterType).Append(method.ReturnType).SelectMany(Parts);
        if (!method.HasBody)
            return signature;
        return signature
            .Concat(method.Body.Variables.SelectMany(v => Parts(v.VariableType)))
            .Concat(method.Body.Instructions.SelectMany(Uses));
    }

    private static IEnumerable<MemberReference> Uses(Instruction instruction) => instruction.Operand switch
    {
        TypeReference type => Parts(type),
        MemberReference member => Parts(member.DeclaringType).Prepend(member),
        _ => [],
    };

    /// <summary>A type and what it is made of: elements, generic arguments, the declaring types.</summary>
    private static IEnumerable<MemberReference> Parts(TypeReference? type)
    {
        if (type is null)
            return [];
        IEnumerable<MemberReference> parts = type is GenericInstanceType generic
            ? generic.GenericArguments.SelectMany(Parts)
            : [];
        if (type is TypeSpecification composed)
            parts = parts.Concat(Parts(composed.ElementType));
        return parts.Concat(Parts(type.DeclaringType)).Append(type);
    }

    private static IEnumerable<TypeDefinition> WithNested(TypeDefinition type)
        => type.NestedTypes.SelectMany(WithNested).Prepend(type);
}
