using System.Text.RegularExpressions;
using XenSim.Toolstack.Libxl;
using XenSim.Toolstack.Tests.Images;

namespace XenSim.Toolstack.Tests.Libxl;

/// <summary>The lines that the tools print at -vvv, against the real ones. Left out: what depends on the files themselves (sizes, payload formats).</summary>
public sealed partial class LogLines417Tests
{
    [Theory]
    [InlineData("grub-pv64")]
    [InlineData("linux-5.10-pv")]
    [InlineData("linux-6.1-pv")]
    [InlineData("grub-pvh")]
    [InlineData("linux-6.1-pvh")]
    public void A_build_prints_the_lines_of_the_real_tools(string name)
    {
        (_, ScriptedXen xen, _) = Golden.Run(Golden.Configuration(name));

        Assert.Equal(Comparable(GoldenLog.Lines(name)), Comparable(xen.Log));
    }

    [Theory]
    [InlineData("error-low-memory", 32, DomainType.pv, true, true)]
    [InlineData("error-pv32-refused", 128, DomainType.pv, false, false)]
    [InlineData("error-pvh-kernel-without-note", 64, DomainType.pvh, true, false)]
    [InlineData("error-bad-kernel", 64, DomainType.pv, true, false)]
    public void A_refused_build_prints_the_lines_of_the_real_tools_and_leaves_no_domain(string name, ulong mib, DomainType type, bool is64, bool ramdisk)
    {
        bool bad = name == "error-bad-kernel";
        DomainConfiguration linux = Golden.Configuration("linux-6.1-pv");
        byte[] kernel = bad ? linux.Ramdisk!.Bytes.ToArray() : GoldenLog.Rebuild(GoldenLog.ElfLines(name), is64);
        DomainConfiguration configuration = new()
        {
            Name = name,
            Type = type,
            MemoryKiB = mib * 1024,
            Kernel = new NamedBlob(bad ? "/guests/initrd.gz" : KernelName(name), kernel),
            Ramdisk = ramdisk ? linux.Ramdisk : null,
        };

        (DomainCreation creation, ScriptedXen xen, Toolstack.XenStore.XenStored store) = Golden.Run(configuration);

        Assert.Equal(Comparable(GoldenLog.Lines(name)), Comparable(xen.Log));
        Assert.Equal((3, true), (creation.Build.ExitCode, creation.Build.Guest.Destroyed));
        Assert.EndsWith("XEN_DOMCTL_destroydomain dom=1 in[]", xen.Calls.Last(c => c.StartsWith("domctl", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.DoesNotContain("/libxl/1", string.Join('\n', store.List()), StringComparison.Ordinal);
    }

    private static string KernelName(string name)
    {
        string line = GoldenLog.Lines(name).First(l => l.Contains("xc_dom_kernel_file", StringComparison.Ordinal));
        return line[(line.IndexOf('"', StringComparison.Ordinal) + 1)..^1];
    }

    private static string[] Comparable(IEnumerable<string> lines)
        => [.. lines.Where(IsComparable).Select(Mask)];

    private static bool IsComparable(string line)
        => (line.StartsWith("domainbuilder", StringComparison.Ordinal) || line.StartsWith("xc:", StringComparison.Ordinal) || line.StartsWith("libxl:", StringComparison.Ordinal))
            && !line.Contains("xc_dom_malloc", StringComparison.Ordinal) && !line.Contains("loader", StringComparison.Ordinal) && !line.Contains("bzimage", StringComparison.Ordinal)
            && !line.Contains("XZ", StringComparison.Ordinal) && !Footprint().IsMatch(line) && !line.Contains("ELF: phdr ", StringComparison.Ordinal);

    private static string Mask(string line)
    {
        line = Pointer().Replace(line, "PTR");
        line = DomainNumber().Replace(line, m => $"{m.Groups[1].Value}N");
        line = Machine().Replace(line, "mfn M");
        line = line.Contains("gnt[", StringComparison.Ordinal) ? Frame().Replace(line, "M") : line;
        line = Unzip().Replace(line, "unzip ok, Z ->");
        return Pid().Replace(line, "pid P");
    }

    [GeneratedRegex("0x<user-ptr>")]
    private static partial Regex Pointer();

    [GeneratedRegex(@"(Domain |/local/domain/|: d)\d+")]
    private static partial Regex DomainNumber();

    [GeneratedRegex("mfn 0x[0-9a-f]+")]
    private static partial Regex Machine();

    [GeneratedRegex("0x[0-9a-f]+$")]
    private static partial Regex Frame();

    [GeneratedRegex("unzip ok, 0x[0-9a-f]+ ->")]
    private static partial Regex Unzip();

    [GeneratedRegex(@"pid (\d+|<pid>)")]
    private static partial Regex Pid();

    [GeneratedRegex("detail:       (malloc|anon mmap|file mmap|domU mmap)")]
    private static partial Regex Footprint();
}
