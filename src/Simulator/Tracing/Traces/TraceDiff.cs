using System.Text.Json;

namespace XenSim.Simulator.Tracing.Traces;

/// <summary>Where two traces first differ.</summary>
/// <param name="Index">Events that are the same before.</param>
/// <param name="Before">The last of these.</param>
/// <param name="Stages">The stages open there, from the outermost.</param>
/// <param name="OnlyFirst">What the first trace has until both agree again, its beginning if that is long.</param>
/// <param name="OnlySecond">What the second has.</param>
/// <param name="AgreeAgain">Whether they do within the window that was looked at.</param>
internal sealed record TraceDifference(
    long Index, IReadOnlyList<JsonElement> Before, IReadOnlyList<string> Stages, IReadOnlyList<JsonElement> OnlyFirst, IReadOnlyList<JsonElement> OnlySecond, bool AgreeAgain)
{
    private const int MostShown = 12;

    /// <summary>For people, a line each: events, not text.</summary>
    public IEnumerable<string> Lines(string first, string second)
    {
        yield return $"the first difference is at event {Index} ({first} -, {second} +)";
        if (Stages.Count > 0)
            yield return $"in {string.Join(" › ", Stages)}";
        foreach (JsonElement e in Before)
            yield return $"    {Place(e)} {EventText.Of(e)}";
        foreach (string line in Side('-', OnlyFirst))
            yield return line;
        foreach (string line in Side('+', OnlySecond))
            yield return line;
        foreach (string field in FieldsThatDiffer())
            yield return $"      {field}";
        yield return OnlyFirst.Count == 0 ? $"{first} ends there" : OnlySecond.Count == 0 ? $"{second} ends there" : AgreeAgain ? "then they agree again" : "they do not agree again soon";
    }

    private static IEnumerable<string> Side(char sign, IReadOnlyList<JsonElement> events)
    {
        foreach (JsonElement e in events.Take(MostShown))
            yield return $"  {sign} {Place(e)} {EventText.Of(e)}";
        if (events.Count > MostShown)
            yield return $"  {sign} … and {events.Count - MostShown} more";
    }

    private static string Place(JsonElement e) => $"#{Number(e, "seq")} at {Number(e, "instructions")}:";

    private static string Number(JsonElement e, string field) => e.TryGetProperty(field, out JsonElement value) ? value.ToString() : "?";

    /// <summary>Of two events of the same type.</summary>
    private IEnumerable<string> FieldsThatDiffer()
    {
        if (OnlyFirst.Count == 0 || OnlySecond.Count == 0 || Number(OnlyFirst[0], "event") != Number(OnlySecond[0], "event"))
            yield break;
        foreach (JsonProperty field in OnlyFirst[0].EnumerateObject().Where(p => p.Name is not ("seq" or "ns" or "instructions")))
        {
            string was = EventText.Value(field.Value);
            string now = OnlySecond[0].TryGetProperty(field.Name, out JsonElement value) ? EventText.Value(value) : "absent";
            if (was != now)
                yield return $"{field.Name}: {was} → {now}";
        }
    }
}

/// <summary>Compares traces event by event.</summary>
internal static class TraceDiff
{
    private const int Context = 5;

    /// <summary>How far is looked for where both agree again. Unit: events.</summary>
    private const int Window = 400;

    /// <summary>So many events in a row must be the same to say that they agree again.</summary>
    private const int Agreement = 3;

    /// <returns>Null: they are the same.</returns>
    public static TraceDifference? Find(IEnumerable<TraceLine> first, IEnumerable<TraceLine> second)
    {
        using IEnumerator<TraceLine> a = first.GetEnumerator(), b = second.GetEnumerator();
        Queue<TraceLine> before = new();
        List<string> stages = [];
        for (long index = 0; ; index++)
        {
            bool inFirst = a.MoveNext(), inSecond = b.MoveNext();
            if (!inFirst && !inSecond)
                return null;
            if (!inFirst || !inSecond || a.Current.What != b.Current.What)
                return Describe(index, before, stages, inFirst ? Rest(a) : [], inSecond ? Rest(b) : []);
            Follow(stages, a.Current);
            before.Enqueue(a.Current);
            if (before.Count > Context)
                before.Dequeue();
        }
    }

    private static TraceDifference Describe(long index, IEnumerable<TraceLine> before, List<string> stages, List<TraceLine> first, List<TraceLine> second)
    {
        (int inFirst, int inSecond, bool again) = Meet(first, second);
        return new TraceDifference(
            index, [.. before.Select(l => l.Parse())], stages, [.. first.Take(inFirst).Select(l => l.Parse())], [.. second.Take(inSecond).Select(l => l.Parse())], again);
    }

    /// <summary>The nearest place where both go on alike.</summary>
    private static (int InFirst, int InSecond, bool Again) Meet(List<TraceLine> first, List<TraceLine> second)
    {
        for (int sum = 1; sum < Window; sum++)
        {
            for (int i = 0; i <= sum; i++)
            {
                if (Agree(first, i, second, sum - i))
                    return (i, sum - i, true);
            }
        }

        return (first.Count, second.Count, false);
    }

    private static bool Agree(List<TraceLine> first, int i, List<TraceLine> second, int j)
    {
        for (int n = 0; n < Agreement; n++)
        {
            if (i + n >= first.Count || j + n >= second.Count || first[i + n].What != second[j + n].What)
                return false;
        }

        return true;
    }

    private static List<TraceLine> Rest(IEnumerator<TraceLine> trace)
    {
        List<TraceLine> rest = [trace.Current];
        while (rest.Count < Window && trace.MoveNext())
            rest.Add(trace.Current);
        return rest;
    }

    private static void Follow(List<string> stages, TraceLine line)
    {
        if (line.Name is "StageEntered")
            stages.Add(StageOf(line));
        else if (line.Name is "StageReturned" or "StageFailed" && stages.LastIndexOf(StageOf(line)) is >= 0 and int at)
            stages.RemoveRange(at, stages.Count - at);
    }

    private static string StageOf(TraceLine line) => line.Parse().TryGetProperty("stage", out JsonElement stage) ? stage.ToString() : "?";
}
