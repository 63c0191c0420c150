using Stateless.Reflection;

namespace XenSim.Simulator.Graphs;

/// <summary>A state machine's declaration as a graph with nested states, from Stateless' own reflection.</summary>
/// <param name="States">Outermost states.</param>
/// <param name="Initial">Id of the state it starts in.</param>
internal sealed record MachineGraph(string Title, IReadOnlyList<GraphState> States, IReadOnlyList<GraphEdge> Edges, string Initial)
{
    public static MachineGraph From(string title, StateMachineInfo machine)
    {
        List<StateInfo> all = [.. machine.States];
        Dictionary<object, string> ids = all.Select((s, i) => (s.UnderlyingState, Id: $"s{i}")).ToDictionary(s => s.UnderlyingState, s => s.Id);
        GraphState[] roots = [.. all.Where(s => s.Superstate is null).Select(s => Build(s, ids, null))];
        List<GraphEdge> edges = [];
        foreach (StateInfo state in all)
        {
            foreach (FixedTransitionInfo t in state.FixedTransitions)
                edges.Add(new GraphEdge(ids[state.UnderlyingState], ids[t.DestinationState.UnderlyingState], Label(t)));
        }

        return new MachineGraph(title, roots, edges, ids[machine.InitialState.UnderlyingState]);
    }

    public IEnumerable<GraphState> AllStates() => States.SelectMany(s => s.SelfAndBelow());

    private static GraphState Build(StateInfo state, Dictionary<object, string> ids, string? parentName)
    {
        string full = state.UnderlyingState.ToString()!;
        GraphState[] below = [.. state.Substates.Select(s => Build(s, ids, full))];
        return new GraphState(ids[state.UnderlyingState], Shorten(full, parentName), below);
    }

    /// <summary>A nested state's name starts with its caller's path, which the nesting already shows.</summary>
    private static string Shorten(string name, string? parentName)
        => parentName is not null && name.StartsWith(parentName, StringComparison.Ordinal) && name.Length > parentName.Length
            ? name[parentName.Length..].TrimStart('/', ' ')
            : name;

    private static string Label(FixedTransitionInfo transition)
    {
        // A guard without words of its own gets the compiler's name for its lambda, which says nothing.
        string guards = string.Join(
            ", ", transition.GuardConditionsMethodDescriptions.Select(g => g.Description).Where(d => d.Length > 0 && !d.Contains('<') && d != InvocationInfo.DefaultFunctionDescription));
        string trigger = transition.Trigger.UnderlyingTrigger.ToString()!;
        return guards.Length == 0 ? trigger : $"{trigger} [{guards}]";
    }
}

/// <param name="Id">Unique, letters and digits only.</param>
internal sealed record GraphState(string Id, string Name, IReadOnlyList<GraphState> Substates)
{
    public IEnumerable<GraphState> SelfAndBelow() => [this, .. Substates.SelectMany(s => s.SelfAndBelow())];
}

internal sealed record GraphEdge(string From, string To, string Label);
