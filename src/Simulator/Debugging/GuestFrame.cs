namespace XenSim.Simulator.Debugging;

/// <summary>How it is known that a function is open.</summary>
public enum FrameWitness
{
    /// <summary>The instruction pointer.</summary>
    Register,

    /// <summary>Linux' unwinding table (ORC).</summary>
    Orc,

    /// <summary>The chain of frame pointers, each leading to behind a call.</summary>
    FramePointer,

    /// <summary>Nobody says so: a word on the stack is an address behind a call. It may be left over from one that has returned.</summary>
    Guess,
}

/// <summary>A function of the guest that is open.</summary>
/// <param name="Address">Linear address at which it goes on.</param>
/// <param name="Stack">Stack pointer that it has then. Unit: bytes.</param>
public readonly record struct GuestFrame(ulong Address, ulong Stack, FrameWitness By)
{
    public bool IsGuess => By == FrameWitness.Guess;
}
