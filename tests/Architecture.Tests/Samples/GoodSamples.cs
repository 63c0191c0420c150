namespace XenSim.Architecture.Tests.Samples.Good;

// Code that is like the broken samples but allowed: the rules must stay silent.

public static class Constants
{
    public const int Limit = 5;
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(1);
    private static readonly byte[] s_table = [1, 2, 3];

    public static int Sum() => s_table.Sum(b => b + Limit);
}

public sealed class VirtualClock(ulong nanoseconds)
{
    public ulong Nanoseconds { get; private set; } = nanoseconds;

    public void Advance(ulong by) => Nanoseconds += by;
}

public interface IHasADefault
{
    bool Writes => true;

    static abstract bool Reads { get; }

    static bool Both(bool one, bool other) => one && other;
}
