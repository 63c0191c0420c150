using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Tests.Tracing;

public sealed class StageRecordTests
{
    [Fact]
    public void A_machine_that_begins_within_another_stands_below_its_caller()
    {
        StageRecord record = Recorded(
            new StageEntered(Side.Toolstack, "m", "create_domain", 0), new StageEntered(Side.Toolstack, "m", "setup_hypercall_page", 1),
            new StageEntered(Side.Hypervisor, "m", "do_domctl", 0), new StageEntered(Side.Hypervisor, "m", "arch_do_domctl", 1),
            new StageReturned(Side.Hypervisor, "m", "arch_do_domctl", 1), new StageReturned(Side.Hypervisor, "m", "do_domctl", 0),
            new StageReturned(Side.Toolstack, "m", "setup_hypercall_page", 1), new StageEntered(Side.Toolstack, "m", "pin_table", 1));
        Assert.Equal([("create_domain", 0), ("setup_hypercall_page", 1), ("do_domctl", 2), ("arch_do_domctl", 3), ("pin_table", 1)], record.Shown().Select(r => (r.Stage, r.Depth)));
    }

    [Fact]
    public void A_machine_that_ended_well_before_another_is_one_row_and_the_last_one_is_shown_whole()
    {
        XenEvent[] boot = [new StageEntered(Side.Hypervisor, "m", "__start_xen", 0), new StageEntered(Side.Hypervisor, "m", "init_IRQ", 1), new StageReturned(Side.Hypervisor, "m", "init_IRQ", 1)];
        Assert.Equal(["__start_xen (not returned)", "  init_IRQ"], StageTree.PlainLines(Recorded(boot)));
        Assert.Equal(
            ["__start_xen (1 stages)", "create_domain failed: -22, EINVAL: no"],
            StageTree.PlainLines(Recorded(
                [.. boot, new StageReturned(Side.Hypervisor, "m", "__start_xen", 0), new StageEntered(Side.Toolstack, "m", "create_domain", 0), new StageFailed(Side.Toolstack, "m", "create_domain", 0, -22, XenErrno.EINVAL, "no", Injected: false)])));
    }

    private static StageRecord Recorded(params ReadOnlySpan<XenEvent> events)
    {
        StageRecord record = new();
        EventStream stream = new(() => 0);
        stream.Add(record);
        foreach (XenEvent e in events)
            stream.Emit(e);
        return record;
    }
}
