using System.Text.Json.Nodes;

namespace XenSim.Simulator.Scenarios;

/// <summary>The JSON schema of scenario files, from the same declarations that read them.</summary>
public static class ScenarioSchema
{
    public static JsonObject Build()
    {
        JsonObject schema = new()
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["title"] = "XenSim scenario",
        };
        foreach ((string key, JsonNode? value) in ScenarioLanguage.File.Schema())
            schema[key] = value?.DeepClone();
        return schema;
    }
}
