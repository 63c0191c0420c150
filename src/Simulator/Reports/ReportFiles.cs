using XenSim.Simulator.Input;

namespace XenSim.Simulator.Reports;

/// <summary>The files that a suite's results go to. They are claimed before anything runs and are there whole or not at all, even after Ctrl-C.</summary>
internal sealed class ReportFiles
{
    private readonly List<(string File, Action<Stream, IReadOnlyList<ScenarioReport>> Write)> _files = [];

    /// <exception cref="InputException">One of them cannot be written.</exception>
    public ReportFiles(string? junit, string? json, string? html)
    {
        Claim(junit, JUnitReport.Write);
        Claim(json, ResultLines.Write);
        Claim(html, HtmlReport.Write);
    }

    public bool Any => _files.Count > 0;

    public void Write(IReadOnlyList<ScenarioReport> reports)
    {
        foreach ((string file, Action<Stream, IReadOnlyList<ScenarioReport>> write) in _files)
        {
            string target = IsOrdinary(file) ? Beside(file) : file;
            using (FileStream stream = new(target, FileMode.Create, FileAccess.Write))
            using (BufferedStream buffered = new(stream, 1 << 16))
                write(buffered, reports);
            if (target != file)
                File.Move(target, file, overwrite: true);
        }
    }

    private void Claim(string? file, Action<Stream, IReadOnlyList<ScenarioReport>> write)
    {
        if (file is null)
            return;
        try
        {
            if (Directory.Exists(file))
                throw new InputException(file, "is a folder, a file's name was expected");
            if (IsOrdinary(file))
            {
                using (new FileStream(Beside(file), FileMode.Create, FileAccess.Write))
                {
                }

                File.Delete(Beside(file));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InputException(file, $"cannot be written: {e.Message}");
        }

        _files.Add((file, write));
    }

    /// <summary>A pipe or device is written directly.</summary>
    private static bool IsOrdinary(string file) => !file.StartsWith("/dev/", StringComparison.Ordinal) && !file.StartsWith("/proc/", StringComparison.Ordinal);

    private static string Beside(string file) => file + ".part";
}
