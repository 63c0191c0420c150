namespace XenSim.Hypervisor.Public.Wire;

/// <summary>The ABIs a layout holds for.</summary>
[Flags]
public enum Abis
{
    X32 = 1,
    X64 = 2,
    Both = X32 | X64,
}

/// <summary>The releases a layout holds for.</summary>
[Flags]
public enum Releases
{
    V4_0 = 1,
    V4_17 = 2,
    Both = V4_0 | V4_17,
}

/// <summary>
/// Says which structure of Xen's public headers a C# type mirrors. Tests compare every field with a table compiled from
/// those headers; a field is matched by its Xen name in PascalCase (<c>console.domU.mfn</c> = <c>ConsoleDomUMfn</c>,
/// a leading <c>u.</c> is left out). A field that mirrors the same structure, for another release, stands for its fields.
/// </summary>
[AttributeUsage(AttributeTargets.Struct | AttributeTargets.Class)]
public sealed class XenStructAttribute(string name, Abis abis, Releases releases) : Attribute
{
    /// <summary>The tag (or, for an untagged structure, the typedef) in the C header.</summary>
    public string Name { get; } = name;

    public Abis Abis { get; } = abis;

    public Releases Releases { get; } = releases;
}

/// <summary>A field whose C# name is not the mechanical one, or that is not there in one of the releases or ABIs.</summary>
[AttributeUsage(AttributeTargets.Field, AllowMultiple = true)]
public sealed class XenFieldAttribute(string? name = null) : Attribute
{
    /// <summary>Path of the field in the C header, null for the mechanical name.</summary>
    public string? Name { get; } = name;

    /// <summary>The releases that name this field; in the others its bytes are padding.</summary>
    public Releases Releases { get; set; } = Releases.Both;

    /// <summary>The ABIs that have this field (under this name).</summary>
    public Abis Abis { get; set; } = Abis.Both;
}
