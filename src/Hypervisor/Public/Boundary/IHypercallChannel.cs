namespace XenSim.Hypervisor.Public.Boundary;

/// <summary>
/// The message channel from the toolstack in dom0 into the hypervisor: what <c>/dev/xen/privcmd</c>'s
/// IOCTL_PRIVCMD_HYPERCALL is on a real host. Everything crosses as the real wire bytes.
/// </summary>
public interface IHypercallChannel
{
    /// <summary>The ABI the tools were compiled for: that of dom0, which is the hypervisor's word size.</summary>
    Abi ToolAbi { get; }

    /// <summary>Issues one hypercall with up to five arguments; pointers refer to <paramref name="memory"/>.</summary>
    /// <returns>The hypervisor's result register: ≥ 0, or a negated <see cref="XenErrno"/>.</returns>
    long Hypercall(HypercallNumber number, ICallerMemory memory, ulong a1 = 0, ulong a2 = 0, ulong a3 = 0, ulong a4 = 0, ulong a5 = 0);
}

/// <summary>
/// Memory a hypercall's guest handles point into: a guest's virtual address space, or the tools' hypercall buffers.
/// </summary>
public interface ICallerMemory
{
    /// <summary>copy_from_guest: false means EFAULT; then <paramref name="destination"/> is undefined.</summary>
    bool TryRead(VirtualAddress source, Span<byte> destination);

    /// <summary>copy_to_guest: false means EFAULT; a prefix may have been written.</summary>
    bool TryWrite(VirtualAddress destination, ReadOnlySpan<byte> source);
}
