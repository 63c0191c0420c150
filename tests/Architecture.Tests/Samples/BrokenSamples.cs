namespace XenSim.Architecture.Tests.Samples.Broken;

// Deliberately broken code, compiled like any other, that the rules must reject. One class per way to break a rule.
#pragma warning disable CA1823, CA2211, CA1805, CS0169, IDE0044, IDE0051, CA5394 // to be wrong is what it is for

public static class ReadsTheClock
{
    public static long Now() => DateTime.UtcNow.Ticks;
}

public static class ReadsTickCount
{
    public static long Now() => Environment.TickCount64;
}

public static class RollsDice
{
    public static int Roll() => new Random(1).Next();
}

public static class InventsAGuid
{
    public static Guid Make() => Guid.NewGuid();
}

public static class ReadsAFileInALambda
{
    public static Func<string, byte[]> Reader() => path => File.ReadAllBytes(path);
}

public static class Prints
{
    public static void Hello() => Console.WriteLine("hello");
}

public sealed class HoldsATimerInAGeneric
{
    public IReadOnlyList<Timer> Timers { get; } = [];
}

public static class StartsATask
{
    public static async Task Wait() => await Task.Yield();
}

public static class PublicCounter
{
    public static int Count;
}

public static class HiddenCounter
{
    private static int s_count;

    public static int Next() => ++s_count;
}

public static class SharedTable
{
    public static readonly byte[] Table = [1, 2, 3];
}

public static class SharedList
{
    internal static readonly List<int> Items = [];
}

public static class PerThread
{
    [ThreadStatic]
    private static int t_count;

    public static int Next() => ++t_count;
}

public static class Catches
{
    public static int Half(int number)
    {
        try
        {
            return 1 / number;
        }
        catch (DivideByZeroException)
        {
            return 0;
        }
    }
}

public static class Locks
{
    public static void Enter(Lock gate)
    {
        lock (gate)
        {
        }
    }
}

public interface IHasADefault
{
    static virtual bool Writes => true;

    static abstract bool Reads { get; }
}
