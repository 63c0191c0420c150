using Stateless;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Tests.Core;

public class LifeAndTableTests
{
    [Fact]
    public void The_run_loops_table_says_what_the_vcpus_declaration_says()
    {
        foreach (VcpuState state in Enum.GetValues<VcpuState>())
        {
            foreach (VcpuTrigger trigger in Enum.GetValues<VcpuTrigger>())
            {
                StateMachine<VcpuState, VcpuTrigger> machine = VcpuLife.Declare(state);
                VcpuState? expected = null;
                if (machine.CanFire(trigger))
                {
                    machine.Fire(trigger);
                    expected = machine.State;
                }

                Assert.Equal(expected, VcpuLife.Next(state, trigger));
            }
        }
    }

    /// <summary>Columns of stable-4.17 xen/include/hypercall-defs.c and RELEASE-4.0.4's tables, as the atlas of both lists them.</summary>
    [Theory]
    [InlineData(XenRelease.V4_0, true)]
    [InlineData(XenRelease.V4_0, false)]
    [InlineData(XenRelease.V4_17, true)]
    public void Every_hypercall_number_has_its_row(XenRelease release, bool host64)
    {
        HypercallTable table = HypercallTable.For(release, host64);
        Assert.Equal(64, table.Rows.Count);
        Assert.All(table.Rows, (row, n) => Assert.Equal((uint)n, row.Number));
        uint[] holes = [11, 43, 44, 45, 46, 47, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63];
        Assert.All(holes, n => Assert.All(table[n].Handlers, Assert.Null));
        Assert.Equal(release == XenRelease.V4_0, table[38].Handlers[(int)CallerKind.Pv64] is not null);
        Assert.Equal(release != XenRelease.V4_0, table[41].Handlers[(int)CallerKind.Pv64] is not null);
        Assert.Equal(release != XenRelease.V4_0, table[(uint)HypercallNumber.console_io].Handlers[(int)CallerKind.Hvm64] is not null);
        Assert.All(table.Rows.Where(r => r.Number is >= 0 and <= 10), r => Assert.Equal(r.Number != 7 || release == XenRelease.V4_0, r.Handlers[(int)CallerKind.Hvm32] is null));
    }
}
