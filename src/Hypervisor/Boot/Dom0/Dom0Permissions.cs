using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>What dom0, which is permitted all I/O, is then denied.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c: construct_dom0; stable-4.17 dom0_build.c: dom0_setup_permissions.</remarks>
public sealed record Dom0Permissions(IReadOnlyList<IoRange> DeniedPorts, IReadOnlyList<IoRange> DeniedFrames)
{
    private const int PageShift = 12;
    private const ulong FirstMegabyteFrame = 0x100;

    /// <param name="ioportsDisable">Value of <c>dom0_ioports_disable=</c>: hexadecimal ranges.</param>
    /// <param name="print">Gets the lines that Xen prints about them.</param>
    internal static Dom0Permissions For(
        HostModel host, XenRelease release, IReadOnlyList<E820Entry> memoryMap, string? ioportsDisable, Action<string> print)
    {
        HostFirmware firmware = host.Firmware;
        List<IoRange> ports =
        [
            new(0x20, 0x21), new(0xA0, 0xA1), // interrupt controllers
            new(0x40, 0x43), new(0x61, 0x61), // timer, and its channel 2 with the speaker
            new(firmware.PmTimerPort, firmware.PmTimerPort + 3),
            new(0xCFC, 0xCFF), // PCI configuration data; the address port is emulated
        ];
        foreach (string item in ioportsDisable?.Split(',') ?? [])
        {
            if (TryRange(item) is not { } range)
            {
                print($"Invalid ioport range <{item}> in dom0_ioports_disable, skipping");
                continue;
            }

            print($"Disabling dom0 access to ioport range {range.First:x4}-{range.Last:x4}");
            ports.Add(range);
        }

        List<IoRange> frames = [Page(firmware.LocalApicAddress)];
        if (release == XenRelease.V4_0)
            frames.Add(Page(firmware.IoApicAddress));
        else
            frames.AddRange(Of417(host));
        frames.AddRange(memoryMap.Where(e => e.Type == E820Type.UNUSABLE)
            .Select(e => new IoRange(Math.Max(e.Start >> PageShift, FirstMegabyteFrame), (e.End - 1) >> PageShift))
            .Where(r => r.First <= r.Last));
        return new Dom0Permissions(ports, frames);
    }

    /// <summary>The I/O APIC can be read, see Xen.ReadOnlyMmio. Nothing lies beyond the physical address, nor where messages and HyperTransport do.</summary>
    private static IEnumerable<IoRange> Of417(HostModel host)
    {
        const ulong messages = 0xFEE00, lastMessage = 0xFEEFF, hyperTransport = 0x30_0000;
        int bits = (int)host.Cpuid(0x8000_0008, 0).Eax & 0xFF;
        yield return new IoRange(1UL << (bits - PageShift), ulong.MaxValue);
        yield return new IoRange(messages, lastMessage);
        if (host.Vendor != CpuVendor.AMD)
            yield break;
        ulong end = 1UL << ((host.Family < 0x17 ? 40 : bits) - PageShift);
        yield return new IoRange(end - hyperTransport, end - 1);
    }

    private static IoRange Page(ulong address) => new(address >> PageShift, address >> PageShift);

    private static IoRange? TryRange(string text)
    {
        string[] ends = text.Split('-');
        bool valid = ends.Length is 1 or 2 && ends.All(e => e.Length is > 0 and <= 8 && e.All(char.IsAsciiHexDigit));
        if (!valid)
            return null;
        ulong first = Convert.ToUInt64(ends[0], 16);
        ulong last = Convert.ToUInt64(ends[^1], 16);
        return first <= last && last < 0x10000 ? new IoRange(first, last) : null;
    }
}
