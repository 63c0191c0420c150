using XenSim.Simulator.Input;

namespace XenSim.Simulator.Scenarios.Yaml;

/// <summary>A YAML value with the place where it stands.</summary>
internal abstract record YamlNode(Mark Mark)
{
    /// <summary>What it is, in the words of an error message.</summary>
    public abstract string Kind { get; }
}

/// <param name="Plain">Written without quotes, so that it may be a number or a boolean.</param>
internal sealed record YamlScalar(Mark Mark, string Text, bool Plain) : YamlNode(Mark)
{
    public override string Kind => Text.Length == 0 ? "nothing" : $"\"{(Text.Length > 40 ? Text[..40] + "…" : Text)}\"";
}

internal sealed record YamlSequence(Mark Mark, IReadOnlyList<YamlNode> Items) : YamlNode(Mark)
{
    public override string Kind => "a list";
}

internal sealed record YamlMapping(Mark Mark, IReadOnlyList<YamlEntry> Entries) : YamlNode(Mark)
{
    public override string Kind => "a mapping";
}

/// <summary>One key of a mapping; keys are scalars.</summary>
internal sealed record YamlEntry(YamlScalar Key, YamlNode Value);
