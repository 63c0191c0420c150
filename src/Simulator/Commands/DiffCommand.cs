using System.CommandLine;
using XenSim.Simulator.Input;
using XenSim.Simulator.Tracing;
using XenSim.Simulator.Tracing.Traces;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim diff</c></summary>
internal static class DiffCommand
{
    public static Command Build(Terminal terminal)
    {
        Argument<string> first = new("A") { Description = "A trace, as --trace writes it." };
        Argument<string> second = new("B") { Description = "The trace to compare it with." };
        Option<string[]> only = Options.Repeated("--only", "Compare events of this type only, as in HypercallEntered; may be repeated.", "EVENT");
        Option<string[]> ignore = Options.Repeated("--ignore", "Leave events of this type out; may be repeated.", "EVENT");
        Command command = new("diff",
            """
            Finds the first event in which two traces differ, and shows the state there.

            Events are compared, not text: number and time do not count. Exit codes: 0 they are the same,
            1 they differ, 2 bad input.

            Examples:
              xensim diff passing.jsonl failing.jsonl
              xensim diff xen-4.0.jsonl xen-4.17.jsonl --only HypercallEntered
            """)
        {
            first, second, only, ignore,
        };
        command.SetAction(parsed =>
        {
            string a = parsed.GetRequiredValue(first), b = parsed.GetRequiredValue(second);
            string[] wanted = Checked(parsed.GetValue(only)), unwanted = Checked(parsed.GetValue(ignore));
            bool Counts(TraceLine line)
            {
                string name = line.Name.ToString();
                return (wanted.Length == 0 || wanted.Contains(name)) && !unwanted.Contains(name);
            }

            TraceDifference? difference = TraceDiff.Find(TraceFile.Read(a).Where(Counts), TraceFile.Read(b).Where(Counts));
            foreach (string line in difference?.Lines(a, b) ?? [$"{a} and {b} have the same events"])
                terminal.Out.WriteLine(line);
            return (int)(difference is null ? ExitCode.Success : ExitCode.Failure);
        });
        return command;
    }

    private static string[] Checked(string[]? names)
    {
        foreach (string name in names ?? [])
        {
            if (!EventNames.All.Contains(name))
                throw new InputException("xensim diff", $"there is no event \"{name}\"", NearestName.Hint(name, [.. EventNames.All]));
        }

        return names ?? [];
    }
}
