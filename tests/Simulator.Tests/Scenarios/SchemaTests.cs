using System.Text.Json.Nodes;
using XenSim.Simulator.Scenarios.Expectations;
using XenSim.Simulator.Tests.Commands;

namespace XenSim.Simulator.Tests.Scenarios;

public sealed class SchemaTests
{
    private static readonly JsonNode s_schema = JsonNode.Parse(ProgramRun.With("schema").Output)!;

    [Fact]
    public void Every_keyword_of_the_catalogue_is_in_the_published_schema_and_nothing_else()
    {
        IEnumerable<string> published = s_schema["properties"]!["expect"]!["properties"]!.AsObject().Select(p => p.Key);
        Assert.Equal(ExpectationCatalogue.Keywords.Select(k => k.Name), published);
    }

    [Fact]
    public void Keywords_have_different_names()
        => Assert.Distinct(ExpectationCatalogue.Keywords.Select(k => k.Name));

    [Fact]
    public void Every_property_says_what_it_means()
    {
        List<string> silent = [];
        Walk(s_schema, "", (path, property) =>
        {
            if (string.IsNullOrWhiteSpace(property["description"]?.ToString()))
                silent.Add(path);
        });
        Assert.Empty(silent);
    }

    [Fact]
    public void Every_mapping_with_named_keys_refuses_others()
    {
        List<string> open = [];
        Walk(s_schema, "", (path, property) =>
        {
            // Either none besides the named ones, or what they must look like is said.
            if (property["properties"] is not null && property["additionalProperties"] is not JsonObject && property["additionalProperties"]?.ToString() != "false")
                open.Add(path);
        });
        Assert.Empty(open);
    }

    private static void Walk(JsonNode? node, string path, Action<string, JsonObject> property)
    {
        if (node is JsonArray array)
        {
            foreach (JsonNode? item in array)
                Walk(item, path, property);
        }
        else if (node is JsonObject o)
        {
            foreach ((string key, JsonNode? value) in o)
            {
                if (key == "properties")
                {
                    foreach ((string name, JsonNode? each) in value!.AsObject())
                        property($"{path}.{name}", each!.AsObject());
                }

                Walk(value, key == "properties" ? path : $"{path}.{key}", property);
            }
        }
    }
}
