using XenSim.Hypervisor.Public;
using XenSim.Simulator.Session;

namespace XenSim.Oracle.Tests.Simulated;

/// <summary>What the recorded domains were made from (their domain.cfg), on a machine like the recorded one.</summary>
internal static class RecordedDomain
{
    /// <param name="recorded">Whether the kernel is byte for byte the recorded one.</param>
    public static SessionOptions Options(string name, out bool recorded)
    {
        var kernel = RealGuest.Load(name switch
        {
            "grub-pv64" => "grub-x86_64-xen.bin",
            "grub-pvh" => "grub-i386-xen_pvh.bin",
            "linux-5.10-pv" => "vmlinuz-5.10.0-32-amd64",
            _ => "vmlinuz-6.1-amd64",
        });
        recorded = kernel.IsRecorded;
        string path = "/guests/" + (kernel.Name == "vmlinuz-6.1-amd64" ? "vmlinuz-6.1.0-56-amd64" : kernel.Name);
        bool linux = name.StartsWith("linux", StringComparison.Ordinal);
        bool pvh = name.EndsWith("pvh", StringComparison.Ordinal);
        return new()
        {
            Release = XenRelease.V4_17,
            Path = pvh ? BootPath.Hvm : BootPath.DomU,
            Host = new() { MemoryMiB = 3072, Pv32 = false },
            Guest = new()
            {
                Name = name,
                Type = pvh ? GuestType.Pvh : GuestType.Pv,
                Kernel = new(path, kernel.Bytes),
                Ramdisk = linux ? new("/guests/initrd.gz", RecordedRamdisk.Build()) : null,
                CommandLine = name switch
                {
                    "linux-5.10-pv" => "console=hvc0 earlyprintk=xen",
                    "linux-6.1-pv" or "linux-6.1-pvh" => "console=hvc0 earlyprintk=xen panic=1",
                    _ => "",
                },
                MemoryMiB = linux ? 256ul : 128,
            },
        };
    }
}
