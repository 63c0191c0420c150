using System.Globalization;
using Iced.Intel;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using static Iced.Intel.AssemblerRegisters;
using R = XenSim.Simulator.BuiltInGuests.GuestRegister;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>A hypercall argument: a constant, the contents of a variable, or the address of a data item.</summary>
public readonly record struct HypercallArgument(ulong Value, bool IsVariable, bool IsAddress)
{
    public static HypercallArgument Constant(ulong value) => new(value, false, false);

    public static HypercallArgument Variable(ulong address) => new(address, true, false);

    public static HypercallArgument Address(ulong address) => new(address, false, true);

    public static implicit operator HypercallArgument(int value) => Constant((ulong)value);

    /// <summary>A sub-operation by its name.</summary>
    public static implicit operator HypercallArgument(Enum value) => Constant(Convert.ToUInt64(value, CultureInfo.InvariantCulture));
}

/// <summary>A piece of a line that the guest prints.</summary>
/// <param name="Routine">Runtime routine that appends it, given the register A (numbers) or Si (texts).</param>
public readonly record struct Said(string Routine, ulong Value, string? Text)
{
    public static implicit operator Said(string text) => new("append_text", 0, text);

    /// <summary>0x… of a variable of word size.</summary>
    public static Said Hex(ulong variable) => new("append_hex", variable, null);

    /// <summary>A variable of word size as a signed decimal number.</summary>
    public static Said Number(ulong variable) => new("append_number", variable, null);

    /// <summary>A NUL-terminated string whose address the variable holds.</summary>
    public static Said CString(ulong variable) => new("append_cstring", variable, null);

    /// <summary>Eight bytes at the address that the variable holds.</summary>
    public static Said Bytes(ulong variable) => new("append_bytes", variable, null);
}

/// <summary>
/// What every built-in guest is made of: calls through <c>hypercall_page + n*32</c>, lines of text, the two consoles. All state is in
/// memory, because a hypercall may clobber its argument registers (debug builds of Xen do so on purpose).
/// </summary>
public sealed class GuestRuntime
{
    // xencons_interface: in[1024], out[2048], then four indices. Source: xen/include/public/io/console.h.
    private const int RingOut = 1024;
    private const int RingOutSize = 2048;
    private const int RingOutConsumer = 3080;
    private const int RingOutProducer = 3084;
    private const ushort DebugPort = 0xE9;
    private const int LineSize = 512;

    private static readonly R[] wideArguments = [R.Di, R.Si, R.D, R.R10, R.R8];
    private static readonly R[] narrowArguments = [R.B, R.C, R.D, R.Si, R.Di];

    private readonly GuestAssembler g;
    private readonly ulong hypercallPage;
    private readonly ulong line;
    private readonly ulong lineLength;
    private readonly ulong ringSend;

    public GuestRuntime(GuestAssembler assembler, ulong hypercallPage)
    {
        g = assembler;
        this.hypercallPage = hypercallPage;
        Result = g.Data.Reserve(8);
        Ring = g.Data.Reserve(8);
        ConsoleIoResult = g.Data.Reserve(8);
        DebugPortEnabled = g.Data.Reserve(8);
        lineLength = g.Data.Reserve(8);
        ringSend = g.Data.Word32(0);
        line = g.Data.Reserve(LineSize);
    }

    /// <summary>Variable: result of the last hypercall.</summary>
    public ulong Result { get; }

    /// <summary>Variable: virtual address of the console ring, 0 while there is none.</summary>
    public ulong Ring { get; }

    /// <summary>32-bit variable: event channel of the console ring.</summary>
    public ulong RingPort => ringSend;

    /// <summary>Variable: 0, or the error with which console_io was refused; it is not tried again then.</summary>
    public ulong ConsoleIoResult { get; }

    /// <summary>Variable: non-zero to print through I/O port 0xE9 while nothing else works (HVM).</summary>
    public ulong DebugPortEnabled { get; }

    /// <summary>Calls through the page; the result is in A and in <see cref="Result"/>.</summary>
    public void Hypercall(HypercallNumber number, params ReadOnlySpan<HypercallArgument> arguments)
    {
        RawHypercall(number, arguments);
        g.Store(g.Word(Result), R.A);
    }

    /// <summary>As <see cref="Hypercall"/>; a negative result is reported and ends the guest as crashed.</summary>
    public void CheckedHypercall(string name, HypercallNumber number, params ReadOnlySpan<HypercallArgument> arguments)
    {
        Hypercall(number, arguments);
        g.Test(R.A);
        Fail(name, g.Raw.jns);
    }

    /// <summary>Reports <see cref="Result"/> and ends the guest as crashed, unless the jump around it is taken.</summary>
    public void Fail(string name, Action<Label> unless)
    {
        var fine = g.NewLabel();
        unless(fine);
        Say($"{name} failed: ", Said.Number(Result));
        g.Jump("crash");
        g.Place(fine);
    }

