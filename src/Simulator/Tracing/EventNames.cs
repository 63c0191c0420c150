using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Simulator.Tracing;

/// <summary>The types of events and their fields by the names that a trace has for them.</summary>
internal static class EventNames
{
    private static readonly Lazy<SortedDictionary<string, string[]>> s_fields = new(Collect);

    public static IReadOnlyCollection<string> All => s_fields.Value.Keys;

    /// <summary>Names of an event's fields.</summary>
    public static IReadOnlyList<string> FieldsOf(string eventName) => s_fields.Value[eventName];

    [UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "Events are types of our own assemblies, which are published whole.")]
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Events are types of our own assemblies, which are published whole.")]
    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "Events are types of our own assemblies, which are published whole.")]
    private static SortedDictionary<string, string[]> Collect() => new(
        typeof(XenEvent).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(XenEvent)) && !t.IsAbstract).ToDictionary(
            t => t.Name, t => t.GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(p => JsonNamingPolicy.CamelCase.ConvertName(p.Name)).ToArray()),
        StringComparer.Ordinal);
}
