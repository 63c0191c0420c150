using System.Text;
using Iced.Intel;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using static Iced.Intel.AssemblerRegisters;
using A = XenSim.Simulator.BuiltInGuests.HypercallArgument;
using R = XenSim.Simulator.BuiltInGuests.GuestRegister;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>
/// What a PV kernel needs to speak to xenstored: one request at a time through the ring that start_info names, then its reply.
/// </summary>
/// <remarks>Source: RELEASE-4.17.0 xen/include/public/io/xs_wire.h: struct xsd_sockmsg, struct xenstore_domain_interface.</remarks>
internal sealed class PvStoreClient
{
    private const int Replies = 1024, RingMask = 1023, RequestProducer = 2052, ReplyConsumer = 2056, ReplyProducer = 2060;
    private const int HeaderSize = 16, LengthAt = 12, LargestReply = 256;

    private readonly GuestAssembler g;
    private readonly GuestRuntime runtime;
    private readonly ulong startInfo;
    private readonly ulong virtualBase;
    private readonly ulong ring;
    private readonly ulong port;
    private readonly ulong reply;
    private readonly ulong left;

    public PvStoreClient(GuestAssembler assembler, GuestRuntime runtime, ulong virtualBase, ulong startInfo)
    {
        g = assembler;
        this.runtime = runtime;
        this.virtualBase = virtualBase;
        this.startInfo = startInfo;
        ring = g.Data.Reserve(8);
        port = g.Data.Word32(0);
        left = g.Data.Reserve(8);
        reply = g.Data.Reserve(HeaderSize + LargestReply);
    }

    /// <summary>Looks the ring up by its machine frame, as the console's is.</summary>
    public void FindRing()
    {
        Label none = g.NewLabel(), found = g.NewLabel();
        g.Load(R.Si, g.Word(startInfo));
        g.Load32(R.A, g.At(R.Si, StartInfoField.StoreEvtchn));
        g.Store32(GuestAssembler.Dword(port), R.A);
        g.Load(R.A, g.At(R.Si, StartInfoField.StoreMfn));
        PvGuest.EmitPageSearch(g, virtualBase, none);
        g.Store(g.Word(ring), R.A);
        g.Raw.jmp(found);
        g.Place(none);
        runtime.Say("start_info names no xenstore ring of mine");
        g.Jump("crash");
        g.Place(found);
    }

    /// <summary>Writes a number of at most two digits, and lets another domain read it.</summary>
    /// <param name="number">Variable of word size.</param>
    public void Write(string path, ulong number, ushort owner, ushort reader)
    {
        byte[] key = [.. Encoding.ASCII.GetBytes(path), 0];
        ulong message = Message(XenStoreMessage.WRITE, [.. key, 0, 0]), value = message + HeaderSize + (ulong)key.Length;
        Label oneDigit = g.NewLabel(), done = g.NewLabel();
        g.Load32(R.A, GuestAssembler.Dword(number));
        g.Raw.xor(edx, edx);
        g.MoveImmediate(R.B, 10);
        g.Raw.div(ebx);
        g.Raw.add(eax, '0');
        g.Raw.add(edx, '0');
        g.Raw.cmp(eax, '0');
        g.Raw.je(oneDigit);
        g.Raw.mov(ebx, eax);
        g.Raw.mov(__byte_ptr[value], bl);
        g.Raw.mov(__byte_ptr[value + 1], dl);
        g.MoveImmediate(R.C, (ulong)key.Length + 2);
        g.Raw.jmp(done);
        g.Place(oneDigit);
        g.Raw.mov(__byte_ptr[value], dl);
        g.MoveImmediate(R.C, (ulong)key.Length + 1);
        g.Place(done);
        g.Store32(GuestAssembler.Dword(message + LengthAt), R.C);
        Send(message);
        Check($"XS_WRITE {path}");
        Send(Message(XenStoreMessage.SET_PERMS, [.. key, .. Encoding.ASCII.GetBytes($"n{owner}\0r{reader}\0")]));
        Check($"XS_SET_PERMS {path}");
    }

