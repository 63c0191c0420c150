using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Input;

namespace XenSim.Simulator.Tracing;

/// <summary>
/// Writes an event's properties as JSON. By the records' own declarations, so that a new event needs no line here; a type of
/// property that has no rule stops loudly instead of being left out.
/// </summary>
internal static class EventFields
{
    private static readonly Dictionary<Type, PropertyInfo[]> s_properties = [];

    public static void Write(Utf8JsonWriter json, XenEvent e)
    {
        foreach (PropertyInfo property in PropertiesOf(e.GetType()))
        {
            json.WritePropertyName(JsonNamingPolicy.CamelCase.ConvertName(property.Name));
            Value(json, property.GetValue(e));
        }
    }

    [UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "Events are types of our own assemblies, which are published whole.")]
    private static PropertyInfo[] PropertiesOf(Type type)
    {
        lock (s_properties)
        {
            if (!s_properties.TryGetValue(type, out PropertyInfo[]? properties))
                s_properties[type] = properties = [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.GetIndexParameters().Length == 0)];
            return properties;
        }
    }

    private static void Value(Utf8JsonWriter json, object? value)
    {
        switch (value)
        {
            case null:
                json.WriteNullValue();
                break;
            case string text:
                json.WriteStringValue(text);
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case Enum word:
                json.WriteStringValue(word.ToString());
                break;
            case ulong address:
                json.WriteStringValue($"0x{address:x}");
                break;
            case uint or ushort or byte or int or long or short:
                json.WriteNumberValue(Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture));
                break;
            case DomainId domain:
                json.WriteNumberValue(domain.Value);
                break;
            case Mfn or Gfn or Pfn or MachineAddress or VirtualAddress:
                json.WriteStringValue(value.ToString());
                break;
            case byte[] bytes:
                json.WriteStringValue(HexText.Of(bytes));
                break;
            case Argument argument:
                WriteArgument(json, argument);
                break;
            case System.Collections.IEnumerable items:
                json.WriteStartArray();
                foreach (object? item in items)
                    Value(json, item);
                json.WriteEndArray();
                break;
            default:
                throw new NotSupportedException($"no JSON form for {value.GetType().Name} in an event");
        }
    }

    private static void WriteArgument(Utf8JsonWriter json, Argument argument)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, argument.Name);
        json.WriteString("value"u8, argument.Text ?? $"0x{argument.Value:x}");
        json.WriteEndObject();
    }
}
