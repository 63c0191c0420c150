using System.Text;
using XenSim.Guest.Memory;

namespace XenSim.Simulator.Debugging.Gdb;

/// <summary>Registers and memory.</summary>
internal sealed partial class GdbStub
{
    /// <summary>Before there is a vCPU every register reads as unavailable, which is written with x.</summary>
    private string ReadRegisters()
    {
        StringBuilder all = new();
        RegisterView? view = Current is { } v ? new RegisterView(v.Cpu) : null;
        foreach (GdbRegister r in Description.Registers)
            all.Append(Read(view, r));
        return all.ToString();
    }

    private string ReadRegister(string rest)
        => TryRegister(rest, out GdbRegister? r) ? Read(Current is { } v ? new RegisterView(v.Cpu) : null, r) : Invalid;

    private static string Read(RegisterView? view, GdbRegister r)
    {
        if (view is null)
            return new string('x', 2 * r.Size);
        Span<byte> value = stackalloc byte[16];
        r.Read(view, value[..r.Size]);
        return GdbText.Bytes(value[..r.Size]);
    }

    private string WriteRegisters(string rest)
    {
        if (!GdbText.TryBytes(rest, out byte[] bytes) || bytes.Length != Description.Registers.Sum(r => r.Size))
            return Invalid;
        int at = 0;
        List<(GdbRegister, byte[])> values = [];
        foreach (GdbRegister r in Description.Registers)
        {
            values.Add((r, bytes[at..(at + r.Size)]));
            at += r.Size;
        }

        return Set(values);
    }

    /// <summary><c>P n=value</c></summary>
    private string WriteRegister(string rest)
    {
        int equals = rest.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0 || !TryRegister(rest.AsSpan(0, equals), out GdbRegister? r) || !GdbText.TryBytes(rest.AsSpan(equals + 1), out byte[] bytes) || bytes.Length != r.Size)
            return Invalid;
        return Set([(r, bytes)]);
    }

    private bool TryRegister(ReadOnlySpan<char> text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out GdbRegister? register)
    {
        bool exists = GdbText.TryNumber(text, out ulong number) && number < (ulong)Description.Registers.Count;
        register = exists ? Description.Registers[(int)number] : null;
        return exists;
    }

    private string ReadMemory(string rest)
    {
        if (!GdbText.TryRange(rest, out ulong address, out ulong length))
            return Invalid;
        byte[] bytes = new byte[Math.Min(length, GdbConnection.PacketSize / 2)];
        int n = ReadSome(address, bytes);
        return n == 0 && bytes.Length > 0 ? BadAddress : GdbText.Bytes(bytes.AsSpan(0, n));
    }

    /// <summary>As far as it is mapped.</summary>
    private int ReadSome(ulong address, Span<byte> destination)
    {
        int done = 0;
        while (done < destination.Length)
        {
            ulong at = Narrowed(address + (ulong)done);
            int n = (int)Math.Min((ulong)(destination.Length - done), 4096 - (at & 0xFFF));
            if (!debug.Inspect.TryRead(_space, at, destination.Slice(done, n), Current))
                break;
            done += n;
        }

        return done;
    }

    private ulong Narrowed(ulong address) => _space == AddressSpace.Virtual && !Description.IsWide ? (uint)address : address;

    /// <summary><c>M address,length:bytes in hexadecimal</c></summary>
    private string WriteMemory(string rest)
    {
        int colon = rest.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && GdbText.TryRange(rest.AsSpan(0, colon), out ulong address, out ulong length)
            && GdbText.TryBytes(rest.AsSpan(colon + 1), out byte[] bytes) && (ulong)bytes.Length == length ? Write(address, bytes) : Invalid;
    }

    /// <summary><c>X address,length:bytes</c></summary>
    private string WriteMemory(byte[] packet, string rest)
    {
        int colon = rest.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && GdbText.TryRange(rest.AsSpan(0, colon), out ulong address, out ulong length)
            && (ulong)(packet.Length - colon - 2) == length ? Write(address, packet[(colon + 2)..]) : Invalid;
    }

    /// <summary>All of it or, if part of it is not mapped, none.</summary>
    private string Write(ulong address, byte[] bytes)
    {
        List<(PhysicalAddress Machine, int From, int Length)> pieces = [];
        for (int done = 0; done < bytes.Length;)
        {
            ulong at = Narrowed(address + (ulong)done);
            int n = (int)Math.Min((ulong)(bytes.Length - done), 4096 - (at & 0xFFF));
            if (debug.Inspect.MachineAddressOf(_space, at, Current) is not { } machine)
                return BadAddress;
            pieces.Add((machine, done, n));
            done += n;
        }

        foreach ((PhysicalAddress machine, int from, int length) in pieces)
        {
            if (debug.Change(new MemoryChange(machine.Value, bytes[from..(from + length)])) is { } refused)
                return Refused(refused);
        }

        return "OK";
    }

    private string Set(IReadOnlyList<(GdbRegister Register, byte[] Value)> values)
    {
        if (Current is not { } vcpu)
            return NoSuchProcess;
        VcpuId id = IdOf(vcpu);
        RegisterView view = new(vcpu.Cpu);
        foreach ((GdbRegister register, byte[] value) in values)
        {
            byte[] now = new byte[register.Size];
            register.Read(view, now);
            if (now.AsSpan().SequenceEqual(value))
                continue;
            if (debug.Change(register.Change(id, value)) is { } refused)
                return Refused(refused);
        }

        return "OK";
    }

    private string Refused(string why)
    {
        Print(Encoding.UTF8.GetBytes($"xensim: {why}\n"));
        return Invalid;
    }
}
