using XenSim.Simulator.Session;
using XenSim.Toolstack.Images;

namespace XenSim.Simulator.Debugging;

/// <summary>The symbols of the kernel that a session boots.</summary>
internal static class GuestSymbols
{
    /// <summary>From its ELF image, also a gzip'd one; none for what has none (a bzImage is stripped).</summary>
    public static Symbols Of(SessionOptions options)
    {
        if (options.Guest.Kernel is not { } kernel)
            return Symbols.None;
        ReadOnlyMemory<byte> image = kernel.Bytes;
        BuilderLog log = new(options.Release, _ => { });
        return KernelGunzip.TryGunzip(log, new BuilderMemory(log), ref image) ? Symbols.Read(image.Span) : Symbols.None;
    }
}