    /// <summary>Reads a number; as long as there is none, or it may not be read, others run.</summary>
    /// <param name="number">Variable of word size.</param>
    public void Read(string path, ulong number)
    {
        ulong message = Message(XenStoreMessage.READ, [.. Encoding.ASCII.GetBytes(path), 0]);
        Label again = g.NewLabel(), there = g.NewLabel(), next = g.NewLabel(), done = g.NewLabel();
        g.Place(again);
        Send(message);
        g.Raw.cmp(GuestAssembler.Dword(reply), (int)XenStoreMessage.ERROR);
        g.Raw.jne(there);
        runtime.Hypercall(HypercallNumber.sched_op, SchedOp.yield, 0);
        g.Raw.jmp(again);
        g.Place(there);
        g.MoveAddress(R.Si, reply + HeaderSize);
        g.Load32(R.C, GuestAssembler.Dword(reply + LengthAt));
        g.MoveImmediate(R.A, 0);
        g.Place(next);
        g.Test(R.C);
        g.Raw.je(done);
        g.Raw.imul(eax, eax, 10);
        g.Raw.movzx(edx, g.Wide ? __byte_ptr[rsi] : __byte_ptr[esi]);
        g.Raw.lea(eax, g.Wide ? __[rax + rdx - '0'] : __[eax + edx - '0']);
        g.Add(R.Si, 1);
        g.Add(R.C, -1);
        g.Raw.jmp(next);
        g.Place(done);
        g.Store(g.Word(number), R.A);
    }

    /// <summary>xs_request: sends the message at Si and waits for the reply.</summary>
    public void EmitRoutine()
    {
        Label put = g.NewLabel(), get = g.NewLabel(), some = g.NewLabel(), notLength = g.NewLabel(), over = g.NewLabel();
        g.Routine("xs_request");
        g.Load32(R.C, g.At(R.Si, LengthAt));
        g.Add(R.C, HeaderSize);
        g.Load(R.Bp, g.Word(ring));
        g.Place(put);
        g.Load32(R.D, g.At(R.Bp, RequestProducer));
        g.Raw.and(edx, RingMask);
        g.Raw.lodsb();
        g.Raw.mov(g.Wide ? __byte_ptr[rbp + rdx] : __byte_ptr[ebp + edx], al);
        g.Raw.inc(g.Wide ? __dword_ptr[rbp + RequestProducer] : __dword_ptr[ebp + RequestProducer]);
        g.Add(R.C, -1);
        g.Raw.jne(put);
        Notify();

        // The reply's length is known when its header is there.
        g.MoveAddress(R.Di, reply);
        g.MoveImmediate(R.C, HeaderSize);
        g.Store(g.Word(left), R.C);
        g.Place(get);
        g.Load(R.Bp, g.Word(ring));
        g.Load32(R.D, g.At(R.Bp, ReplyConsumer));
        g.Raw.cmp(edx, g.At(R.Bp, ReplyProducer));
        g.Raw.jne(some);
        g.Push(R.Di);
        runtime.Hypercall(HypercallNumber.sched_op, SchedOp.yield, 0);
        g.Pop(R.Di);
        g.Raw.jmp(get);
        g.Place(some);
        g.Raw.and(edx, RingMask);
        g.Raw.mov(al, g.Wide ? __byte_ptr[rbp + rdx + Replies] : __byte_ptr[ebp + edx + Replies]);
        g.Raw.stosb();
        g.Raw.inc(g.Wide ? __dword_ptr[rbp + ReplyConsumer] : __dword_ptr[ebp + ReplyConsumer]);
        g.Load(R.C, g.Word(left));
        g.Add(R.C, -1);
        g.Store(g.Word(left), R.C);
        g.Raw.jne(get);
        g.MoveAddress(R.A, reply + HeaderSize);
        if (g.Wide)
            g.Raw.cmp(rdi, rax);
        else
            g.Raw.cmp(edi, eax);
        g.Raw.jne(over);
        g.Load32(R.C, GuestAssembler.Dword(reply + LengthAt));
        g.Raw.cmp(ecx, LargestReply);
        g.Raw.jbe(notLength);
        g.Jump("crash");
        g.Place(notLength);
        g.Store(g.Word(left), R.C);
        g.Test(R.C);
        g.Raw.jne(get);
        g.Place(over);
        Notify();
        g.Raw.ret();
    }

    private ulong Message(XenStoreMessage type, byte[] payload)
        => g.Data.Place([.. BitConverter.GetBytes((uint)type), .. BitConverter.GetBytes(1u), .. BitConverter.GetBytes(0u), .. BitConverter.GetBytes((uint)payload.Length), .. payload], 4);

    private void Send(ulong message)
    {
        g.MoveAddress(R.Si, message);
        g.Call("xs_request");
    }

    private void Check(string name)
    {
        g.Raw.cmp(GuestAssembler.Dword(reply), (int)XenStoreMessage.ERROR);
        runtime.Fail(name, g.Raw.jne);
    }

    private void Notify() => runtime.Hypercall(HypercallNumber.event_channel_op, EventChannelOp.send, A.Address(port));
}
