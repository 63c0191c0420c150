using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Images;

namespace XenSim.Simulator.Session;

/// <summary>The boot loader's part of a dom0 boot: modules in memory, the kernel unpacked.</summary>
internal static class BootLoader
{
    /// <param name="refused">Why the kernel cannot be unpacked; null on success.</param>
    public static Dom0Image? Load(GuestSpec guest, XenRelease release, out string? refused)
    {
        BuilderLog log = new(release, _ => { });
        BuilderMemory memory = new(log);
        ReadOnlyMemory<byte> kernel = guest.Kernel!.Bytes;
        refused = null;
        if (!KernelGunzip.TryGunzip(log, memory, ref kernel) || (IsBzImage(kernel.Span) && KernelLoaders.Find(new LoaderInput(false, "", log, memory), ref kernel) is null))
        {
            refused = log.LastPanic?.Text ?? "cannot be unpacked";
            return null;
        }

        return new Dom0Image(guest.Kernel.Name, kernel, guest.Ramdisk?.Bytes ?? ReadOnlyMemory<byte>.Empty, guest.CommandLine);
    }

    /// <summary>Linux Documentation/arch/x86/boot.rst: "HdrS" at 0x202.</summary>
    private static bool IsBzImage(ReadOnlySpan<byte> kernel) => kernel.Length > 0x206 && kernel.Slice(0x202, 4).SequenceEqual("HdrS"u8);
}
