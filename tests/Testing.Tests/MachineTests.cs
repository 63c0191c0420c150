using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Input;
using XenSim.Simulator.Scenarios;
using XenSim.Simulator.Session;

namespace XenSim.Testing.Tests;

/// <summary>The fluent builder over both boot paths, and what it says when something does not hold.</summary>
public sealed class MachineTests
{
    private static readonly Machine s_pv64 = Machine.Xen(XenRelease.V4_17).DomU("pv64").Memory(32);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    /// <summary>Digest: atlas of hypercall pages, 4.17 ring 3; see tests/Hypervisor.Tests/HypercallPages.</summary>
    [Fact]
    public void A_domU_boots_and_its_expectations_hold()
        => s_pv64.Expect(e => e
            .Outcome(SessionEnd.PoweredOff)
            .Stages("libxl__build_pv", "setup_hypercall_page")
            .Hypercalls("XEN_DOMCTL_hypercall_init", "xen_version")
            .Page("ring3")
            .Console("sched_op(shutdown, poweroff): bye")).Run(Stop);

    [Fact]
    public void A_dom0_boots_on_the_other_path()
    {
        Boot boot = Machine.Xen(XenRelease.V4_0).Host(CpuVendor.Intel).HostMemory(512).Dom0("pv64").Run(Stop);
        Assert.Equal(SessionEnd.PoweredOff, boot.Outcome.End);
        Assert.Contains("construct_dom0", boot.Stages);
        Assert.Empty(boot.Hypercalls(by: Issuer.Toolstack));
        Assert.Contains(boot.Log, l => l.StartsWith("(XEN) ", StringComparison.Ordinal));
    }

    [Fact]
    public void A_pvh_guest_has_the_page_of_its_hosts_vendor()
        => Machine.Xen(XenRelease.V4_17).Host(CpuVendor.Intel).Pvh("hvm").Expect(e => e.Page("vmx")).Run(Stop);

    [Fact]
    public void A_refused_hypercall_fails_the_stage_that_made_it()
    {
        Boot boot = s_pv64.FailHypercall("XEN_DOMCTL_hypercall_init", XenErrno.EPERM)
            .Expect(e => e.Outcome(SessionEnd.BuildFailed).Failure("setup_hypercall_page", XenErrno.EPERM)).Run(Stop);
        Assert.Equal(0, boot.Instructions);
        Assert.Equal(-(long)XenErrno.EPERM, Assert.Single(boot.Hypercalls("XEN_DOMCTL_hypercall_init")).Result);
    }

    [Fact]
    public void What_does_not_hold_is_said_with_what_came_instead_and_the_guests_last_words()
    {
        ScenarioFailedException e = Assert.Throws<ScenarioFailedException>(() => s_pv64.Expect(x => x.Page("ring1").Console("never said")).Run(Stop));
        Assert.Contains("page: expected flavour ring1, got ring3", e.Message, StringComparison.Ordinal);
        Assert.Contains("console: \"never said\" is not on the console", e.Message, StringComparison.Ordinal);
        Assert.Contains("the guest's console ends:", e.Message, StringComparison.Ordinal);
        Assert.Contains("bye", e.Message, StringComparison.Ordinal);
        Assert.Equal(SessionEnd.PoweredOff, e.Boot.Outcome.End);
    }

    [Fact]
    public void Without_expectations_only_a_missing_verdict_fails()
    {
        Assert.Equal(SessionEnd.BuildFailed, s_pv64.FailStage("xc_dom_boot_image", XenErrno.EINVAL).Run(Stop).Outcome.End);
        ScenarioFailedException e = Assert.Throws<ScenarioFailedException>(() => s_pv64.LimitInstructions(100).Run(Stop));
        Assert.Contains("a limit was reached", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_machine_is_a_scenario_file_too()
    {
        string yaml = s_pv64.Vcpus(2).Expect(e => e.Outcome(SessionEnd.PoweredOff)).ToScenario();
        Scenario scenario = Assert.Single(ScenarioFile.Parse("machine.yaml", System.Text.Encoding.UTF8.GetBytes(yaml), _ => []));
        Assert.Equal(2u, scenario.Session.Guest.Vcpus);
        Assert.Equal(32ul, scenario.Session.Guest.MemoryMiB);
    }

    [Fact]
    public void Each_call_changes_a_copy()
    {
        string before = s_pv64.ToScenario();
        _ = s_pv64.Memory(64).FailStage("build_pre", XenErrno.EIO).Expect(e => e.Console("x"));
        Assert.Equal(before, s_pv64.ToScenario());
    }

    [Fact]
    public void A_kernel_in_memory_is_one_by_its_name()
    {
        Boot boot = Machine.Xen(XenRelease.V4_17).DomU("empty.elf").File("empty.elf", []).Run(Stop);
        Assert.Equal(SessionEnd.BuildFailed, boot.Outcome.End);
    }

    [Theory]
    [InlineData("guest.memroy", "memory")]
    [InlineData("hots.bits", "host")]
    public void A_wrong_key_is_refused_with_the_nearest_right_one(string key, string meant)
    {
        InputException e = Assert.Throws<InputException>(() => s_pv64.With(key, 1).Run(Stop));
        Assert.Contains($"\"{meant}\"", e.Message, StringComparison.Ordinal);
    }
}
