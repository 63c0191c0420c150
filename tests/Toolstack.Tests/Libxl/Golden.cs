using System.IO.Compression;
using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Libxl;
using XenSim.Toolstack.Tests.Images;
using XenSim.Toolstack.XenStore;

namespace XenSim.Toolstack.Tests.Libxl;

/// <summary>The guests of the golden data, rebuilt from what the logs say about them, and the hypercalls that real xl made for them.</summary>
internal static partial class Golden
{
    /// <summary>The initrd unpacks to this many bytes: <c>unzip ok, 0xfbbdf -> 0x1e4610</c> says 16 more.</summary>
    private const int InitrdSize = 0x1e4600;

    public static DomainConfiguration Configuration(string name) => name switch
    {
        "grub-pv64" => new() { Name = name, MemoryKiB = 128 * 1024, Kernel = Kernel(name, "grub-x86_64-xen.bin"), Uuid = Handle(name) },
        "linux-5.10-pv" => new()
        {
            Name = name,
            MemoryKiB = 256 * 1024,
            Kernel = Kernel(name, "vmlinuz-5.10.0-32-amd64"),
            Ramdisk = Initrd(),
            CommandLine = "console=hvc0 earlyprintk=xen",
            Uuid = Handle(name),
        },
        "linux-6.1-pv" => new()
        {
            Name = name,
            MemoryKiB = 256 * 1024,
            Kernel = Kernel(name, "vmlinuz-6.1.0-56-amd64"),
            Ramdisk = Initrd(),
            CommandLine = "console=hvc0 earlyprintk=xen panic=1",
            Uuid = Handle(name),
        },
        "grub-pvh" => new() { Name = name, Type = DomainType.pvh, MemoryKiB = 128 * 1024, Kernel = Kernel(name, "grub-i386-xen_pvh.bin", is64: false), Uuid = Handle(name) },
        "linux-6.1-pvh" => new()
        {
            Name = name,
            Type = DomainType.pvh,
            MemoryKiB = 256 * 1024,
            Kernel = Kernel(name, "vmlinuz-6.1.0-56-amd64"),
            Ramdisk = Initrd(),
            CommandLine = "console=hvc0 earlyprintk=xen panic=1",
            TscMode = TscMode.Native,
            Uuid = Handle(name),
        },
        _ => throw new ArgumentOutOfRangeException(nameof(name)),
    };

    public static (DomainCreation Creation, ScriptedXen Xen, XenStored Store) Run(DomainConfiguration configuration, XenRelease release = XenRelease.V4_17, Action<ScriptedXen>? script = null, ToolstackOptions? options = null)
    {
        ScriptedXen xen = new(release);
        script?.Invoke(xen);
        return Run(xen, configuration, release, options);
    }

    public static (DomainCreation Creation, ScriptedXen Xen, XenStored Store) Run(ScriptedXen xen, DomainConfiguration configuration, XenRelease release, ToolstackOptions? options = null)
    {
        XenStored store = new(release, xen);
        ToolstackOptions all = new() { Release = release, Channel = xen, Foreign = xen, Store = new ToolStore(store), Events = xen, Faults = options?.Faults };
        DomainCreation creation = new Xl(all).CreateDomain(configuration, paused: true);
        creation.Machine.Run();
        return (creation, xen, store);
    }

    /// <summary>The calls between createdomain and the end that are not queries for the tool's own use, in the words of <see cref="ScriptedXen"/>.</summary>
    public static string[] Hypercalls(string name)
    {
        string[] lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Data", "Hypercalls", name + ".log"));
        int first = Array.FindIndex(lines, l => l.Contains("XEN_DOMCTL_createdomain", StringComparison.Ordinal));
        int last = Array.FindLastIndex(lines, l => l.Contains("XEN_DOMCTL_scheduler_op", StringComparison.Ordinal));
        return [.. lines[first..(last + 1)].Where(IsBuild).Select(Normalise)];
    }

