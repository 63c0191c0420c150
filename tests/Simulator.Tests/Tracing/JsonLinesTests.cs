using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Tracing;

namespace XenSim.Simulator.Tests.Tracing;

public sealed class JsonLinesTests
{
    public static IEnumerable<TheoryDataRow<Type>> EventTypes
        => typeof(XenEvent).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(XenEvent)) && !t.IsAbstract).Select(t => new TheoryDataRow<Type>(t));

    [Theory]
    [MemberData(nameof(EventTypes))]
    public void Every_event_becomes_one_line_of_JSON_with_all_its_properties(Type type)
    {
        XenEvent e = Sample(type);
        using JsonDocument json = JsonDocument.Parse(Written(e));
        Assert.Equal(type.Name, json.RootElement.GetProperty("event").GetString());
        foreach (PropertyInfo property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
            Assert.True(json.RootElement.TryGetProperty(JsonNamingPolicy.CamelCase.ConvertName(property.Name), out _), property.Name);
    }

    [Fact]
    public void Events_are_numbered_without_gaps_and_dated_by_the_virtual_clock()
    {
        ulong now = 5;
        EventStream stream = new(() => now);
        EventLog log = new();
        stream.Add(log);
        stream.Emit(new DomainCreated(new DomainId(1)));
        now = 9;
        stream.Emit(new DomainDestroyed(new DomainId(1)));
        Assert.Equal([(0L, 5UL), (1L, 9UL)], log.Events.Select(e => (e.Sequence, e.VirtualNanoseconds)));
    }

    [Fact]
    public void Nobody_wants_what_no_consumer_reads()
    {
        EventStream stream = new(() => 0);
        stream.Add(new ConsoleCopy(Stream.Null, () => null));
        Assert.True(stream.Wants<ConsoleOutput>());
        Assert.False(stream.Wants<HypercallEntered>());
    }

    [Fact]
    public void An_address_is_text_in_hexadecimal_and_bytes_are_pairs_of_digits()
    {
        using JsonDocument json = JsonDocument.Parse(Written(new ConsoleOutput(new DomainId(3), "ring", [0x41, 0x0A])));
        Assert.Equal("41 0a", json.RootElement.GetProperty("bytes").GetString());
        Assert.Equal(3, json.RootElement.GetProperty("domain").GetInt32());
    }

    private static string Written(XenEvent e)
    {
        MemoryStream output = new();
        using (JsonLinesWriter writer = new(output))
            writer.On(new TimedEvent(0, 0, e));
        string text = Encoding.UTF8.GetString(output.ToArray());
        Assert.Equal(1, text.Count(c => c == '\n'));
        return text;
    }

    /// <summary>An event of any type, its parameters filled with plain values.</summary>
    private static XenEvent Sample(Type type)
    {
        ConstructorInfo constructor = type.GetConstructors().Single();
        return (XenEvent)constructor.Invoke([.. constructor.GetParameters().Select(p => Value(p.ParameterType))]);
    }

    private static object? Value(Type type) => type switch
    {
        _ when type == typeof(string) => "text",
        _ when type == typeof(byte[]) => new byte[] { 1, 2 },
        _ when type == typeof(IReadOnlyList<Argument>) => new[] { new Argument("a", 1), new Argument("b", 0, "text") },
        _ when type == typeof(IReadOnlyList<Gfn>) => new[] { new Gfn(7) },
        { IsValueType: true } => RuntimeHelpers.GetUninitializedObject(Nullable.GetUnderlyingType(type) ?? type),
        _ => null,
    };
}
