namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>The boot loader's modules for dom0. A compressed kernel comes decompressed: that part of the work is the simulator's.</summary>
/// <param name="Name">First word of the module's string, as the loader gives it; Xen strips it.</param>
/// <param name="Kernel">The ELF file.</param>
/// <param name="Ramdisk">The second module; empty for none.</param>
/// <param name="CommandLine">The kernel's own command line, without the name.</param>
public sealed record Dom0Image(string Name, ReadOnlyMemory<byte> Kernel, ReadOnlyMemory<byte> Ramdisk, string CommandLine);
