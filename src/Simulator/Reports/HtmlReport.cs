using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.Json;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Reports;

/// <summary>
/// Results as one HTML file that needs no server, no network and no other file. The table of verdicts is in the page itself; what belongs to a scenario is packed
/// beside it and drawn by the page's script when it is looked at.
/// </summary>
internal static class HtmlReport
{
    public static void Write(Stream output, IReadOnlyList<ScenarioReport> reports)
    {
        string[] verdicts = [.. reports.Select(r => r.Verdict)];
        (string Verdict, int Count)[] counts = [.. verdicts.GroupBy(v => v).Select(g => (g.Key, g.Count())).OrderBy(g => g.Key == Verdicts.Passed ? 0 : g.Key == Verdicts.Skipped ? 1 : 2).ThenBy(g => g.Key, StringComparer.Ordinal)];
        Dictionary<string, string> parts = new()
        {
            ["title"] = $"{reports.Count} scenario{(reports.Count == 1 ? "" : "s")}",
            ["css"] = Resource("report.css"),
            ["js"] = Resource("report.js"),
            ["passed"] = Text(verdicts.Count(v => v == Verdicts.Passed)),
            ["total"] = Text(reports.Count),
            ["summary"] = Escape(Verdicts.Summary(verdicts)),
            ["bar"] = string.Concat(counts.Select(c => string.Create(CultureInfo.InvariantCulture, $"<i class=\"v-{c.Verdict}\" style=\"flex:{c.Count}\"></i>"))),
            ["chips"] = string.Concat(counts.Select(c => $"<button type=\"button\" class=\"chip v-{c.Verdict}\" data-verdict=\"{c.Verdict}\">{Text(c.Count)} {c.Verdict}</button>")),
            ["rows"] = string.Join('\n', reports.Select(Row)),
            ["data"] = Convert.ToBase64String(Packed(reports)),
        };
        string template = Resource("report.html");
        using StreamWriter page = new(output, new UTF8Encoding(false), 1 << 16, leaveOpen: true);
        for (int at = 0; at < template.Length;)
        {
            int open = template.IndexOf("{{", at, StringComparison.Ordinal);
            if (open < 0)
                open = template.Length;
            page.Write(template.AsSpan(at, open - at));
            if (open == template.Length)
                break;
            int close = template.IndexOf("}}", open, StringComparison.Ordinal);
            page.Write(parts[template[(open + 2)..close]]);
            at = close + 2;
        }
    }

    private static string Row(ScenarioReport report, int index)
    {
        string why = report.Verdict is Verdicts.Passed ? "" : report.Verdict is Verdicts.Skipped ? $"<span class=\"file\">{Escape(report.Detail)}</span>" : $"<span class=\"why\">{Escape(report.Headline)}</span>";
        return $"<tr data-i=\"{Text(index)}\" data-verdict=\"{report.Verdict}\" data-tags=\"{Escape(string.Join(' ', report.Tags))}\"><td><span class=\"verdict v-{report.Verdict}\">{report.Verdict}</span></td>"
            + $"<td><a class=\"name\" href=\"#s{Text(index)}\">{Escape(report.Name)}</a><span class=\"file\">{Escape(report.File)}</span>{why}</td>"
            + $"<td>{Escape(report.Xen)}</td><td>{Escape(report.Path)}</td><td class=\"n\">{report.Instructions.ToString("N0", CultureInfo.InvariantCulture)}</td><td class=\"n\">{report.Events.ToString("N0", CultureInfo.InvariantCulture)}</td></tr>";
    }

    /// <summary>Scenarios, the machines of their paths and each different page once, as JSON, gzip'd.</summary>
    private static byte[] Packed(IReadOnlyList<ScenarioReport> reports)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Optimal, leaveOpen: true))
        using (Utf8JsonWriter json = new(gzip))
        {
            json.WriteStartObject();
            json.WriteStartObject("machines"u8);
            foreach ((string path, string xen) in reports.Where(r => r.Run is not null).Select(r => (r.Path, r.Xen)).Distinct().Order())
                Machine(json, path, xen);
            json.WriteEndObject();
            json.WriteStartObject("pages"u8);
            foreach (PageReport page in reports.Select(r => r.Run?.Page).OfType<PageReport>().DistinctBy(p => p.Digest))
                Page(json, page);
            json.WriteEndObject();
            json.WriteStartArray("scenarios"u8);
            foreach (ScenarioReport report in reports)
                JsonSerializer.Serialize(json, report with { Run = report.Run is { Page: { } page } ? report.Run with { Page = page with { Bytes = "" } } : report.Run }, ReportJson.Default.ScenarioReport);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return packed.ToArray();
    }

    private static void Machine(Utf8JsonWriter json, string path, string xen)
    {
        json.WriteStartArray($"{path} {xen}");
        foreach (StageInfo stage in BootPaths.Stages(BootPaths.Parse(path), xen == "4.0" ? XenRelease.V4_0 : XenRelease.V4_17))
        {
            json.WriteStartArray();
            json.WriteNumberValue(stage.Depth);
            json.WriteStringValue(stage.Name);
            json.WriteStringValue(stage.Source);
            json.WriteStringValue(stage.Condition);
            json.WriteBooleanValue(stage.Rollback);
            json.WriteEndArray();
        }

        json.WriteEndArray();
    }

    private static void Page(Utf8JsonWriter json, PageReport page)
    {
        byte[] bytes = page.Unpack();
        json.WriteStartObject(page.Digest);
        json.WriteStartArray("slots"u8);
        for (int number = 0; number < HypercallPage.SlotCount; number++)
        {
            PageSlot slot = PageListing.Slot(bytes, number, page.Bits);
            json.WriteStartArray();
            json.WriteNumberValue(slot.Number);
            json.WriteStringValue(slot.Name);
            json.WriteStartArray();
            foreach (PageInstruction instruction in slot.Instructions)
            {
                json.WriteStartArray();
                json.WriteStringValue(instruction.Bytes);
                json.WriteStringValue(instruction.Text);
                json.WriteEndArray();
            }

            json.WriteEndArray();
            json.WriteNumberValue(slot.Filler);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static string Resource(string name)
    {
        using StreamReader reader = new(typeof(HtmlReport).Assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}
