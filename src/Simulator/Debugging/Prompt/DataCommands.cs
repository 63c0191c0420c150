using System.Globalization;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>Registers, memory and expressions.</summary>
internal static class DataCommands
{
    private const int MostUnits = 4096;

    public static readonly PromptCommand[] All =
    [
        new(["regs", "r"], "[NAME…]", "The registers of the vCPU that is looked at.", "", ["regs", "regs rip cr3"], (s, a) => Registers(s, a.Words)),
        new(["print", "p"], "[/x|/d|/u|/t] EXPRESSION", "The value of an expression.",
            "Numbers, $registers, symbols, arguments of the hypercall that is stopped at, *address, byte(a), word(a), dword(a), qword(a), and C's operators.",
            ["p $rsp + 8", "p/d qword(shared_info)", "p *($rsi)"], Print),
        new(["x"], "[/COUNT FORMAT SIZE] [phys|machine] ADDRESS", "Memory, as gdb's x.",
            "Formats: x hexadecimal, d and u decimal, c characters, s text, i instructions. Sizes: b 1, h 2, w 4, g 8. phys is the guest's physical address, machine Xen's.",
            ["x/8xg $rsp", "x/s *($rsi)", "x/16xb machine 0x3f903000", "x/5i $rip"], Examine),
        new(["xp"], "[/COUNT FORMAT SIZE] ADDRESS", "Memory by guest-physical address, as Bochs' xp.", "", ["xp/4xw 0x103000"],
            (s, a) => Examine(s, a with { Text = $"phys {a.Text}" })),
        new(["set"], "$REGISTER = VALUE | [phys|machine] ADDRESS = VALUE[,LENGTH]", "Sets a register or memory, where a vCPU is about to run.",
            "It belongs to the session's history from then on; what was known to come after is forgotten.", ["set $rax = 0", "set 0xffffffff80104000 = 0x2a,1"], Set),
        new(["vcpu"], "[DOMAIN VCPU]", "Chooses the vCPU to look at, until the session runs again.", "", ["vcpu 1 0", "vcpu"], Choose),
    ];

