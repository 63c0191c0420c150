using A = XenSim.Simulator.BuiltInGuests.HypercallArgument;
using R = XenSim.Simulator.BuiltInGuests.GuestRegister;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>Instructions that may fault: the guest's handlers note the vector and go on behind the guarded code.</summary>
public sealed class GuestGuard
{
    /// <summary>What <see cref="Vector"/> holds while nothing has faulted.</summary>
    private const int None = -1;

    private readonly GuestAssembler g;
    private readonly GuestRuntime runtime;
    private readonly ulong stack;
    private readonly ulong recovery;
    private int tried;

    public GuestGuard(GuestAssembler assembler, GuestRuntime runtime)
    {
        g = assembler;
        this.runtime = runtime;
        stack = g.Data.Reserve(8);
        recovery = g.Data.Reserve(8);
        Vector = g.Data.Reserve(8);
    }

    /// <summary>Variable: the exception that the last guarded code raised, or -1.</summary>
    public ulong Vector { get; }

    /// <summary>Name of the handler that <see cref="EmitHandlers"/> makes for a vector.</summary>
    public static string Handler(byte vector) => $"on_exception_{vector}";

    /// <summary>Runs the emitted code and prints what came of it: the exception, or what <paramref name="otherwise"/> says.</summary>
    public void Try(string name, Action emit, params Said[] otherwise)
    {
        string after = $"tried_{++tried}";
        g.MoveAddress(R.A, after);
        g.Store(g.Word(recovery), R.A);
        g.Store(g.Word(stack), R.Sp);
        g.MoveImmediate(R.A, 0);
        g.Add(R.A, None);
        g.Store(g.Word(Vector), R.A);
        emit();
        g.Routine(after);
        Iced.Intel.Label faulted = g.NewLabel(), told = g.NewLabel();
        g.Load(R.A, g.Word(Vector));
        g.Test(R.A);
        g.Raw.jns(faulted);
        runtime.Say([$"tried {name}: ", .. otherwise]);
        g.Raw.jmp(told);
        g.Place(faulted);
        runtime.Say($"tried {name}: exception ", Said.Number(Vector));
        g.Place(told);
    }

    /// <summary>A guarded hypercall, by its result.</summary>
    public void TryHypercall(string name, Hypervisor.Public.HypercallNumber number, params A[] arguments)
        => Try(name, () => runtime.Hypercall(number, arguments), "answered ", Said.Number(runtime.Result));

    /// <summary>One handler per vector; whatever the frame looks like, it is dropped with the stack.</summary>
    public void EmitHandlers(params ReadOnlySpan<byte> vectors)
    {
        foreach (byte vector in vectors)
        {
            g.Routine(Handler(vector));
            g.MoveImmediate(R.A, vector);
            g.Store(g.Word(Vector), R.A);
            g.Jump("recover");
        }

        g.Routine("recover");
        g.Load(R.Sp, g.Word(stack));
        g.Raw.jmp(g.Word(recovery));
    }
}
