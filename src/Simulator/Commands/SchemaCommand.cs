using System.CommandLine;
using System.Text.Json;
using XenSim.Simulator.Scenarios;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim schema</c></summary>
internal static class SchemaCommand
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    public static Command Build(Terminal terminal)
    {
        Command command = new("schema",
            """
            Prints the JSON schema of scenario files, for editors and validators.

            Example:
              xensim schema > scenario.schema.json
            """);
        command.SetAction(_ =>
        {
            terminal.Out.WriteLine(ScenarioSchema.Build().ToJsonString(s_indented));
            return (int)ExitCode.Success;
        });
        return command;
    }
}