    public static void Registers(PromptState s, IReadOnlyList<string> names)
    {
        Vcpu v = s.RequireVcpu();
        if (names.Count > 0)
        {
            foreach (string name in names)
                s.Line($"{name,-8} 0x{(RegisterFile.TryRead(v.Cpu, name, out ulong value) ? value : throw new PromptException($"no register \"{name}\": {Input.NearestName.Hint(name, [.. RegisterFile.Names])}")):x}");
            return;
        }

        s.Line($"d{v.Domain.Id.Value}v{v.Id}, {v.Cpu.CodeBits}-bit code, ring {v.Cpu.Cpl}{(v.Domain.IsHvm ? "" : v.KernelMode ? ", guest kernel" : ", guest user")}");
        Gpr[] all = Enum.GetValues<Gpr>();
        for (int i = 0; i < 16; i += 4)
            s.Line(string.Join("  ", all.Skip(i).Take(4).Select(g => $"{g.ToString().ToLowerInvariant(),-3} {v.Cpu[g]:x16}")));
        s.Line($"rip {v.Cpu.Rip:x16}  rflags {v.Cpu.Rflags:x} [{Flags(v.Cpu.Rflags)}]  {s.Address(v.Cpu.LinearRip)}");
        s.Line(string.Join("  ", Enum.GetValues<SegmentName>().Select(n => $"{n.ToString().ToLowerInvariant()} {v.Cpu.GetSegment(n).Selector:x4}")));
        s.Line($"cr0 {v.Cpu.Cr0:x}  cr2 {v.Cpu.Cr2:x}  cr3 {v.Cpu.Cr3:x}  cr4 {v.Cpu.Cr4:x}  efer {v.Cpu.Efer:x}  fs_base {v.Cpu.GetSegment(SegmentName.Fs).Base:x}  gs_base {v.Cpu.GetSegment(SegmentName.Gs).Base:x}");
    }

    /// <summary>phys or machine; anything else is a virtual address.</summary>
    public static AddressSpace SpaceOf(string word, out bool named)
    {
        named = word is "phys" or "machine";
        return word switch { "phys" => AddressSpace.GuestPhysical, "machine" => AddressSpace.Machine, _ => AddressSpace.Virtual };
    }

    /// <summary>SDM vol. 1, figure 3-8.</summary>
    private static string Flags(ulong rflags)
    {
        (int Bit, string Name)[] flags = [(0, "CF"), (2, "PF"), (4, "AF"), (6, "ZF"), (7, "SF"), (8, "TF"), (9, "IF"), (10, "DF"), (11, "OF"), (14, "NT"), (16, "RF"), (17, "VM"), (18, "AC"), (21, "ID")];
        return string.Join(' ', flags.Where(f => (rflags >> f.Bit & 1) != 0).Select(f => f.Name));
    }

    private static void Print(PromptState s, PromptArguments a)
    {
        ulong value = s.Evaluate(a.Text);
        s.Line(a.Format switch
        {
            "" => value < 10 ? $"{value}" : string.Create(CultureInfo.InvariantCulture, $"0x{value:x} ({(long)value}){(s.Debug.Inspect.Symbols.Describe(value) is { } name ? $" <{name}>" : "")}"),
            "x" => $"0x{value:x}",
            "d" => ((long)value).ToString(CultureInfo.InvariantCulture),
            "u" => value.ToString(CultureInfo.InvariantCulture),
            "t" => Convert.ToString((long)value, 2),
            _ => throw new PromptException($"print: no format \"{a.Format}\": x, d, u or t"),
        });
    }

    private static void Examine(PromptState s, PromptArguments a)
    {
        (int count, char format, int size) = ReadFormat(a);
        AddressSpace space = SpaceOf(a.Word(0) ?? "", out bool named);
        string text = named ? a.Rest(1) : a.Text;
        ulong address = text.Length > 0 ? s.Evaluate(text) : s.NextAddress ?? throw new PromptException("x: an address is missing");
        if (format == 'i')
        {
            CodeCommands.List(s, address, count);
            return;
        }

        if (format == 's')
        {
            s.Line($"0x{address:x}: \"{ReadText(s, space, address)}\"");
            return;
        }

        int perLine = 16 / size;
        for (int i = 0; i < count; i += perLine)
        {
            int n = Math.Min(perLine, count - i);
            byte[] bytes = new byte[n * size];
            if (!s.Debug.Inspect.TryRead(space, address, bytes))
                throw new PromptException($"nothing is mapped at 0x{address:x}");
            s.Line($"{(space == AddressSpace.Virtual ? s.Address(address) : $"0x{address:x}")}: {string.Join(' ', Enumerable.Range(0, n).Select(k => Unit(bytes.AsSpan(k * size, size), format)))}{(format == 'x' ? $"  {StopView.Printable(bytes)}" : "")}");
            address += (ulong)bytes.Length;
        }

        s.NextAddress = address;
    }

    private static string Unit(ReadOnlySpan<byte> bytes, char format)
    {
        ulong value = 0;
        for (int i = bytes.Length - 1; i >= 0; i--)
            value = (value << 8) | bytes[i];
        int unused = 64 - (8 * bytes.Length);
        return format switch
        {
            'd' => ((long)(value << unused) >> unused).ToString(CultureInfo.InvariantCulture),
            'u' => value.ToString(CultureInfo.InvariantCulture),
            'c' => $"'{StopView.Printable(bytes)}'",
            _ => value.ToString("x" + (2 * bytes.Length), CultureInfo.InvariantCulture),
        };
    }

    private static (int Count, char Format, int Size) ReadFormat(PromptArguments a)
    {
        string digits = new([.. a.Format.TakeWhile(char.IsAsciiDigit)]);
        int count = digits.Length == 0 ? 1 : int.TryParse(digits, out int n) && n is > 0 and <= MostUnits ? n : throw new PromptException($"{a.Command}: at most {MostUnits} units");
        char format = 'x';
        int size = 8;
        foreach (char c in a.Format[digits.Length..])
        {
            switch (c)
            {
                case 'b' or 'h' or 'w' or 'g':
                    size = c switch { 'b' => 1, 'h' => 2, 'w' => 4, _ => 8 };
                    break;
                case 'x' or 'd' or 'u' or 'c' or 's' or 'i':
                    (format, size) = (c, c == 'c' ? 1 : size);
                    break;
                default:
                    throw new PromptException($"{a.Command}: no format or size \"{c}\"; help {a.Command} lists them");
            }
        }

        return (count, format, size);
    }

    private static string ReadText(PromptState s, AddressSpace space, ulong address)
    {
        List<byte> text = [];
        byte[] one = new byte[1];
        while (text.Count < MostUnits && s.Debug.Inspect.TryRead(space, address + (ulong)text.Count, one) && one[0] != 0)
            text.Add(one[0]);
        return StopView.Printable([.. text]);
    }

    private static void Set(PromptState s, PromptArguments a)
    {
        int equals = a.Text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0)
            throw new PromptException("set: = is missing, as in set $rax = 0");
        string target = a.Text[..equals].Trim(), value = a.Text[(equals + 1)..].Trim();
        if (target.StartsWith('$'))
        {
            Vcpu v = s.RequireVcpu();
            Change(s, new RegisterChange(new VcpuId(v.Domain.Id, v.Id), target[1..], s.Evaluate(value)));
            return;
        }

        int comma = value.LastIndexOf(',');
        int length = comma < 0 ? 8 : int.TryParse(value[(comma + 1)..], out int n) && n is 1 or 2 or 4 or 8 ? n : throw new PromptException("set: a length is 1, 2, 4 or 8");
        string[] words = target.Split(' ', 2);
        AddressSpace space = SpaceOf(words[0], out bool named);
        ulong address = s.Evaluate(named ? words.ElementAtOrDefault(1) ?? "" : target);
        if ((address & 0xFFF) + (ulong)length > 4096)
            throw new PromptException("set: the bytes must lie in one page");
        Guest.Memory.PhysicalAddress machine = s.Debug.Inspect.MachineAddressOf(space, address) ?? throw new PromptException($"nothing is mapped at 0x{address:x}");
        Change(s, new MemoryChange(machine.Value, BitConverter.GetBytes(s.Evaluate(comma < 0 ? value : value[..comma]))[..length]));
    }

    public static void Change(PromptState s, Intervention change)
    {
        if (s.Debug.Change(change) is { } refused)
            throw new PromptException(refused);
    }

    private static void Choose(PromptState s, PromptArguments a)
    {
        if (a.Words.Count == 0)
        {
            s.Debug.Inspect.Select(null);
        }
        else if (ushort.TryParse(a.Word(0), out ushort domain) && int.TryParse(a.Require(1, "the vCPU's number"), out int number)
            && s.Debug.Inspect.Find(new VcpuId(new Hypervisor.Public.DomainId(domain), number)) is not null)
        {
            s.Debug.Inspect.Select(new VcpuId(new Hypervisor.Public.DomainId(domain), number));
        }
        else
        {
            throw new PromptException($"there is no vCPU {a.Text}; vcpus lists them");
        }

        Vcpu v = s.RequireVcpu();
        s.Line($"d{v.Domain.Id.Value}v{v.Id}");
    }
}
