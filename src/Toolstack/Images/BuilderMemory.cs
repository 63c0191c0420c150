using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Images;

/// <summary>The domain builder's book-keeping of its own memory, which it logs. Nothing is allocated here.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_core.c, stable-4.17 tools/libs/guest/xg_dom_core.c: xc_dom_malloc and neighbours.</remarks>
public sealed class BuilderMemory(BuilderLog log)
{
    private const ulong LoggedFrom = 100 * 1024;

    // sizeof(struct xc_dom_mem) in 64-bit tools: 4.17 added the block's type.
    private readonly ulong _block = log.Release == XenRelease.V4_0 ? 24u : 32u;

    public ulong Allocated { get; private set; }

    public ulong AnonymousMap { get; private set; }

    public ulong FileMap { get; private set; }

    public ulong DomUMap { get; set; }

    /// <summary>xc_dom_malloc.</summary>
    public void Malloc(ulong size)
    {
        Allocated += _block + size;
        if (size > LoggedFrom)
            Print("xc_dom_malloc", size);
    }

    /// <summary>xc_dom_register_external: a buffer that a decompressor has allocated (4.17).</summary>
    public void RegisterExternal(ulong size)
    {
        Allocated += _block;
        AnonymousMap += size;
    }

    /// <summary>xc_dom_malloc_filemap.</summary>
    public void MapFile(ulong size)
    {
        Allocated += _block;
        FileMap += size;
        if (size > LoggedFrom)
            Print("xc_dom_malloc_filemap", size);
    }

    /// <summary>xc_dom_log_memory_footprint.</summary>
    public void LogFootprint()
    {
        log.Print("domain builder memory footprint");
        log.Print("   allocated");
        Print("      malloc", Allocated);
        Print("      anon mmap", AnonymousMap);
        log.Print("   mapped");
        Print("      file mmap", FileMap);
        Print("      domU mmap", DomUMap);
    }

    private void Print(string name, ulong size)
        => log.Print(size switch
        {
            > 32 * 1024 * 1024 => $"{name,-24} : {size / (1024 * 1024)} MB",
            > 32 * 1024 => $"{name,-24} : {size / 1024} kB",
            _ => $"{name,-24} : {size} bytes",
        });
}
