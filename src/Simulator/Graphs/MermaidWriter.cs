using System.Text;

namespace XenSim.Simulator.Graphs;

/// <summary>A machine as a Mermaid state diagram.</summary>
internal static class MermaidWriter
{
    public static string Write(MachineGraph graph)
    {
        StringBuilder text = new();
        text.Append("---\ntitle: ").Append(graph.Title).Append("\n---\nstateDiagram-v2\n");
        foreach (GraphState state in graph.States)
            State(text, state, 1);
        text.Append("    [*] --> ").Append(graph.Initial).Append('\n');
        foreach (GraphEdge edge in graph.Edges)
            text.Append("    ").Append(edge.From).Append(" --> ").Append(edge.To).Append(" : ").Append(Escape(edge.Label)).Append('\n');
        return text.ToString();
    }

    private static void State(StringBuilder text, GraphState state, int depth)
    {
        string indent = new(' ', 4 * depth);
        text.Append(indent).Append("state \"").Append(Escape(state.Name)).Append("\" as ").Append(state.Id);
        if (state.Substates.Count == 0)
        {
            text.Append('\n');
            return;
        }

        text.Append(" {\n");
        foreach (GraphState inner in state.Substates)
            State(text, inner, depth + 1);
        text.Append(indent).Append("}\n");
    }

    /// <summary>Mermaid's own entity codes for what would end a label.</summary>
    private static string Escape(string text)
        => string.Concat(text.Select(c => c is '#' or '"' or ';' or ':' or '{' or '}' ? $"#{(int)c};" : c.ToString()));
}
