namespace XenSim.Simulator.Debugging;

/// <summary>Who put something there, in words.</summary>
internal static class Why
{
    public static IEnumerable<string> Lines(DebugSession debug, WhyReport why)
    {
        string what = why.What is MemoryWatch m ? $"the byte at {(m.Space == AddressSpace.Virtual ? "" : m.Space == AddressSpace.Machine ? "machine " : "guest-physical ")}0x{m.Address:x}" : ((RegisterWatch)why.What).Register;
        string value = why.Value.Length == 0 ? "nothing" : Prompt.StopView.Value(why.Value);
        if (why.Moment is not { } moment)
        {
            yield return $"{what} is {value}: nobody has written it since the beginning.";
            yield break;
        }

        if (why.Instruction is { } instruction)
        {
            string at = Prompt.CodeView.NameOf(debug, instruction.Linear) is { } name ? $"0x{instruction.Linear:x} <{name}>" : $"0x{instruction.Linear:x}";
            yield return $"{what} is {value}: written by {why.Vcpu} at {at}: {Prompt.CodeView.Text(debug, instruction)}";
        }
        else
        {
            // A stage that writes a page is not always named as the function that does.
            IEnumerable<string> path = why.Path.Select(f => f.IsHypercall ? $"{f.Name} (hypercall)" : f.Name);
            string first = why.Path.Count > 0 && why.Path[0].Name == why.By ? "" : $"{why.By} ← ";
            yield return $"{what} is {value}: written by {first}{string.Join(" ← ", path)}";
        }

        yield return moment.InEvent ? $"goto event {moment.Event - 1}" : $"goto instruction {moment.Instruction}";
    }
}
