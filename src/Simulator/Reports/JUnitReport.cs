using System.Globalization;
using System.Xml;
using XenSim.Simulator.Scenarios;

namespace XenSim.Simulator.Reports;

/// <summary>Results as JUnit XML, in the form that the common readers take (testsuites, testsuite, testcase with failure, error or skipped).</summary>
internal static class JUnitReport
{
    public static void Write(Stream output, IReadOnlyList<ScenarioResult?> results, IReadOnlyList<Scenario> scenarios)
    {
        using XmlWriter xml = XmlWriter.Create(output, new XmlWriterSettings { Indent = true, CheckCharacters = false, Encoding = new System.Text.UTF8Encoding(encoderShouldEmitUTF8Identifier: false) });
        xml.WriteStartElement("testsuites");
        xml.WriteAttributeString("name", "xensim");
        Counts(xml, results);
        foreach (IGrouping<string, int> suite in Enumerable.Range(0, scenarios.Count).GroupBy(i => Path.GetDirectoryName(scenarios[i].File) ?? "", StringComparer.Ordinal))
        {
            xml.WriteStartElement("testsuite");
            xml.WriteAttributeString("name", suite.Key.Length == 0 ? "." : suite.Key);
            Counts(xml, [.. suite.Select(i => results[i])]);
            foreach (int i in suite)
                Case(xml, scenarios[i], results[i]);
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private static void Counts(XmlWriter xml, IReadOnlyList<ScenarioResult?> results)
    {
        Number(xml, "tests", results.Count);
        Number(xml, "failures", results.Count(r => r is { Verdict: ExitCode.Failure }));
        Number(xml, "errors", results.Count(r => r is null || r.Verdict is not (ExitCode.Success or ExitCode.Failure)));
        Number(xml, "skipped", results.Count(r => r is { Skipped: true }));
    }

    private static void Number(XmlWriter xml, string name, int value) => xml.WriteAttributeString(name, value.ToString(CultureInfo.InvariantCulture));

    private static void Case(XmlWriter xml, Scenario scenario, ScenarioResult? result)
    {
        xml.WriteStartElement("testcase");
        xml.WriteAttributeString("name", Clean(scenario.Name));
        xml.WriteAttributeString("classname", scenario.File);
        xml.WriteAttributeString("file", scenario.File);
        switch (result)
        {
            case null:
                Element(xml, "error", "not run", "it was not started: no verdict");
                break;
            case { Skipped: true }:
                Element(xml, "skipped", result.Outcome.Detail, "");
                break;
            case { Verdict: ExitCode.Success }:
                break;
            default:
                string[] lines = [.. result.Mismatches.Select(m => $"{scenario.File}:{m.Mark?.Line}: {m.Keyword}: {m.Text}"), $"it ended with: {result.Outcome.Detail}"];
                Element(xml, result.Verdict == ExitCode.Failure ? "failure" : "error", lines[0], string.Join('\n', lines));
                break;
        }

        xml.WriteEndElement();
    }

    private static void Element(XmlWriter xml, string name, string message, string text)
    {
        xml.WriteStartElement(name);
        xml.WriteAttributeString("message", Clean(message));
        xml.WriteString(Clean(text));
        xml.WriteEndElement();
    }

    /// <summary>XML 1.0 has no place for most control characters; a guest's console may have any.</summary>
    private static string Clean(string text) => new([.. text.Select(c => XmlConvert.IsXmlChar(c) || char.IsSurrogate(c) ? c : '?')]);
}
