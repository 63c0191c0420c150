using System.Globalization;
using System.Text;
using System.Xml;

namespace XenSim.Simulator.Reports;

/// <summary>
/// Results as JUnit XML, valid by Jenkins' schema: testsuites, testsuite, testcase with failure, error or skipped, and
/// the guest's console as system-out. A folder is a testsuite. Times are the guest's own, virtual ones, so that a suite always gives the same file.
/// </summary>
internal static class JUnitReport
{
    private const decimal NanosecondsPerSecond = 1_000_000_000m;

    public static void Write(Stream output, IReadOnlyList<ScenarioReport> reports)
    {
        using XmlWriter xml = XmlWriter.Create(output, new XmlWriterSettings { Indent = true, CheckCharacters = false, Encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false) });
        xml.WriteStartElement("testsuites");
        xml.WriteAttributeString("name", "xensim");
        Counts(xml, reports, withSkipped: false);
        foreach (IGrouping<string, ScenarioReport> suite in reports.GroupBy(r => Path.GetDirectoryName(r.File) ?? "", StringComparer.Ordinal))
        {
            xml.WriteStartElement("testsuite");
            xml.WriteAttributeString("name", suite.Key.Length == 0 ? "." : suite.Key);
            Counts(xml, [.. suite], withSkipped: true);
            Seed(xml, [.. suite.Select(r => r.Seed).OfType<ulong>().Distinct()]);
            foreach (ScenarioReport report in suite)
                Case(xml, report);
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    /// <param name="withSkipped">The outermost element has no such attribute in the schema.</param>
    private static void Counts(XmlWriter xml, IReadOnlyList<ScenarioReport> reports, bool withSkipped)
    {
        Number(xml, "tests", reports.Count);
        Number(xml, "failures", reports.Count(r => r.Verdict == Verdicts.Failed));
        Number(xml, "errors", reports.Count(r => Verdicts.IsError(r.Verdict)));
        if (withSkipped)
            Number(xml, "skipped", reports.Count(r => r.Verdict == Verdicts.Skipped));
        xml.WriteAttributeString("time", Seconds(reports.Sum(r => (decimal)r.Nanoseconds)));
    }

    private static void Seed(XmlWriter xml, IReadOnlyList<ulong> seeds)
    {
        if (seeds.Count == 0)
            return;
        xml.WriteStartElement("properties");
        foreach (ulong seed in seeds)
        {
            xml.WriteStartElement("property");
            xml.WriteAttributeString("name", "seed");
            xml.WriteAttributeString("value", seed.ToString(CultureInfo.InvariantCulture));
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private static void Number(XmlWriter xml, string name, int value) => xml.WriteAttributeString(name, value.ToString(CultureInfo.InvariantCulture));

    private static string Seconds(decimal nanoseconds) => (nanoseconds / NanosecondsPerSecond).ToString("F9", CultureInfo.InvariantCulture);

    private static void Case(XmlWriter xml, ScenarioReport report)
    {
        xml.WriteStartElement("testcase");
        xml.WriteAttributeString("name", Clean(report.Name));
        xml.WriteAttributeString("classname", Clean(report.File));
        xml.WriteAttributeString("time", Seconds(report.Nanoseconds));
        if (report.Verdict == Verdicts.Skipped)
            xml.WriteElementString("skipped", Clean(report.Detail)); // a text in the schema, without attributes
        else if (report.Verdict != Verdicts.Passed)
            Element(xml, report.Verdict == Verdicts.Failed ? "failure" : "error", report);
        if (report.Run is { Console.Length: > 0 } run)
            xml.WriteElementString("system-out", Clean(run.Console));
        xml.WriteEndElement();
    }

    private static IEnumerable<string> Explanation(ScenarioReport report)
    {
        foreach (MismatchReport mismatch in report.Mismatches)
            yield return mismatch.ToString();
        yield return $"it ended with: {report.Detail}";
        if (report.Failure is not { } failure)
            yield break;
        foreach (string line in failure.Explanation)
            yield return line;
        if (failure.LastEvents.Count > 0)
            yield return "the last events before:";
        foreach (string line in failure.LastEvents)
            yield return $"  {line}";
        foreach (string line in failure.Divergence)
            yield return line;
        yield return $"to look at it: {failure.Debug}";
    }

    private static void Element(XmlWriter xml, string name, ScenarioReport report)
    {
        xml.WriteStartElement(name);
        xml.WriteAttributeString("type", report.Verdict);
        xml.WriteAttributeString("message", Clean(report.Headline));
        xml.WriteString(Clean(string.Join('\n', Explanation(report))));
        xml.WriteEndElement();
    }

    /// <summary>XML 1.0 has no place for most control characters and half a surrogate pair; a guest's console may have any.</summary>
    private static string Clean(string text)
    {
        StringBuilder clean = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                clean.Append(text[i++]).Append(text[i]);
            else if (text[i] != '\r')
                clean.Append(XmlConvert.IsXmlChar(text[i]) ? text[i] : '?');
        }

        return clean.ToString();
    }
}
