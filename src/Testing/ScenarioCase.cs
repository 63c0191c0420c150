using System.Diagnostics.CodeAnalysis;
using XenSim.Simulator.Scenarios;
using Xunit.Sdk;

namespace XenSim.Testing;

/// <summary>One scenario of a file, as a test's argument.</summary>
public sealed class ScenarioCase : IXunitSerializable
{
    /// <summary>For xunit, which fills it in afterwards.</summary>
    [Obsolete("for deserialization only")]
    [SuppressMessage("Design", "CA1041", Justification = "The message says all.")]
    public ScenarioCase()
    {
    }

    internal ScenarioCase(string file, string name) => (File, Name) = (file, name);

    /// <summary>Path of the scenario file.</summary>
    public string File { get; private set; } = "";

    /// <summary>The scenario's name, with the combination if it comes of a matrix.</summary>
    public string Name { get; private set; } = "";

    /// <summary>Runs it. A scenario that cannot run here (a real guest that has not been fetched) or fails as is known skips the test.</summary>
    /// <param name="stop">Ends the run early, e.g. <c>TestContext.Current.CancellationToken</c>.</param>
    /// <exception cref="ScenarioFailedException">An expectation did not hold, or the run came to no verdict.</exception>
    public Boot Run(CancellationToken stop = default)
        => Boot.Run(ScenarioFile.Load(File).Single(s => s.Name == Name), stop);

    public void Serialize(IXunitSerializationInfo info)
    {
        ArgumentNullException.ThrowIfNull(info);
        info.AddValue(nameof(File), File);
        info.AddValue(nameof(Name), Name);
    }

    public void Deserialize(IXunitSerializationInfo info)
    {
        ArgumentNullException.ThrowIfNull(info);
        File = info.GetValue<string>(nameof(File)) ?? "";
        Name = info.GetValue<string>(nameof(Name)) ?? "";
    }

    public override string ToString() => Name;
}
