using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Images;

/// <summary>The decompressors alone, for who unpacks a kernel without libxc around it: Xen has the same set in each release.</summary>
public static class KernelPayload
{
    /// <param name="unpacked">Null: no known compression.</param>
    /// <param name="error">What is wrong with the payload; null if nothing is, or if its compression is unknown.</param>
    /// <returns>Whether it was unpacked.</returns>
    public static bool TryUnpack(XenRelease release, ReadOnlyMemory<byte> payload, out ReadOnlyMemory<byte>? unpacked, out string? error)
    {
        string? said = null;
        BuilderLog log = new(release, line => said = line.Text);
        PayloadFormat? format = PayloadFormats.Find(release, payload.Span);
        unpacked = format?.Decode(log, new BuilderMemory(log), payload);
        error = format is null || unpacked is not null ? null : log.LastPanic?.Text ?? said ?? $"the {format.Name} payload is damaged";
        return unpacked is not null;
    }
}
