using System.Runtime.CompilerServices;

namespace XenSim.Hypervisor.Public.Wire;

// C arrays inside wire structures. They index and convert to Span like arrays, and lie in place.

[InlineArray(2)]
public struct Array2<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(4)]
public struct Array4<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(6)]
public struct Array6<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(8)]
public struct Array8<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(11)]
public struct Array11<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(12)]
public struct Array12<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(16)]
public struct Array16<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(32)]
public struct Array32<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(64)]
public struct Array64<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(128)]
public struct Array128<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(512)]
public struct Array512<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(1024)]
public struct Array1024<T>
    where T : unmanaged
{
    private T _first;
}

[InlineArray(2048)]
public struct Array2048<T>
    where T : unmanaged
{
    private T _first;
}
