using XenSim.Simulator.Input;

namespace XenSim.Simulator.Scenarios.Yaml;

/// <summary>A YAML value with the place where it stands.</summary>
public abstract record YamlNode(Mark Mark)
{
    /// <summary>What it is, in the words of an error message.</summary>
    public abstract string Kind { get; }
}

/// <param name="Plain">Written without quotes, so that it may be a number or a boolean.</param>
public sealed record YamlScalar(Mark Mark, string Text, bool Plain) : YamlNode(Mark)
{
    public override string Kind => Text.Length == 0 ? "nothing" : $"\"{(Text.Length > 40 ? Text[..40] + "…" : Text)}\"";
}

public sealed record YamlSequence(Mark Mark, IReadOnlyList<YamlNode> Items) : YamlNode(Mark)
{
    public override string Kind => "a list";
}

public sealed record YamlMapping(Mark Mark, IReadOnlyList<YamlEntry> Entries) : YamlNode(Mark)
{
    public override string Kind => "a mapping";
}

/// <summary>One key of a mapping; keys are scalars.</summary>
public sealed record YamlEntry(YamlScalar Key, YamlNode Value);
