using System.Globalization;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;
using XenSim.Simulator.Session;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>
/// A kernel that asks Xen everything prints the same answers here as on real Xen: each line is a case. Where QEMU, on which they were
/// recorded, is no faithful processor, the line expected instead is in deviations.txt with the reason.
/// </summary>
public partial class PvConformanceTests
{
    private const string Folder = "pv-conformance";

    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void Every_case_ends_as_on_real_Xen(int bits)
    {
        GoldenFolder golden = new(Folder);
        using var run = Boot(golden, bits, "");
        Assert.Equal(SessionEnd.PoweredOff, run.Outcome.End);
        Dictionary<string, string> deviations = Deviations(golden, bits);
        List<string> expected = [.. Cases(golden.Lines($"4.17-{bits}.log")).Select(l => deviations.Remove(Name(l), out string? ours) ? ours : l)];
        List<string> actual = [.. Cases(run.Serial())];
        List<string> differences = [.. expected.Zip(actual).Where(p => p.First != p.Second).Take(20).Select(p => $"\nexpected {p.First}\nbut was  {p.Second}")];
        Assert.True(differences.Count == 0, string.Concat(differences));
        Assert.Equal(expected.Count, actual.Count);
        Assert.True(deviations.Count == 0, $"no case has the name of a deviation: {string.Join(", ", deviations.Keys)}");
    }

    /// <summary>load_segments, between two vCPUs on one processor.</summary>
    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void Segments_that_cannot_be_loaded_again_enter_the_failsafe_callback_as_recorded(int bits)
    {
        GoldenFolder golden = new(Folder);
        using var run = Boot(golden, bits, "segments", " dom0_max_vcpus=2");
        Assert.Equal(Cases(golden.Lines($"two-vcpus/4.17-{bits}-segments.log")), Cases(run.Serial()));
    }

    [Theory]
    [MemberData(nameof(Crashes))]
    public void A_domain_ends_with_the_recorded_lines(int bits, string how)
    {
        GoldenFolder golden = new(Folder);
        using var run = Boot(golden, bits, how);
        Assert.Equal(End(golden.Lines($"crashes/4.17-{bits}-{how}.log")), End(run.Serial()));
    }

    public static TheoryData<int, string> Crashes
    {
        get
        {
            TheoryData<int, string> data = [];
            foreach (string name in Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Data", Folder, "crashes")).Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal)!)
            {
                string[] parts = name.Split('-', 3);
                data.Add(int.Parse(parts[1], CultureInfo.InvariantCulture), parts[2]);
            }

            return data;
        }
    }

    /// <summary>The image carries the digest of the sources it was built from: who changes them records again.</summary>
    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void The_image_is_built_from_these_sources(int bits)
    {
        GoldenFolder golden = new(Folder);
        string sources = Path.Combine(AppContext.BaseDirectory, "Data", Folder, "src");
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in Directory.EnumerateFiles(sources).Order(StringComparer.Ordinal))
            hash.AppendData(File.ReadAllBytes(file));
        byte[] digest = hash.GetHashAndReset();
        Assert.True(golden.Bytes($"kernel-{bits}.elf").AsSpan().IndexOf(digest) >= 0, "run src/build.sh and record again: ORIGIN.md");
    }

    private static Simulation Boot(GoldenFolder golden, int bits, string commandLine, string moreOfXen = "") => Simulation.Run(new()
    {
        Release = XenRelease.V4_17,
        Path = BootPath.Dom0,
        Host = new() { MemoryMiB = 1024, Pv32 = bits == 32, CommandLine = "console=com1 com1=115200,8n1 dom0_mem=256M loglvl=all guest_loglvl=all noreboot" + moreOfXen },
        Guest = new() { Name = "pv-conformance", Kernel = new($"kernel-{bits}.elf", golden.Bytes($"kernel-{bits}.elf")), CommandLine = commandLine, MemoryMiB = 256 },
    });

    /// <summary>The kernel's own lines, from its first on.</summary>
    private static IEnumerable<string> Cases(IEnumerable<string> lines)
        => lines.Select(l => l.TrimEnd('\r')).SkipWhile(l => !l.StartsWith("start/", StringComparison.Ordinal)).Where(l => l.Contains('/', StringComparison.Ordinal) && !l.StartsWith("(XEN)", StringComparison.Ordinal)).Select(WithoutResumeFlag);

    /// <summary>What Xen prints of the end, up to how the machine is reset. Where it gave up is an address of its own; frames of tables are the machine's.</summary>
    private static List<string> End(IEnumerable<string> lines) => [.. lines.Select(l => l.TrimEnd('\r')).SkipWhile(l => !l.StartsWith("start/", StringComparison.Ordinal))
        .Where(l => l.StartsWith("(XEN)", StringComparison.Ordinal) && !l.Contains("Resetting with ACPI", StringComparison.Ordinal)).Select(l => WithoutResumeFlag(Frames().Replace(InXen().Replace(l, "entry.S"), "FRAME")))];

    /// <summary>QEMU does not set RF in the flags that a fault pushes (SDM vol. 3B, 17.3.1.1), and forgets to clear it after an instruction.</summary>
    private static string WithoutResumeFlag(string line)
        => FlagsOnStack().Replace(FlagsOfCase().Replace(line, m => m.Groups[1].Value + (Convert.ToUInt64(m.Groups[2].Value, 16) & ~0x10000UL).ToString(m.Groups[1].Value == " fl " ? "x" : "x16", CultureInfo.InvariantCulture)), "0");

    private static string Name(string line) => line.Contains(": ", StringComparison.Ordinal) ? line[..line.LastIndexOf(": ", StringComparison.Ordinal)] : line;

    private static Dictionary<string, string> Deviations(GoldenFolder golden, int bits) => golden.Lines("deviations.txt")
        .Where(l => l.StartsWith($"{bits} ", StringComparison.Ordinal)).Select(l => l[3..]).ToDictionary(Name);

    [GeneratedRegex("( fl |RFLAGS: )([0-9a-f]+)")]
    private static partial Regex FlagsOfCase();

    /// <summary>The same flags as a word of the stack that Xen dumps.</summary>
    [GeneratedRegex(@"(?<=^\(XEN\)   .*\b0{3}(?:0{8})?)1(?=00[0-9a-f]{2}\b)")]
    private static partial Regex FlagsOnStack();

    [GeneratedRegex(@"entry\.S: fault at .*")]
    private static partial Regex InXen();

    [GeneratedRegex(@"(?<=\] = )[0-9a-f]{16}|(?<=cr3: )[0-9a-f]{16}|\b3[ef][0-9a-f]{3}000\b")]
    private static partial Regex Frames();
}
