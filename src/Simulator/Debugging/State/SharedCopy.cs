namespace XenSim.Simulator.Debugging.State;

/// <summary>A copy that several captures may share. What it takes counts once, as long as any of them holds it.</summary>
internal abstract class SharedCopy
{
    private int _holders;

    /// <returns>Bytes that are taken now and were not before.</returns>
    public long Hold() => _holders++ == 0 ? Taken() : 0;

    /// <returns>Bytes that are free now.</returns>
    public long LetGo() => --_holders == 0 ? Freed() : 0;

    protected abstract long Taken();

    protected abstract long Freed();
}

/// <summary>A copy of an object, or of an array of references.</summary>
/// <param name="bytes">What it takes, about. Unit: bytes.</param>
internal sealed class ObjectCopy(object value, long bytes) : SharedCopy
{
    public object Value => value;

    protected override long Taken() => bytes;

    protected override long Freed() => bytes;
}
