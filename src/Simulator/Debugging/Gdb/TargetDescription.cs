using System.Buffers.Binary;
using System.Text;
using XenSim.Guest.Cpu;

namespace XenSim.Simulator.Debugging.Gdb;

/// <summary>A register of a target description.</summary>
/// <param name="Bits">Size on the wire.</param>
/// <param name="Type">Its type in the description's words.</param>
/// <param name="Group">What <c>info registers GROUP</c> shows it in; null: the usual one.</param>
/// <param name="Change">What setting it to a value is.</param>
internal sealed record GdbRegister(string Name, int Bits, string Type, string? Group, GdbRegister.Reader Read, Func<VcpuId, byte[], Intervention> Change)
{
    public delegate void Reader(RegisterView view, Span<byte> to);

    public int Size => Bits / 8;
}

/// <summary>
/// Which registers gdb is told of, in which order: those that it knows by name (GDB manual, "i386 Features"), and, in a feature of our own, every other one
/// that the debugger knows.
/// </summary>
internal sealed class TargetDescription
{
    private static readonly string[] s_order64 = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
    private static readonly string[] s_order32 = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
    private static readonly string[] s_selectors = ["cs", "ss", "ds", "es", "fs", "gs"];

    // After the arrays, which they are made of.
    public static readonly TargetDescription Amd64 = new(wide: true);
    public static readonly TargetDescription I386 = new(wide: false);

    private readonly List<GdbRegister> _all = [];

    private TargetDescription(bool wide)
    {
        IsWide = wide;
        StringBuilder xml = new($"""
            <?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">
            <target><architecture>{(wide ? "i386:x86-64" : "i386")}</architecture>

            """);
        Feature(xml, "org.gnu.gdb.i386.core", Flags("i386_eflags", 32, EflagsBits), Core(wide));
        Feature(xml, "org.gnu.gdb.i386.sse", SseTypes, Sse(wide ? 16 : 8));
        Feature(xml, "org.gnu.gdb.i386.avx", "", Avx(wide ? 16 : 8));
        if (wide)
            Feature(xml, "org.gnu.gdb.i386.segments", "", [Known("fs_base", 64, "int"), Known("gs_base", 64, "int")]);
        Feature(xml, "org.xensim.system", Flags("cr0_flags", 64, Cr0Names) + Flags("cr4_flags", 64, Cr4Names) + Flags("efer_flags", 64, EferNames), SystemRegisters());
        Xml = xml.Append("</target>\n").ToString();
    }

    public bool IsWide { get; }

    /// <summary>target.xml</summary>
    public string Xml { get; }

    /// <summary>In order of their numbers, which is that of the g packet.</summary>
    public IReadOnlyList<GdbRegister> Registers => _all;

    // Bit names: SDM vol. 1, figure 3-8; vol. 3A, figure 2-7 and table 2-1.
    private static (string Name, int Bit)[] EflagsBits =>
    [
        ("CF", 0), ("", 1), ("PF", 2), ("AF", 4), ("ZF", 6), ("SF", 7), ("TF", 8), ("IF", 9), ("DF", 10), ("OF", 11), ("NT", 14), ("RF", 16), ("VM", 17), ("AC", 18), ("VIF", 19), ("VIP", 20), ("ID", 21),
    ];

    private static (string Name, int Bit)[] Cr0Names => [("PE", 0), ("MP", 1), ("EM", 2), ("TS", 3), ("ET", 4), ("NE", 5), ("WP", 16), ("AM", 18), ("NW", 29), ("CD", 30), ("PG", 31)];

    private static (string Name, int Bit)[] Cr4Names =>
    [
        ("VME", 0), ("PVI", 1), ("TSD", 2), ("DE", 3), ("PSE", 4), ("PAE", 5), ("MCE", 6), ("PGE", 7), ("PCE", 8), ("OSFXSR", 9), ("OSXMMEXCPT", 10), ("UMIP", 11), ("LA57", 12), ("VMXE", 13), ("SMXE", 14),
        ("FSGSBASE", 16), ("PCIDE", 17), ("OSXSAVE", 18), ("SMEP", 20), ("SMAP", 21), ("PKE", 22),
    ];

    private static (string Name, int Bit)[] EferNames => [("SCE", 0), ("LME", 8), ("LMA", 10), ("NXE", 11), ("SVME", 12), ("FFXSR", 14)];

    private static string SseTypes => """
          <vector id="v4f" type="ieee_single" count="4"/><vector id="v2d" type="ieee_double" count="2"/><vector id="v16i8" type="int8" count="16"/>
          <vector id="v8i16" type="int16" count="8"/><vector id="v4i32" type="int32" count="4"/><vector id="v2i64" type="int64" count="2"/>
          <union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/><field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/>
          <field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>

        """ + Flags("i386_mxcsr", 32, [("IE", 0), ("DE", 1), ("ZE", 2), ("OE", 3), ("UE", 4), ("PE", 5), ("DAZ", 6), ("IM", 7), ("DM", 8), ("ZM", 9), ("OM", 10), ("UM", 11), ("PM", 12), ("FZ", 15)]);

