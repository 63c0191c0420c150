using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;

namespace XenSim.Oracle.Tests.Simulated;

/// <summary>Two buffers of a caller in dom0, at fixed addresses; the second one is the higher.</summary>
internal sealed class CallerBuffers(ulong first, byte[] a, ulong second, byte[] b) : ICallerMemory
{
    public Span<byte> At(ulong address) => address >= second ? b.AsSpan((int)(address - second)) : a.AsSpan((int)(address - first));

    public bool TryRead(VirtualAddress source, Span<byte> destination) => At(source.Value)[..destination.Length].TryCopyTo(destination);

    public bool TryWrite(VirtualAddress destination, ReadOnlySpan<byte> source) => source.TryCopyTo(At(destination.Value));
}
