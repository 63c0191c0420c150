using System.Text;

namespace XenSim.Simulator.Graphs;

/// <summary>A machine in Graphviz' language, nested states as clusters.</summary>
internal static class DotWriter
{
    public static string Write(MachineGraph graph)
    {
        StringBuilder text = new();
        text.Append("digraph \"").Append(Escape(graph.Title)).Append("\" {\n  compound=true;\n  node [shape=box, style=rounded];\n  start [shape=point, label=\"\"];\n");
        foreach (GraphState state in graph.States)
            State(text, state, 1);
        text.Append("  start -> ").Append(graph.Initial).Append(";\n");
        foreach (GraphEdge edge in graph.Edges)
            text.Append("  ").Append(edge.From).Append(" -> ").Append(edge.To).Append(" [label=\"").Append(Escape(edge.Label)).Append("\"];\n");
        return text.Append("}\n").ToString();
    }

    /// <summary>A state with states inside is a cluster that also holds a node of its own, which the edges use.</summary>
    private static void State(StringBuilder text, GraphState state, int depth)
    {
        string indent = new(' ', 2 * depth);
        string node = $"{state.Id} [label=\"{Escape(state.Name)}\"];\n";
        if (state.Substates.Count == 0)
        {
            text.Append(indent).Append(node);
            return;
        }

        text.Append(indent).Append("subgraph cluster_").Append(state.Id).Append(" {\n").Append(indent).Append("  label=\"").Append(Escape(state.Name)).Append("\";\n");
        text.Append(indent).Append("  ").Append(node);
        foreach (GraphState inner in state.Substates)
            State(text, inner, depth + 1);
        text.Append(indent).Append("}\n");
    }

    private static string Escape(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
}
