using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Libxc;

/// <summary>
/// The locked pages of the tools' process that hypercall arguments lie in. Addresses are made up but real in kind: each buffer starts on a
/// page of its own and everything between them is unmapped, so a stray guest handle gets EFAULT.
/// </summary>
internal sealed class HypercallBuffers(Abi abi) : ICallerMemory
{
    private const ulong PageSize = 4096;

    private readonly ulong _first = abi == Abi.X64 ? 0x7f5a_c000_0000UL : 0xb5a0_0000UL;
    private readonly List<(ulong Address, byte[] Bytes)> _buffers = [];

    public VirtualAddress Add(byte[] bytes)
    {
        ulong address = _first;
        if (_buffers.Count > 0)
        {
            (ulong last, byte[] lastBytes) = _buffers[^1];
            address = (last + (ulong)lastBytes.Length + (2 * PageSize) - 1) & ~(PageSize - 1);
        }

        _buffers.Add((address, bytes));
        return new VirtualAddress(address);
    }

    /// <summary>A buffer that holds one wire structure; read the answer back with <c>ReadStruct</c>.</summary>
    public VirtualAddress Add<T>(in T value, out byte[] bytes)
        where T : unmanaged
    {
        bytes = new byte[WireMemory.SizeOf<T>()];
        bytes.AsSpan().WriteStruct(in value);
        return Add(bytes);
    }

    /// <summary>Releases every buffer: after each hypercall.</summary>
    public void Release() => _buffers.Clear();

    public bool TryRead(VirtualAddress source, Span<byte> destination)
    {
        if (!TryFind(source.Value, destination.Length, out Span<byte> bytes))
            return false;
        bytes.CopyTo(destination);
        return true;
    }

    public bool TryWrite(VirtualAddress destination, ReadOnlySpan<byte> source)
    {
        if (!TryFind(destination.Value, source.Length, out Span<byte> bytes))
            return false;
        source.CopyTo(bytes);
        return true;
    }

    private bool TryFind(ulong address, int length, out Span<byte> bytes)
    {
        foreach ((ulong start, byte[] buffer) in _buffers)
        {
            if (address >= start && address - start + (ulong)length <= (ulong)buffer.Length)
            {
                bytes = buffer.AsSpan((int)(address - start), length);
                return true;
            }
        }

        bytes = default;
        return false;
    }
}
