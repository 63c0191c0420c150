namespace XenSim.Hypervisor.Public.Boundary;

/// <summary>
/// Mapping of another domain's frames into the tools (privcmd MMAPBATCH_V2 and MMAP_RESOURCE). A writable mapping holds a
/// PGT_writable_page reference on each frame until disposed: a page table still mapped here cannot be pinned.
/// </summary>
public interface IForeignMemory
{
    /// <summary>Maps frames of <paramref name="domain"/>. Never throws; per-frame errors are in the mapping.</summary>
    /// <param name="gfns">What the domain calls its frames: MFNs for PV, guest frames for translated domains.</param>
    IForeignMapping Map(DomainId domain, ReadOnlySpan<Gfn> gfns, bool writable);

    /// <summary>XENMEM_acquire_resource (4.11 and later), e.g. type 1 = grant_table.</summary>
    IForeignMapping MapResource(DomainId domain, uint type, uint id, ulong frame, uint count);
}

/// <summary>Pages of another domain, mapped until disposed.</summary>
public interface IForeignMapping : IDisposable
{
    int Count { get; }

    /// <summary>First error, or <see cref="XenErrno.None"/> when every frame is mapped.</summary>
    XenErrno Error { get; }

    /// <summary>The 4096 bytes of page <paramref name="index"/>. Valid until the mapping is disposed or the vCPUs run.</summary>
    Span<byte> Page(int index);

    void Write(ulong offset, ReadOnlySpan<byte> bytes);

    void Read(ulong offset, Span<byte> bytes);
}