    private static string Flags(string id, int bits, (string Name, int Bit)[] names)
        => $"  <flags id=\"{id}\" size=\"{bits / 8}\">{string.Concat(names.Select(n => $"<field name=\"{n.Name}\" start=\"{n.Bit}\" end=\"{n.Bit}\"/>"))}</flags>\n";

    private void Feature(StringBuilder xml, string name, string types, IEnumerable<GdbRegister> registers)
    {
        xml.Append("<feature name=\"").Append(name).Append("\">\n").Append(types);
        foreach (GdbRegister r in registers)
        {
            string group = r.Group is null ? "" : $" group=\"{r.Group}\"";
            xml.Append($"  <reg name=\"{r.Name}\" bitsize=\"{r.Bits}\" type=\"{r.Type}\"{group} regnum=\"{_all.Count}\"/>\n");
            _all.Add(r);
        }

        xml.Append("</feature>\n");
    }

    private static IEnumerable<GdbRegister> Core(bool wide)
    {
        int bits = wide ? 64 : 32;
        foreach (string name in wide ? s_order64 : s_order32)
            yield return Known(name, bits, name is "rbp" or "rsp" or "ebp" or "esp" ? "data_ptr" : $"int{bits}");
        yield return Known(wide ? "rip" : "eip", bits, "code_ptr");
        yield return Known("eflags", 32, "i386_eflags");
        foreach (string name in s_selectors)
            yield return Known(name, 32, "int32");
        for (int i = 0; i < 8; i++)
            yield return InImage($"st{i}", 80, "i387_ext", 32 + (16 * i), 10);
        yield return InImage("fctrl", 32, "int", 0, 2, "float");
        yield return InImage("fstat", 32, "int", 2, 2, "float");
        yield return new GdbRegister("ftag", 32, "int", "float", (v, to) => BinaryPrimitives.WriteUInt32LittleEndian(to, v.TagWord),
            (id, value) => new ImageChange(id, false, 4, [RegisterView.AbridgedTags(BinaryPrimitives.ReadUInt16LittleEndian(value))]));
        yield return InImage("fiseg", 32, "int", 12, 4, "float");
        yield return InImage("fioff", 32, "int", 8, 4, "float");
        yield return InImage("foseg", 32, "int", 20, 4, "float");
        yield return InImage("fooff", 32, "int", 16, 4, "float");
        yield return InImage("fop", 32, "int", 6, 2, "float");
    }

    private static IEnumerable<GdbRegister> Sse(int count)
    {
        for (int i = 0; i < count; i++)
            yield return InImage($"xmm{i}", 128, "vec128", 160 + (16 * i), 16);
        yield return InImage("mxcsr", 32, "i386_mxcsr", 24, 4, "vector");
    }

    private static IEnumerable<GdbRegister> Avx(int count)
    {
        for (int i = 0; i < count; i++)
        {
            int at = 16 * i;
            yield return new GdbRegister($"ymm{i}h", 128, "uint128", null, (v, to) => v.Ymm.Slice(at, 16).CopyTo(to), (id, value) => new ImageChange(id, true, at, value));
        }
    }

    /// <summary>What the debugger knows besides.</summary>
    private IEnumerable<GdbRegister> SystemRegisters()
    {
        HashSet<string> told = [.. _all.Select(r => r.Name), "rip", "rflags", .. Enum.GetNames<Gpr>().Select(g => g.ToLowerInvariant())];
        foreach (string name in RegisterFile.Names.Where(n => !told.Contains(n)).ToList())
            yield return Known(name, 64, name switch { "cr0" => "cr0_flags", "cr4" => "cr4_flags", "efer" => "efer_flags", _ => "uint64" }, "system");
    }

    private static GdbRegister Known(string name, int bits, string type, string? group = null) => new(
        name, bits, type, group,
        (v, to) =>
        {
            RegisterFile.TryRead(v.Cpu, name, out ulong value);
            Span<byte> whole = stackalloc byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(whole, value);
            whole[..to.Length].CopyTo(to);
        },
        (id, value) =>
        {
            byte[] whole = new byte[8];
            value.CopyTo(whole, 0);
            return new RegisterChange(id, name, BinaryPrimitives.ReadUInt64LittleEndian(whole));
        });

    /// <summary>A field of the FXSAVE image. SDM vol. 1, table 10-2.</summary>
    private static GdbRegister InImage(string name, int bits, string type, int offset, int length, string? group = null) => new(
        name, bits, type, group,
        (v, to) =>
        {
            to.Clear();
            v.Fx.Slice(offset, length).CopyTo(to);
        },
        (id, value) => new ImageChange(id, false, offset, value[..length]));
}
