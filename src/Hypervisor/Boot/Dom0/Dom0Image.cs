namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>The boot loader's modules for dom0.</summary>
/// <param name="Name">First word of the module's string, as the loader gives it; Xen strips it.</param>
/// <param name="Kernel">The first module: an ELF file, or a bzImage (4.17: any compressed ELF file), which Xen unpacks.</param>
/// <param name="Ramdisk">The second module; empty for none.</param>
/// <param name="CommandLine">The kernel's own command line, without the name.</param>
public sealed record Dom0Image(string Name, ReadOnlyMemory<byte> Kernel, ReadOnlyMemory<byte> Ramdisk, string CommandLine)
{
    /// <summary>A boot loader that loaded Xen alone.</summary>
    public static readonly Dom0Image NoModule = new("", ReadOnlyMemory<byte>.Empty, ReadOnlyMemory<byte>.Empty, "");

    /// <summary>Xen's decompressors, which the caller provides: the unpacked payload, what is wrong with it, or neither for a compression that is none.</summary>
    public Func<ReadOnlyMemory<byte>, UnpackedKernel>? Unpack { get; init; }
}

/// <summary>What a decompressor made of a payload.</summary>
/// <param name="Bytes">Null: see <paramref name="Error"/>.</param>
/// <param name="Error">Null with null bytes: no known compression.</param>
public readonly record struct UnpackedKernel(ReadOnlyMemory<byte>? Bytes, string? Error);
