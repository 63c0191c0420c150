using System.Globalization;
using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Oracle.Tests.Golden;

/// <summary>
/// The guest's hypercalls as xentrace saw them, each in the form that ours are brought into: its name, and of its arguments those that Xen's
/// trace records keep (stable-4.17 xen/common/trace.c: __trace_hypercall).
/// </summary>
/// <remarks>
/// A call that Xen interrupts and continues has several records. They count as one: continuations of mmu_update and mmuext_op bear bit 31
/// of their count (MMU_UPDATE_PREEMPTED), that of a multicall the number of calls left over.
/// </remarks>
internal static partial class GuestCallTrace
{
    private const ulong Preempted = 0x80000000;

    public static List<string> Parse(IEnumerable<string> lines)
    {
        var calls = new List<string>();
        ulong leftInMulticall = 0;
        foreach (string line in lines.Where(l => !l.StartsWith('#')))
        {
            var m = Line().Match(line);
            Assert.True(m.Success, line);
            ulong[] arguments = [.. m.Groups["value"].Captures.Select(c => ulong.Parse(c.Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
            string name = m.Groups["name"].Value;
            if (name is "mmu_update" or "mmuext_op" && (arguments[0] & Preempted) != 0)
            {
                continue;
            }

            int times = m.Groups["times"].Success ? int.Parse(m.Groups["times"].Value, CultureInfo.InvariantCulture) : 1;
            for (int i = 0; i < times; i++)
            {
                if (m.Groups["inner"].Success)
                {
                    leftInMulticall--;
                }
                else if (name == "multicall")
                {
                    bool goesOn = leftInMulticall > 0;
                    Assert.True(!goesOn || leftInMulticall == arguments[0], line);
                    leftInMulticall = arguments[0];
                    if (goesOn)
                    {
                        continue;
                    }
                }

                calls.Add(Render(name, arguments));
            }
        }

        return calls;
    }

    /// <param name="arguments">Those that are traced, in order.</param>
    private static string Render(string name, ulong[] arguments) => name switch
    {
        "grant_table_op" => $"{name} {XenNames.GrantTableOp((uint)arguments[0])} {arguments[1]}",
        "vcpu_op" => $"{name} {XenNames.VcpuOp((uint)arguments[0])} {arguments[1]}",
        "sched_op" => $"{name} {XenNames.SchedOp((uint)arguments[0])}",
        "mmu_update" or "mmuext_op" or "multicall" => $"{name} {arguments[0]}",
        _ => name,
    };

    [GeneratedRegex(@"^ *\d+( x(?<times>\d+))? +(?<inner>\. )?(?<name>\w+)\(\d+\)( a\d=0x(?<value>[0-9a-f]+))*$")]
    private static partial Regex Line();
}
