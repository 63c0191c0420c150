using System.Text;
using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Scheduling;

namespace XenSim.Hypervisor.Tests.Boot.Dom0;

/// <summary>Origin: the console of the test kernel as dom0 on real Xen.</summary>
public sealed partial class TestKernelRunTests
{
    public static TheoryData<string> Boots => [.. Dom0Boots.Names];

    /// <summary>Everything but machine frames (page tables, p2m, shared_info), the compiler's record, and the page's slots, which have tests of their own.</summary>
    [Theory]
    [MemberData(nameof(Boots))]
    public void The_kernel_prints_what_it_printed_on_real_Xen(string name)
    {
        using BootRun run = Dom0Boots.Run(name);
        run.Xen.Run(new RunLimits { Instructions = 20_000_000 });

        string console = Encoding.Latin1.GetString([.. run.Events.OfType<ConsoleOutput>().SelectMany(o => o.Bytes)]);
        Assert.Equal(Comparable(TestData.Lines($"Dom0TestKernel/{name}.log")), Comparable(console.Split('\n')));
    }

    /// <summary>
    /// The recording machine (QEMU's TCG) leaves the accessed bit of e008 clear when the ring-0 stubs call through it; a
    /// processor sets it (SDM vol. 3A, 3.4.5.1), as ours does.
    /// </summary>
    private static string WithAccessedCode(string line) => line.Replace("SEL e008 lar 00c09a00", "SEL e008 lar 00c09b00", StringComparison.Ordinal);

    private static string[] Comparable(IEnumerable<string> lines)
    {
        bool compileInfo = false;
        List<string> kept = [];
        foreach (string line in lines.Select(l => WithAccessedCode(l.TrimEnd('\r'))))
        {
            if (line.StartsWith("XENVER", StringComparison.Ordinal))
                compileInfo = line.StartsWith("XENVER compile_info", StringComparison.Ordinal);
            if (KernelLine().IsMatch(line) && !(compileInfo && line.StartsWith("  raw", StringComparison.Ordinal)))
                kept.Add(line);
        }

        return [.. kept];
    }

    [GeneratedRegex("^(BEGIN|REG|SI (?!shared_info)|XENVER|  raw|SEL|HC|END|Test result)")]
    private static partial Regex KernelLine();
}
