using System.Collections.Immutable;
using XenSim.Simulator.Scenarios.Expectations;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Scenarios;

/// <summary>A scenario file, read and checked.</summary>
public sealed record Scenario
{
    /// <summary>Path as the user gave it.</summary>
    public string File { get; init; } = "";

    public string Name { get; init; } = "";

    /// <summary>What of its file's matrix it is; empty: the file is one scenario.</summary>
    public string Variation { get; init; } = "";

    /// <summary>What a reader learns from it, in one line.</summary>
    public string Description { get; init; } = "";

    /// <summary>A real guest that the scenario needs and that has not been fetched; null: all is there.</summary>
    public string? MissingGuest { get; init; }

    /// <summary>Words to choose scenarios by.</summary>
    public ImmutableList<string> Tags { get; init; } = [];

    /// <summary>Why it is not run; null: it is.</summary>
    public string? Skip { get; init; }

    /// <summary>Why it is known to fail; null: it should pass.</summary>
    public string? KnownIssue { get; init; }

    /// <summary>The file as it was read, what it extends and its variables' values in it; null: it never was one.</summary>
    internal Yaml.YamlMapping? Document { get; init; }

    /// <summary>Its variations; empty: it is one scenario.</summary>
    internal IReadOnlyList<Combination> Matrix { get; init; } = [];

    /// <summary>Its events as recorded; null: nobody has.</summary>
    public GoldenFile? Golden { get; init; }

    public SessionOptions Session { get; init; } = new();

    public ImmutableList<IExpectation> Expectations { get; init; } = [];

    /// <summary>What is expected of each of the session's other domains.</summary>
    public ImmutableList<ScenarioDomain> Domains { get; init; } = [];
}

/// <param name="Name">Of one of the session's other domains.</param>
public sealed record ScenarioDomain(string Name, ImmutableList<IExpectation> Expectations);
