using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Toolstack.Tests.Libxl;

/// <summary>The whole of xl create under 4.17 against what the real tools did for the same images.</summary>
public sealed class CreateDomain417Tests
{
    [Theory]
    [InlineData("grub-pv64")]
    [InlineData("linux-5.10-pv")]
    [InlineData("linux-6.1-pv")]
    [InlineData("grub-pvh")]
    [InlineData("linux-6.1-pvh")]
    public void The_hypercalls_of_a_build_are_those_of_real_xl_in_the_same_order(string name)
    {
        (DomainCreation creation, ScriptedXen xen, _) = Golden.Run(Golden.Configuration(name));

        Assert.Equal(StageOutcome.Ok, creation.Machine.Outcome);
        Assert.Equal(0, creation.Build.ExitCode);
        Golden.AssertSame(Golden.Hypercalls(name), Golden.Ours(xen), Golden.RealDomain(name), pv: name.EndsWith("pv", StringComparison.Ordinal) || name.EndsWith("pv64", StringComparison.Ordinal));
        Assert.Equal(0, xen.OpenMappings);
    }
}
