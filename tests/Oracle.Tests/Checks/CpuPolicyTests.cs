using System.Globalization;
using System.Text.RegularExpressions;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Public.Events;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>The CPUID policy that our tools and our Xen 4.17 give a domain on the recorded machine is the recorded one, leaf by leaf.</summary>
public partial class CpuPolicyTests
{
    [Theory]
    [InlineData("grub-pv64")]
    [InlineData("linux-5.10-pv")]
    [InlineData("linux-6.1-pv")]
    [InlineData("grub-pvh")]
    [InlineData("linux-6.1-pvh")]
    public void The_tools_set_the_recorded_leaves(string name)
    {
        var golden = new GoldenFolder(name).Lines("create-interleaved.log").Select(l => RecordedLeaf().Match(l)).Where(m => m.Success)
            .Select(m => $"{m.Groups["leaf"].Value}: {m.Groups["registers"].Value}").ToList();
        Assert.InRange(golden.Count, 52, 59);
        using var run = Build(name);
        var call = Assert.Single(run.Events.OfType<HypercallEntered>(), e => e.SubOperation == "XEN_DOMCTL_set_cpu_policy");
        Assert.Equal(0u, call.Arguments.Single(a => a.Name == "nr_msrs").Value);
        Assert.Equal(golden, call.Arguments.Where(a => a.Text is not null).Select(a => $"{a.Name}: {a.Text}"));
    }

    /// <summary>The trace does not say which sub-leaf was asked for: one of the first three must have the recorded registers.</summary>
    [Theory]
    [InlineData("grub-pvh")]
    [InlineData("linux-6.1-pvh")]
    public void A_translated_guest_reads_the_recorded_leaves(string name)
    {
        using var run = Build(name);
        var vcpu = run.Session.FindSubject()!.Vcpus[0];
        var answers = new GoldenFolder(name).Lines("guest-exits-in-order.txt").Select(l => RecordedAnswer().Match(l)).Where(m => m.Success).ToList();
        Assert.NotEmpty(answers);
        foreach (var answer in answers)
        {
            uint[] recorded = [.. answer.Groups["r"].Captures.Select(c => Hex(c.Value))];
            uint leaf = Hex(answer.Groups["leaf"].Value);
            var ours = Enumerable.Range(0, 3).Select(sub => vcpu.PolicyCpuid(leaf, (uint)sub));
            const uint withDomainId = 0x40000004; // in ECX, another one in each recording
            uint ecx = leaf == withDomainId ? vcpu.Domain.Id.Value : recorded[2];
            Assert.True(ours.Contains(new CpuidResult(recorded[0], recorded[1], ecx, recorded[3])), $"{answer.Value}\n  ours: {string.Join("; ", ours)}");
        }
    }

    /// <summary><c>xl info</c>'s hw_caps: the host's featureset as physinfo gives it.</summary>
    [Fact]
    public void The_hosts_capabilities_are_the_recorded_ones()
    {
        string recorded = new GoldenFolder("").Lines("plain-xl-session.txt").Single(l => l.StartsWith("hw_caps", StringComparison.Ordinal)).Split(": ")[1];
        using var run = Build("grub-pv64");
        Assert.Equal(recorded, string.Join(':', HostQueries.HardwareCapabilities(run.Session.Xen).Select(w => w.ToString("x8", CultureInfo.InvariantCulture))));
    }

    private static Simulation Build(string name) => Simulation.Run(RecordedDomain.Options(name, out _) with { Paused = true });

    private static uint Hex(string digits) => uint.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^HC +(?<leaf>leaf [0-9a-f]{8}\.[0-9a-f]{8}): (?<registers>[0-9a-f ]+)$")]
    private static partial Regex RecordedLeaf();

    [GeneratedRegex(@"CPUID leaf (?<leaf>[0-9a-f]+) -> eax (?<r>[0-9a-f]+) ebx (?<r>[0-9a-f]+) ecx (?<r>[0-9a-f]+) edx (?<r>[0-9a-f]+)")]
    private static partial Regex RecordedAnswer();
}
