using System.Globalization;
using System.Text;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Debugging.Prompt;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging.Gdb;

/// <summary>
/// Serves one gdb: a debugging stub on the debugger's core. Threads are vCPUs. GDB manual, appendix "GDB Remote Serial Protocol".
/// </summary>
/// <param name="prompt">For <c>monitor</c>.</param>
internal sealed partial class GdbStub(DebugSession debug, GdbConnection connection, EmbeddedPrompt prompt, CancellationToken stop)
{
    /// <summary>Errors as numbers of errno, which is what is usual.</summary>
    private const string NoSuchProcess = "E03", BadAddress = "E0e", Invalid = "E16", NoSpace = "E1c";

    /// <summary>Stands for a thread while there is no vCPU: before a domain has one, and after its end.</summary>
    private const long NoVcpu = 0x7FFF_FFFF;

    /// <summary>EFER.LMA.</summary>
    private const ulong LongModeActive = 1 << 10;

    private TargetDescription? _description;
    private VcpuId? _selected;
    private VcpuId? _stepped;
    private AddressSpace _space = AddressSpace.Virtual;
    private bool _leaves;

    /// <summary>How it ended.</summary>
    public GdbEnd End { get; private set; } = GdbEnd.HungUp;

    private TargetDescription Description => _description ??= DescribeTarget();

    /// <summary>Until the client detaches, kills or is gone.</summary>
    public void Serve()
    {
        debug.GuestPrints = bytes => Print(bytes);
        while (!_leaves && connection.Receive(stop) is { } packet)
        {
            if (Answer(packet) is { } answer)
                connection.Send(Encoding.Latin1.GetBytes(answer));
            if (_noAcknowledgements)
                connection.Acknowledges = false;
        }

        debug.GuestPrints = null;
        connection.Leave();
        RemoveBreakpoints();
    }

    /// <returns>Null: nothing is to be sent. Empty: this packet is unknown here, as the protocol has it.</returns>
    private string? Answer(byte[] packet)
    {
        string text = Encoding.Latin1.GetString(packet);
        if (text.Length == 0)
            return "";
        string rest = text[1..];
        switch (text[0])
        {
            case '?':
                return StopReply(debug.Report);
            case 'g':
                return ReadRegisters();
            case 'G':
                return WriteRegisters(rest);
            case 'p':
                return ReadRegister(rest);
            case 'P':
                return WriteRegister(rest);
            case 'm':
                return ReadMemory(rest);
            case 'M':
                return WriteMemory(rest);
            case 'X':
                return WriteMemory(packet, rest);
            case 'H':
                return SelectThread(rest);
            case 'T':
                return TryThread(rest, out VcpuId? id) && IsThere(id) ? "OK" : NoSuchProcess;
            case 'Z':
                return Insert(rest);
            case 'z':
                return Remove(rest);
            case 'c' or 'C' or 's' or 'S' or 'b':
                return ResumeOldStyle(text);
            case 'v':
                return AnswerVerb(text);
            case 'q' or 'Q':
                return AnswerQuery(text);
            case '!':
                return "OK";
            case 'k':
                End = GdbEnd.Killed;
                _leaves = true;
                return null;
            case 'D':
                End = GdbEnd.Detached;
                _leaves = true;
                return "OK";
            case 'R':
                GoToEntry();
                return null;
            default:
                return "";
        }
    }

    private string AnswerVerb(string text)
    {
        if (text == "vCont?")
            return "vCont;c;C;s;S";
        if (text.StartsWith("vCont;", StringComparison.Ordinal))
            return Resume(text[6..]);
        if (text.StartsWith("vKill;", StringComparison.Ordinal))
        {
            End = GdbEnd.Killed;
            _leaves = true;
            return "OK";
        }

        // The program is the one that was given to xensim, whatever the packet names.
        if (text.StartsWith("vRun;", StringComparison.Ordinal))
        {
            GoToEntry();
            return StopReply(debug.Report);
        }

        return "";
    }

    // Threads.

    private IEnumerable<Vcpu> Vcpus()
        => debug.Inspect.Vcpus.Where(v => debug.Options.Path == BootPath.Dom0 || v.Domain.Id != DomainId.Dom0);

    /// <summary>The vCPU that registers and addresses are those of; null: there is none.</summary>
    private Vcpu? Current => (_selected is { } id ? debug.Inspect.Find(id) : null) ?? debug.Inspect.Running ?? Vcpus().FirstOrDefault();

    private bool IsThere(VcpuId? id) => id is not { } named || Vcpus().Any(v => IdOf(v) == named);

    private static VcpuId IdOf(Vcpu v) => new(v.Domain.Id, v.Id);

    private static string Name(VcpuId id) => (((long)id.Domain.Value << 16) + id.Vcpu + 1).ToString("x", CultureInfo.InvariantCulture);

    private string CurrentName => Current is { } v ? Name(IdOf(v)) : NoVcpu.ToString("x", CultureInfo.InvariantCulture);

    /// <param name="id">Null: any (0), all (-1), or the one that stands for none.</param>
    private static bool TryThread(ReadOnlySpan<char> text, out VcpuId? id)
    {
        id = null;
        if (text is "-1")
            return true;
        if (!GdbText.TryNumber(text, out ulong number) || number > NoVcpu)
            return false;
        if (number is 0 or NoVcpu)
            return true;
        id = new VcpuId(new DomainId((ushort)(number >> 16)), (int)(number & 0xFFFF) - 1);
        return true;
    }

    private string SelectThread(string rest)
    {
        if (rest.Length < 2 || rest[0] is not ('g' or 'c') || !TryThread(rest.AsSpan(1), out VcpuId? id) || !IsThere(id))
            return NoSuchProcess;
        if (rest[0] == 'c')
            _stepped = id;
        else
            _selected = id;
        return "OK";
    }

    private string ThreadNames()
    {
        string[] names = [.. Vcpus().Select(v => Name(IdOf(v)))];
        return names.Length == 0 ? CurrentName : string.Join(',', names);
    }

    private string ThreadInformation(string rest)
    {
        if (!TryThread(rest, out VcpuId? id))
            return NoSuchProcess;
        if (id is not { } named)
            return GdbText.Bytes("no vCPU"u8);
        return debug.Inspect.Find(named) is { } v ? GdbText.Bytes(Encoding.UTF8.GetBytes($"{named} {v.State.ToString().ToLowerInvariant()}")) : NoSuchProcess;
    }

    /// <summary>A 64-bit one has to describe 64-bit code from the start: gdb asks once. PV guests keep their mode, others may enter long mode later.</summary>
    private TargetDescription DescribeTarget()
    {
        if (Current is not { } v)
            return TargetDescription.Amd64;
        bool narrow = v.Domain.IsHvm ? (v.Cpu.Efer & LongModeActive) == 0 && HasElf32Kernel : v.Domain.Is32BitPv;
        return narrow ? TargetDescription.I386 : TargetDescription.Amd64;
    }

    /// <summary>ELFCLASS32 in e_ident.</summary>
    private bool HasElf32Kernel => debug.Options.Guest.Kernel?.Bytes is [0x7F, (byte)'E', (byte)'L', (byte)'F', 1, ..];
}

/// <summary>How a gdb left.</summary>
internal enum GdbEnd
{
    HungUp,
    Detached,
    Killed,
}
