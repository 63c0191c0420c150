using System.Globalization;
using System.Text;

namespace XenSim.Simulator.Debugging.Gdb;

/// <summary>Packets that begin with q and Q.</summary>
internal sealed partial class GdbStub
{
    /// <summary>What a monitor command may print at most. Unit: characters.</summary>
    private const int LongestOutput = 1 << 20;

    private bool _noAcknowledgements;

    private string AnswerQuery(string text)
    {
        string name = text.Split(':', ',')[0];
        switch (name)
        {
            case "qSupported":
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"PacketSize={GdbConnection.PacketSize:x};QStartNoAckMode+;qXfer:features:read+;qXfer:memory-map:read+;swbreak+;hwbreak+;vContSupported+;ReverseStep+;ReverseContinue+");
            case "QStartNoAckMode":
                _noAcknowledgements = true;
                return "OK";
            case "qC":
                return "QC" + CurrentName;
            case "qAttached":
                return "1";
            case "qSymbol":
                return "OK";
            case "qfThreadInfo":
                return "m" + ThreadNames();
            case "qsThreadInfo":
                return "l";
            case "qThreadExtraInfo":
                return ThreadInformation(text[(name.Length + 1)..]);
            case "qXfer" when text.StartsWith("qXfer:features:read:target.xml:", StringComparison.Ordinal):
                return Part(Description.Xml, text["qXfer:features:read:target.xml:".Length..]);
            case "qXfer" when text.StartsWith("qXfer:features:read:", StringComparison.Ordinal):
                // There is no other annex; in particular none is a file.
                return "E00";
            case "qXfer" when text.StartsWith("qXfer:memory-map:read::", StringComparison.Ordinal):
                return Part(MemoryMap(), text["qXfer:memory-map:read::".Length..]);
            case "qRcmd":
                return Monitor(text["qRcmd".Length..]);
            default:
                return "";
        }
    }

    private static string Part(string document, string range)
    {
        if (!GdbText.TryRange(range, out ulong offset, out ulong length))
            return Invalid;
        if (offset >= (ulong)document.Length)
            return "l";
        int n = (int)Math.Min(Math.Min(length, GdbConnection.PacketSize / 2), (ulong)document.Length - offset);
        return string.Concat(offset + (ulong)n < (ulong)document.Length ? "m" : "l", document.AsSpan((int)offset, n));
    }

    /// <summary>All that can be addressed: what is mapped changes with the page tables. gdb takes an end of 2^64 as no end.</summary>
    private string MemoryMap() => $"""
        <?xml version="1.0"?><!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" "http://sourceware.org/gdb/gdb-memory-map.dtd">
        <memory-map>
        {(Description.IsWide
            ? """<memory type="ram" start="0x0" length="0x8000000000000000"/><memory type="ram" start="0x8000000000000000" length="0x8000000000000000"/>"""
            : """<memory type="ram" start="0x0" length="0x100000000"/>""")}
        </memory-map>

        """;

    private string Monitor(string rest)
    {
        if (rest.Length < 2 || rest[0] != ',' || !GdbText.TryBytes(rest.AsSpan(1), out byte[] bytes))
            return Invalid;
        string command = Encoding.UTF8.GetString(bytes).Trim();
        string output = ChooseSpace(command) ?? connection.Interruptibly(token => prompt.Execute(command, token), stop);
        if (output.Length > LongestOutput)
            output = output[..LongestOutput] + "…\n";
        Print(Encoding.UTF8.GetBytes(output));
        return "OK";
    }

    /// <summary><c>phys</c>: what the addresses of gdb's own memory commands mean.</summary>
    /// <returns>Null: it is another command.</returns>
    private string? ChooseSpace(string command)
    {
        string[] words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words is not ["phys", ..])
            return null;
        AddressSpace? chosen = words switch
        {
            ["phys"] => _space,
            ["phys", "on"] => AddressSpace.GuestPhysical,
            ["phys", "machine"] => AddressSpace.Machine,
            ["phys", "off"] => AddressSpace.Virtual,
            _ => null,
        };
        if (chosen is not { } space)
            return "monitor phys on: guest-physical addresses; phys machine: machine addresses; phys off: linear addresses again\n";
        _space = space;
        return $"gdb's addresses of memory are {_space switch { AddressSpace.Virtual => "linear", AddressSpace.GuestPhysical => "guest-physical", _ => "machine addresses" }} now\n";
    }

    /// <summary>Shows something in gdb, in pieces that fit packets.</summary>
    private void Print(ReadOnlySpan<byte> text)
    {
        const int most = (GdbConnection.PacketSize / 2) - 1;
        while (text.Length > 0)
        {
            int n = Math.Min(text.Length, most);
            connection.Send(Encoding.ASCII.GetBytes("O" + GdbText.Bytes(text[..n])));
            text = text[n..];
        }
    }
}