    /// <summary>Cuts our calls to what <see cref="Hypercalls"/> keeps of the real ones.</summary>
    public static string[] Ours(ScriptedXen xen)
    {
        int first = xen.Calls.FindIndex(l => l.Contains("XEN_DOMCTL_createdomain", StringComparison.Ordinal));
        int last = xen.Calls.FindLastIndex(l => l.Contains("XEN_DOMCTL_scheduler_op", StringComparison.Ordinal));
        return [.. xen.Calls[first..(last + 1)].Where(IsBuild)];
    }

    /// <summary>Asserts equality up to frames of PV domains, addresses in xl's process and stack junk, all of which the oracle marks.</summary>
    public static void AssertSame(string[] expected, string[] actual, ushort realDomain, bool pv)
    {
        for (int i = 0; i < Math.Min(expected.Length, actual.Length); i++)
            Assert.Equal(Mask(expected[i], expected[i], realDomain, pv), Mask(actual[i], expected[i], realDomain, pv));
        Assert.Equal(expected.Length, actual.Length);
    }

    public static ushort RealDomain(string name) => name switch
    {
        "grub-pv64" => 8,
        "grub-pvh" => 11,
        "linux-5.10-pv" => 1,
        "linux-6.1-pv" => 1,
        _ => 2,
    };

    private static bool IsBuild(string line)
        => !line.Contains("getdomaininfolist", StringComparison.Ordinal) && !line.Contains("xsm_op", StringComparison.Ordinal) && !line.Contains("physinfo", StringComparison.Ordinal)
            && !line.Contains("cpupool_op", StringComparison.Ordinal) && !line.Contains("numainfo", StringComparison.Ordinal) && !line.Contains("cputopoinfo", StringComparison.Ordinal)
            && !line.Contains("cpu-policy", StringComparison.Ordinal);

    private static string Normalise(string line)
    {
        line = Prefix().Replace(line, "");
        line = line.Replace("memory_op [via multicall] ", "memory_op ", StringComparison.Ordinal);
        line = Number().Replace(line, "$1 ");
        line = line.Replace(" ver=15", "", StringComparison.Ordinal).Replace(" vcpu=0", "", StringComparison.Ordinal).Replace(" addr=set", "", StringComparison.Ordinal);
        line = Tail().Replace(line, "");
        line = PopulateTail().Replace(line, "$1");
        line = MapTail().Replace(line, "$1");
        line = XenVersion().Replace(line, "xen_version $1");
        line = Mmuext().Replace(line, "mmuext_op $2 $1");
        line = line.Replace("  ", " ", StringComparison.Ordinal);
        return Input().Replace(line, m => $"in[{m.Groups[1].Value.Replace(" ", "", StringComparison.Ordinal)}]");
    }

    private static string Mask(string line, string expected, ushort realDomain, bool pv)
    {
        line = Domain().Replace(line, m => m.Groups[1].Value == "65535" ? "dom=new" : m.Groups[1].Value is var d && (d == $"{realDomain}" || d == "1") ? "dom=D" : $"dom={d}");

        // A payload is compared up to the first byte that is an address or junk.
        Match input = Input().Match(expected);
        if (input.Success)
        {
            string real = input.Groups[1].Value;
            int known = real.IndexOf('<');
            bool frame = pv && expected.Contains("hypercall_init", StringComparison.Ordinal);
            line = Input().Replace(line, m =>
            {
                string own = m.Groups[1].Value;
                if (frame || real == "-" || expected.Contains("scheduler_op", StringComparison.Ordinal))
                    return "in[*]";
                if (known >= 0)
                    return $"in[{own.PadRight(known, '0')[..known]}*]";
                return $"in[{Zeros().Replace(own, "")}]";
            });
            line = DomidInPayload(line, realDomain);
        }
        else
        {
            line = Input().Replace(line, "");
        }

        if (expected.Contains("scheduler_op", StringComparison.Ordinal))
            line = line[..line.IndexOf("dom=D", StringComparison.Ordinal)];
        if (pv)
            line = Gfns().Replace(line, "");

        // The save header's last word is the host CPU's, given out by Xen and handed back.
        if (line.Contains("sethvmcontext", StringComparison.Ordinal))
            line = SaveHeader().Replace(line, "+18:CPU ");
        return Cr3().Replace(line, "+1390:CR3").TrimEnd();
    }

