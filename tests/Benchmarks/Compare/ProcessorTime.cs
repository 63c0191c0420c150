using System.Globalization;
using System.Runtime.InteropServices;

namespace XenSim.Benchmarks.Compare;

/// <summary>Processor time as the kernel accounts it, so that a busy machine matters little. Unit: seconds.</summary>
internal static partial class ProcessorTime
{
    private const int ThreadClock = 3; // CLOCK_THREAD_CPUTIME_ID

    public static double OfThisThread()
    {
        Span<long> time = stackalloc long[2];
        if (ClockGetTime(ThreadClock, ref time[0]) != 0)
            throw new InvalidOperationException("clock_gettime failed");
        return time[0] + (time[1] / 1e9);
    }

    /// <summary>Sum over all threads that a process has.</summary>
    public static double Of(int process) => Directory.EnumerateDirectories($"/proc/{process}/task")
        .Sum(task => long.Parse(File.ReadAllText(Path.Combine(task, "schedstat")).Split(' ')[0], CultureInfo.InvariantCulture) / 1e9);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, ref long time);
}