    /// <summary>Prints one line.</summary>
    public void Say(params ReadOnlySpan<Said> pieces)
    {
        foreach (var piece in pieces)
        {
            if (piece.Text is { } text)
            {
                g.MoveAddress(R.Si, g.Data.Text(text));
                g.MoveImmediate(R.C, (ulong)text.Length);
            }
            else
            {
                g.Load(R.A, g.Word(piece.Value));
            }

            g.Call(piece.Routine);
        }

        g.Call("flush_line");
    }

    /// <summary>Emits the routines; to be called once, after the guest's own code.</summary>
    public void EmitRoutines()
    {
        EmitAppendText();
        EmitAppendNumbers();
        EmitFlushLine();
        EmitWriteRing();
        EmitShutdown(ShutdownReason.poweroff);
        EmitShutdown(ShutdownReason.crash);
    }

    private void RawHypercall(HypercallNumber number, ReadOnlySpan<HypercallArgument> arguments)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            var register = (g.Wide ? wideArguments : narrowArguments)[i];
            if (arguments[i].IsVariable)
            {
                g.Load(register, g.Word(arguments[i].Value));
            }
            else if (arguments[i].IsAddress)
            {
                g.MoveAddress(register, arguments[i].Value);
            }
            else
            {
                g.MoveImmediate(register, arguments[i].Value);
            }
        }

        g.Raw.call(hypercallPage + (uint)number * 32);
    }

    /// <summary>append_text: C bytes at Si; append_cstring: NUL-terminated at A.</summary>
    private void EmitAppendText()
    {
        g.Routine("append_cstring");
        g.Move(R.Si, R.A);
        g.MoveImmediate(R.C, 0);
        var count = g.NewLabel();
        var counted = g.NewLabel();
        g.Place(count);
        g.Raw.cmp(g.Wide ? __byte_ptr[rsi + rcx] : __byte_ptr[esi + ecx], 0);
        g.Raw.je(counted);
        g.Add(R.C, 1);
        g.Raw.jmp(count);
        g.Place(counted);

        // Falls through.
        g.Routine("append_text");
        AddLineEnd(R.Di);
        var skip = g.NewLabel();
        g.Load(R.A, g.Word(lineLength));
        g.Add(R.A, R.C);
        g.Raw.cmp(eax, LineSize - 2);
        g.Raw.ja(skip);
        g.Store(g.Word(lineLength), R.A);
        g.Raw.rep.movsb();
        g.Place(skip);
        g.Raw.ret();
    }

    /// <summary>append_hex, append_number, append_bytes: of A.</summary>
    private void EmitAppendNumbers()
    {
        ulong digits = g.Data.Reserve(24);
        ulong lastDigit = digits + 23;

        g.Routine("append_number");
        var positive = g.NewLabel();
        g.Test(R.A);
        g.Raw.jns(positive);
        g.Negate(R.A);
        g.Push(R.A);
        AppendLiteral("-");
        g.Pop(R.A);
        g.Place(positive);
        g.MoveImmediate(R.B, 10);
        EmitDigits(lastDigit);

        g.Routine("append_hex");
        g.Push(R.A);
        AppendLiteral("0x");
        g.Pop(R.A);
        g.MoveImmediate(R.B, 16);
        EmitDigits(lastDigit);

        g.Routine("append_bytes");
        g.Move(R.Bp, R.A);
        g.MoveImmediate(R.C, 8);
        var next = g.NewLabel();
        g.Place(next);
        g.Push(R.C);
        AppendLiteral(" ");
        EmitNibble(4);
        EmitNibble(0);
        g.Add(R.Bp, 1);
        g.Pop(R.C);
        g.Add(R.C, -1);
        g.Raw.jne(next);
        g.Raw.ret();
    }

    /// <summary>Converts A to base B, least significant digit first, backwards from <paramref name="lastDigit"/>, and appends the digits.</summary>
    private void EmitDigits(ulong lastDigit)
    {
        ulong alphabet = g.Data.Text("0123456789abcdef");
        g.MoveAddress(R.Di, lastDigit + 1);
        g.MoveAddress(R.Bp, alphabet);
        var next = g.NewLabel();
        g.Place(next);
        g.Raw.xor(edx, edx);
        if (g.Wide)
        {
            g.Raw.div(rbx);
            g.Raw.mov(dl, __byte_ptr[rbp + rdx]);
        }
        else
        {
            g.Raw.div(ebx);
            g.Raw.mov(dl, __byte_ptr[ebp + edx]);
        }

        g.Add(R.Di, -1);
        g.Raw.mov(g.Wide ? __byte_ptr[rdi] : __byte_ptr[edi], dl);
        g.Test(R.A);
        g.Raw.jne(next);
        g.Move(R.Si, R.Di);
        g.MoveAddress(R.C, lastDigit + 1);
        if (g.Wide)
        {
            g.Raw.sub(rcx, rdi);
        }
        else
        {
            g.Raw.sub(ecx, edi);
        }

        g.Jump("append_text");
    }

    private void EmitNibble(byte shift)
    {
        g.Raw.movzx(eax, g.Wide ? __byte_ptr[rbp] : __byte_ptr[ebp]);
        g.Raw.shr(eax, shift);
        g.Raw.and(eax, 15);
        g.MoveAddress(R.Si, g.Data.Text("0123456789abcdef"));
        g.Add(R.Si, R.A);
        g.MoveImmediate(R.C, 1);
        g.Call("append_text");
    }

    private void AppendLiteral(string text)
    {
        g.MoveAddress(R.Si, g.Data.Text(text));
        g.MoveImmediate(R.C, (ulong)text.Length);
        g.Call("append_text");
    }

    /// <summary>Sends the line to every console that takes it: console_io until refused, the ring, else the debug port.</summary>
    private void EmitFlushLine()
    {
        g.Routine("flush_line");
        AddLineEnd(R.Di);
        g.Raw.mov(g.Wide ? __byte_ptr[rdi] : __byte_ptr[edi], '\n');
        g.Load(R.A, g.Word(lineLength));
        g.Add(R.A, 1);
        g.Store(g.Word(lineLength), R.A);

        var ring = g.NewLabel();
        var port = g.NewLabel();
        var done = g.NewLabel();
        var send = g.NewLabel();
        g.Load(R.A, g.Word(ConsoleIoResult));
        g.Test(R.A);
        g.Raw.jne(ring);
        RawHypercall(HypercallNumber.console_io, [ConsoleIoCommand.write, HypercallArgument.Variable(lineLength), HypercallArgument.Address(line)]);
        g.Test(R.A);
        g.Raw.jns(ring);
        g.Store(g.Word(ConsoleIoResult), R.A);

        g.Place(ring);
        g.Load(R.A, g.Word(Ring));
        g.Test(R.A);
        g.Raw.je(port);
        g.Call("write_ring");
        g.Raw.jmp(done);

        g.Place(port);
        g.Load(R.A, g.Word(DebugPortEnabled));
        g.Test(R.A);
        g.Raw.je(done);
        g.MoveAddress(R.Si, line);
        g.Load(R.C, g.Word(lineLength));
        g.MoveImmediate(R.D, DebugPort);
        g.Place(send);
        g.Raw.lodsb();
        g.Raw.@out(dx, al);
        g.Add(R.C, -1);
        g.Raw.jne(send);

        g.Place(done);
        g.MoveImmediate(R.A, 0);
        g.Store(g.Word(lineLength), R.A);
        g.Raw.ret();
    }

    /// <summary>Copies the line into the console ring and notifies xenconsoled; yields while the ring is full.</summary>
    private void EmitWriteRing()
    {
        g.Routine("write_ring");
        g.MoveAddress(R.Si, line);
        g.Load(R.C, g.Word(lineLength));
        var next = g.NewLabel();
        var room = g.NewLabel();
        g.Place(next);
        g.Load(R.Bp, g.Word(Ring));
        g.Load32(R.D, g.At(R.Bp, RingOutProducer));
        g.Raw.mov(eax, edx);
        g.Raw.sub(eax, g.At(R.Bp, RingOutConsumer));
        g.Raw.cmp(eax, RingOutSize);
        g.Raw.jb(room);
        g.Push(R.C);
        g.Push(R.Si);
        NotifyRing();
        RawHypercall(HypercallNumber.sched_op, [SchedOp.yield, 0]);
        g.Pop(R.Si);
        g.Pop(R.C);
        g.Raw.jmp(next);

        g.Place(room);
        g.Raw.lodsb();
        g.Raw.and(edx, RingOutSize - 1);
        g.Raw.mov(g.Wide ? __byte_ptr[rbp + rdx + RingOut] : __byte_ptr[ebp + edx + RingOut], al);
        g.Raw.inc(g.Wide ? __dword_ptr[rbp + RingOutProducer] : __dword_ptr[ebp + RingOutProducer]);
        g.Add(R.C, -1);
        g.Raw.jne(next);
        NotifyRing();
        g.Raw.ret();
    }

    private void NotifyRing() => RawHypercall(HypercallNumber.event_channel_op, [EventChannelOp.send, HypercallArgument.Address(ringSend)]);

    /// <summary>The end, with the wish to be started again.</summary>
    public void Reboot()
    {
        Say("sched_op(shutdown, reboot): until soon");
        Hypercall(HypercallNumber.sched_op, SchedOp.shutdown, HypercallArgument.Address(g.Data.Word32((uint)ShutdownReason.reboot)));
    }

    private void EmitShutdown(ShutdownReason reason)
    {
        g.Routine(reason.ToString());
        ulong argument = g.Data.Word32((uint)reason);
        RawHypercall(HypercallNumber.sched_op, [SchedOp.shutdown, HypercallArgument.Address(argument)]);
        g.Raw.ud2(); // a shut-down domain does not come back
    }

    /// <summary>Address behind the line's last byte.</summary>
    private void AddLineEnd(R to)
    {
        g.MoveAddress(to, line);
        if (g.Wide)
        {
            g.Raw.add(to.Wide, g.Word(lineLength));
        }
        else
        {
            g.Raw.add(to.Narrow, g.Word(lineLength));
        }
    }
}
