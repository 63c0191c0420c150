using XenSim.Hypervisor.Boot.Dom0;
using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Images;

namespace XenSim.Simulator.Session;

/// <summary>The boot loader's part of a dom0 boot: modules for Xen. GRUB unpacks what gzip packed (4.17 could itself), the rest is Xen's.</summary>
internal static class BootLoader
{
    /// <param name="refused">Why the kernel cannot be read; null on success.</param>
    public static Dom0Image? Load(GuestSpec guest, XenRelease release, out string? refused)
    {
        refused = null;
        if (ReferenceEquals(guest.Kernel, NamedBytes.None))
            return Dom0Image.NoModule;
        BuilderLog log = new(release, _ => { });
        ReadOnlyMemory<byte> kernel = guest.Kernel!.Bytes;
        if (!KernelGunzip.TryGunzip(log, new BuilderMemory(log), ref kernel))
        {
            refused = log.LastPanic?.Text ?? "cannot be unpacked";
            return null;
        }

        return new Dom0Image(guest.Kernel.Name, kernel, guest.Ramdisk?.Bytes ?? ReadOnlyMemory<byte>.Empty, guest.CommandLine)
        {
            Unpack = payload => KernelPayload.TryUnpack(release, payload, out ReadOnlyMemory<byte>? unpacked, out string? error)
                ? new UnpackedKernel(unpacked, null)
                : new UnpackedKernel(null, error),
        };
    }
}