    /// <summary>event_channel_op, hvm_op and claim_pages carry the domid in the payload.</summary>
    private static string DomidInPayload(string line, ushort realDomain)
    {
        string real = Convert.ToHexStringLower(BitConverter.GetBytes(realDomain)).TrimEnd('0');
        real = real.Length % 2 == 0 ? real : real + "0";
        if (line.StartsWith("event_channel_op", StringComparison.Ordinal) || line.StartsWith("hvm_op", StringComparison.Ordinal))
            return LeadingDomid().Replace(line, m => m.Groups[1].Value == real || m.Groups[1].Value == "01" ? "in[D" : m.Value);
        return line.Contains("claim_pages", StringComparison.Ordinal) ? TrailingDomid().Replace(line, m => m.Groups[1].Value == real || m.Groups[1].Value == "01" ? "D]" : m.Value) : line;
    }

    private static NamedBlob Kernel(string name, string file, bool is64 = true) => new("/guests/" + file, GoldenLog.Rebuild(GoldenLog.ElfLines(name), is64));

    private static NamedBlob Initrd()
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Optimal, leaveOpen: true))
            gzip.Write(new byte[InitrdSize]);
        return new NamedBlob("/guests/initrd.gz", packed.ToArray());
    }

    private static Guid Handle(string name)
    {
        string line = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "Hypercalls", name + ".log")).First(l => l.Contains("handle=", StringComparison.Ordinal));
        return Guid.ParseExact(HandleText().Match(line).Groups[1].Value, "N");
    }

    [GeneratedRegex(@"^HC \d+ ")]
    private static partial Regex Prefix();

    [GeneratedRegex(@"((?:XEN_DOMCTL|XEN_SYSCTL|XENMEM|EVTCHNOP|HVMOP)_\w+)\((?:cmd=)?[0-9a-f]+\) ?")]
    private static partial Regex Number();

    [GeneratedRegex(@" out\[[^]]*\].*$| -> \S+.*$")]
    private static partial Regex Tail();

    [GeneratedRegex(@"(in\{[^}]*\}) out\{.*$")]
    private static partial Regex PopulateTail();

    [GeneratedRegex(@"(e820 .*\}) in\[.*$")]
    private static partial Regex MapTail();

    [GeneratedRegex(@"xen_version \w+\((\d+)\)")]
    private static partial Regex XenVersion();

    [GeneratedRegex(@"mmuext_op n=1 (dom=\d+) \{(\w+).*$")]
    private static partial Regex Mmuext();

    [GeneratedRegex(@"in\[([^]]*)\]")]
    private static partial Regex Input();

    [GeneratedRegex(@"dom=(\d+)")]
    private static partial Regex Domain();

    [GeneratedRegex(@"0+$")]
    private static partial Regex Zeros();

    [GeneratedRegex(@" gfns\{[^}]*\}")]
    private static partial Regex Gfns();

    [GeneratedRegex(@"\+18:[0-9a-f]+ ")]
    private static partial Regex SaveHeader();

    [GeneratedRegex(@"\+1390:[0-9a-f]+")]
    private static partial Regex Cr3();

    [GeneratedRegex(@"in\[([0-9a-f]{2})")]
    private static partial Regex LeadingDomid();

    [GeneratedRegex(@"([0-9a-f]{2})\]$")]
    private static partial Regex TrailingDomid();

    [GeneratedRegex(@"handle=([0-9a-f]{32})")]
    private static partial Regex HandleText();
}
