using System.Globalization;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>Registers, memory and expressions.</summary>
internal static class DataCommands
{
    public static readonly PromptCommand[] All =
    [
        new(["regs", "r"], "[NAME…]", "The registers of the vCPU that is looked at.", "", ["regs", "regs rip cr3"], (s, a) => Registers(s, a.Words)),
        new(["print", "p"], "[/x|/d|/u|/o|/t|/a|/c] EXPRESSION", "The value of an expression.",
            """
            Numbers, $registers, symbols, arguments of the hypercall that is stopped at, *address, byte(a), word(a), dword(a), qword(a), and C's operators.
            Formats: x hexadecimal, d and u decimal, o octal, t binary, a address with its name, c character.
            """,
            ["p $rsp + 8", "p/d qword(shared_info)", "p *($rsi)", "p/a $rip"], MemoryCommands.Print),
        new(["x"], "[/COUNT FORMAT SIZE] [phys|machine] [ADDRESS]", "Memory, as gdb's x.",
            """
            Formats: x hexadecimal, d and u decimal, o octal, t binary, a addresses with their names, c characters, s strings, i instructions.
            Sizes: b 1, h 2, w 4, g 8. Format and size stay until others are given; without an address it goes on where it ended.
            phys is the guest's physical address, machine Xen's.
            """,
            ["x/8xg $rsp", "x/4ag $rsp", "x/s $rsi", "x/16xb machine 0x3f903000", "x/5i $rip"], (s, a) => MemoryCommands.Examine(s, a, null)),
        new(["xp"], "[/COUNT FORMAT SIZE] [ADDRESS]", "Memory by guest-physical address, as Bochs' xp.", "", ["xp/4xw 0x103000"],
            (s, a) => MemoryCommands.Examine(s, a, AddressSpace.GuestPhysical)),
        new(["set"], "$REGISTER = VALUE | [phys|machine] ADDRESS = VALUE[,LENGTH]", "Sets a register or memory, where a vCPU is about to run.",
            "It belongs to the session's history from then on; what was known to come after is forgotten.", ["set $rax = 0", "set 0xffffffff80104000 = 0x2a,1"], Set),
        new(["vcpu"], "[DOMAIN VCPU | dDOMAINvVCPU]", "Chooses the vCPU to look at, until the session runs again.", "", ["vcpu 1 0", "vcpu d1v0", "vcpu"], Choose),
    ];

    public static void Registers(PromptState s, IReadOnlyList<string> names)
    {
        Vcpu v = s.RequireVcpu();
        if (names.Count > 0)
        {
            foreach (string name in names)
                s.Line($"{name,-8} 0x{(RegisterFile.TryRead(v.Cpu, name, out ulong value) ? value : throw PromptException.Unknown($"no register \"{name}\"", name, [.. RegisterFile.Names])):x}");
            return;
        }

        s.Line($"d{v.Domain.Id.Value}v{v.Id}, {v.Cpu.CodeBits}-bit code, ring {v.Cpu.Cpl}{(v.Domain.IsHvm ? "" : v.KernelMode ? ", guest kernel" : ", guest user")}");
        bool wide = v.Cpu.CodeBits == 64;
        for (int i = 0; i < (wide ? 16 : 8); i += 4)
            s.Line(string.Join("  ", Enum.GetValues<Gpr>().Skip(i).Take(4).Select(g => Shown(g.ToString().ToLowerInvariant(), v.Cpu[g], wide))));
        string at = CodeView.NameOf(s.Debug, v.Cpu.LinearRip) is { } place ? $"  <{place}>" : "";
        s.Line($"{Shown("rip", v.Cpu.Rip, wide)}  {(wide ? 'r' : 'e')}flags {v.Cpu.Rflags:x} [{Flags(v.Cpu.Rflags)}]{at}");
        s.Line(string.Join("  ", Enum.GetValues<SegmentName>().Select(n => $"{n.ToString().ToLowerInvariant()} {v.Cpu.GetSegment(n).Selector:x4}")));
        s.Line($"cr0 {v.Cpu.Cr0:x}  cr2 {v.Cpu.Cr2:x}  cr3 {v.Cpu.Cr3:x}  cr4 {v.Cpu.Cr4:x}  efer {v.Cpu.Efer:x}  fs_base {v.Cpu.GetSegment(SegmentName.Fs).Base:x}  gs_base {v.Cpu.GetSegment(SegmentName.Gs).Base:x}");
    }

    /// <summary>phys or machine; anything else is a virtual address.</summary>
    public static AddressSpace SpaceOf(string word, out bool named)
    {
        named = word is "phys" or "machine";
        return word switch { "phys" => AddressSpace.GuestPhysical, "machine" => AddressSpace.Machine, _ => AddressSpace.Virtual };
    }

    /// <summary>Code that is not of 64 bits has the lower halves only.</summary>
    private static string Shown(string name, ulong value, bool wide) => wide ? $"{name,-3} {value:x16}" : $"e{name[1..]} {(uint)value:x8}";

    /// <summary>SDM vol. 1, figure 3-8.</summary>
    private static string Flags(ulong rflags)
    {
        (int Bit, string Name)[] flags = [(0, "CF"), (2, "PF"), (4, "AF"), (6, "ZF"), (7, "SF"), (8, "TF"), (9, "IF"), (10, "DF"), (11, "OF"), (14, "NT"), (16, "RF"), (17, "VM"), (18, "AC"), (21, "ID")];
        ulong iopl = rflags >> 12 & 3;
        return string.Join(' ', [.. flags.Where(f => (rflags >> f.Bit & 1) != 0).Select(f => f.Name), .. iopl == 0 ? Array.Empty<string>() : [$"IOPL={iopl}"]]);
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
            if (!RegisterFile.TryRead(v.Cpu, target[1..], out _))
                throw PromptException.Unknown($"no register \"{target[1..]}\"", target[1..], [.. RegisterFile.Names]);
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
        string[] parts = a.Words is [var both] ? both.TrimStart('d').Split('v') : [.. a.Words];
        if (a.Words.Count == 0)
        {
            s.Debug.Inspect.Select(null);
        }
        else if (parts.Length == 2 && ushort.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out ushort domain)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int number) && new VcpuId(new Hypervisor.Public.DomainId(domain), number) is var id && s.Debug.Inspect.Find(id) is not null)
        {
            s.Debug.Inspect.Select(id);
        }
        else
        {
            throw new PromptException($"there is no vCPU {a.Text}; vcpus lists them");
        }

        Vcpu v = s.RequireVcpu();
        s.Line($"d{v.Domain.Id.Value}v{v.Id}");
    }
}
