using XenSim.Guest.Cpu;

namespace XenSim.Simulator.Debugging;

/// <summary>A vCPU's registers by the manuals' lower-case names, to be read and set.</summary>
public static class RegisterFile
{
    private sealed record Register(string Name, Func<VirtualCpu, ulong> Read, Action<VirtualCpu, ulong>? Write);

    private static readonly Dictionary<string, Register> s_registers = Declare().ToDictionary(r => r.Name, StringComparer.Ordinal);

    /// <summary>Names that are shown: no parts of registers.</summary>
    public static IEnumerable<string> Names => s_registers.Keys;

    /// <summary>By name, also of a part (<c>eax</c>, <c>ax</c>, <c>al</c>, <c>r8d</c>, <c>eip</c>, <c>pc</c>, <c>sp</c>); a leading <c>$</c> is allowed.</summary>
    public static bool TryRead(VirtualCpu cpu, string name, out ulong value)
    {
        (string whole, ulong mask, int shift) = Part(name);
        value = 0;
        if (!s_registers.TryGetValue(whole, out Register? r))
            return false;
        value = (r.Read(cpu) >> shift) & mask;
        return true;
    }

    /// <summary>Sets a whole register, or part of one: 32-bit parts clear the upper half, smaller ones keep the rest. False: no such register, or it cannot be set.</summary>
    public static bool TryWrite(VirtualCpu cpu, string name, ulong value)
    {
        (string whole, ulong mask, int shift) = Part(name);
        if (!s_registers.TryGetValue(whole, out Register? r) || r.Write is null)
            return false;
        ulong old = mask is uint.MaxValue or ulong.MaxValue ? 0 : r.Read(cpu) & ~(mask << shift);
        r.Write(cpu, old | ((value & mask) << shift));
        return true;
    }

    private static IEnumerable<Register> Declare()
    {
        foreach (Gpr g in Enum.GetValues<Gpr>())
            yield return new Register(g.ToString().ToLowerInvariant(), c => c[g], (c, v) => c[g] = v);
        yield return new Register("rip", c => c.Rip, (c, v) => c.Rip = v);
        yield return new Register("rflags", c => c.Rflags, (c, v) => c.Rflags = v);
        foreach (SegmentName s in Enum.GetValues<SegmentName>())
        {
            yield return new Register(s.ToString().ToLowerInvariant(), c => c.GetSegment(s).Selector, null);
            yield return new Register($"{s.ToString().ToLowerInvariant()}_base", c => c.GetSegment(s).Base, null);
        }

        yield return new Register("cr0", c => c.Cr0, (c, v) => c.Cr0 = v);
        yield return new Register("cr2", c => c.Cr2, (c, v) => c.Cr2 = v);
        yield return new Register("cr3", c => c.Cr3, (c, v) => c.Cr3 = v);
        yield return new Register("cr4", c => c.Cr4, (c, v) => c.Cr4 = v);
        yield return new Register("cr8", c => c.Cr8, (c, v) => c.Cr8 = v);
        yield return new Register("efer", c => c.Efer, null);
        yield return new Register("star", c => c.Star, (c, v) => c.Star = v);
        yield return new Register("lstar", c => c.LStar, (c, v) => c.LStar = v);
        yield return new Register("kernel_gs_base", c => c.KernelGsBase, (c, v) => c.KernelGsBase = v);
        yield return new Register("xcr0", c => c.Xcr0, null);
        foreach (int n in (int[])[0, 1, 2, 3, 6, 7])
            yield return new Register($"dr{n}", c => c.GetDebugRegister(n), (c, v) => c.SetDebugRegister(n, v));
        yield return new Register("gdtr", c => c.Gdtr.Base, null);
        yield return new Register("gdtr_limit", c => c.Gdtr.Limit, null);
        yield return new Register("idtr", c => c.Idtr.Base, null);
        yield return new Register("idtr_limit", c => c.Idtr.Limit, null);
        yield return new Register("cpl", c => (ulong)c.Cpl, null);
    }

    /// <summary>The whole register that a name is a part of. SDM vol. 1, table 3-2.</summary>
    private static (string Whole, ulong Mask, int Shift) Part(string name)
    {
        string n = name.StartsWith('$') ? name[1..].ToLowerInvariant() : name.ToLowerInvariant();
        switch (n)
        {
            case "pc":
                return ("rip", ulong.MaxValue, 0);
            case "sp":
                return ("rsp", ushort.MaxValue, 0);
            case "eflags":
                return ("rflags", uint.MaxValue, 0);
            case "eip" or "eax" or "ebx" or "ecx" or "edx" or "esi" or "edi" or "ebp" or "esp":
                return ("r" + n[1..], uint.MaxValue, 0);
            case "ax" or "bx" or "cx" or "dx" or "si" or "di" or "bp":
                return ("r" + n, ushort.MaxValue, 0);
            case "al" or "bl" or "cl" or "dl":
                return ($"r{n[0]}x", byte.MaxValue, 0);
            case "ah" or "bh" or "ch" or "dh":
                return ($"r{n[0]}x", byte.MaxValue, 8);
            case "sil" or "dil" or "bpl" or "spl":
                return ("r" + n[..2], byte.MaxValue, 0);
            default:
                bool extended = n.Length is 3 or 4 && n[0] == 'r' && char.IsAsciiDigit(n[1]);
                return extended && n[^1] is 'd' or 'w' or 'b' && extended
                    ? (n[..^1], n[^1] switch { 'd' => uint.MaxValue, 'w' => ushort.MaxValue, _ => byte.MaxValue }, 0)
                    : (n, ulong.MaxValue, 0);
        }
    }
}
