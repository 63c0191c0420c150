using System.Globalization;
using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Libxl;

/// <summary>The xenstore entries that build_post writes, the same names in both releases.</summary>
internal static class BuildEntries
{
    public static void Write(DomainBuild build, uint transaction, string domPath, string vmPath)
    {
        TargetDomain target = build.Current;
        DomainConfiguration config = target.Configuration;
        bool is40 = build.Options.Release == XenRelease.V4_0;
        ulong video = config.Type == DomainType.hvm ? config.VideoKiB : 0;
        build.Store.WriteAll(
            transaction,
            domPath,
            ("memory/static-max", Text(config.EffectiveMaximumKiB)),
            ("memory/target", Text(config.MemoryKiB - (is40 ? 0 : video))),
            ("memory/videoram", Text(video)),
            ("domid", Text(target.Domid)),
            ("store/port", Text(target.State.StorePort)),
            ("store/ring-ref", Text(target.State.StoreMfn)));
        for (int i = 0; i < (int)config.Vcpus; i++)
            build.Store.Write(transaction, $"{domPath}/cpu/{i}/availability", IsOnline(config, i, is40) ? "online" : "offline");
        if (!is40 && config.Type == DomainType.hvm)
        {
            build.Store.WriteAll(
                transaction,
                domPath,
                ("platform/acpi", "1"),
                ("platform/acpi_s3", "1"),
                ("platform/acpi_s4", "1"),
                ("platform/acpi_laptop_slate", "0"),
                ("platform/device-model", "qemu_xen"));
        }

        foreach ((string key, string value) in VmEntries(build, config))
            build.Store.Write(transaction, $"{vmPath}/{key}", value);
    }

    private static IEnumerable<(string Key, string Value)> VmEntries(DomainBuild build, DomainConfiguration config)
    {
        ulong now = build.Options.MicrosecondsSince1970();
        string startTime = string.Create(CultureInfo.InvariantCulture, $"{now / 1_000_000}.{now % 1_000_000 / 10_000:d2}");
        switch (config.Type)
        {
            case DomainType.pv:
                yield return ("image/ostype", "linux");
                yield return ("image/kernel", config.Kernel?.Name ?? "");
                yield return ("start_time", startTime);
                if (config.RamdiskName is { } ramdisk)
                    yield return ("image/ramdisk", ramdisk);
                if (config.CommandLine is { } commandLine)
                    yield return ("image/cmdline", commandLine);
                break;
            case DomainType.hvm:
                yield return ("rtc/timeoffset", "");
                yield return ("image/ostype", "hvm");
                yield return ("start_time", startTime);
                break;
            default:
                yield return ("start_time", startTime);
                break;
        }
    }

    /// <summary>4.0: cpu 0 is always online, the others unless the configured mask lacks them.</summary>
    private static bool IsOnline(DomainConfiguration config, int vcpu, bool is40)
        => (is40 && vcpu == 0) || config.OnlineVcpus is not { } mask || vcpu >= 64 || (mask >> vcpu & 1) != 0;

    private static string Text(ulong value) => value.ToString(CultureInfo.InvariantCulture);
}
