using System.Reflection;
using XenSim.Simulator.Input;

namespace XenSim.Testing;

/// <summary>Where a relative path of a test leads.</summary>
internal static class ScenarioPath
{
    /// <summary>The nearest match from the assembly's folder upwards; an absolute path as it is.</summary>
    /// <exception cref="InputException">There is none.</exception>
    public static string Find(string path, Assembly tests)
    {
        string start = Path.GetDirectoryName(tests.Location) is { Length: > 0 } folder ? folder : AppContext.BaseDirectory;
        for (string? at = start; at is not null; at = Path.GetDirectoryName(at))
        {
            string candidate = Path.Combine(at, path);
            if (File.Exists(candidate) || Directory.Exists(candidate))
                return candidate;
        }

        throw new InputException(path, $"no such file or folder in {start} or above it", "give a path beside the test project, its solution, or an absolute one");
    }
}
