using System.Globalization;
using System.Text.RegularExpressions;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Toolstack.Tests.Images;

/// <summary>Log files of real tools under Data/Logs, and an image rebuilt from what such a log says about the real one.</summary>
internal static partial class GoldenLog
{
    public static string[] Lines(string name) => File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Data", "Logs", name + ".log"));

    /// <summary>libelf's lines of parsing (up to the address table), without the program's prefix.</summary>
    public static string[] ElfLines(string name, string prefix = "xc: detail: ")
    {
        string[] all = [.. Lines(name).Where(l => l.StartsWith(prefix, StringComparison.Ordinal)).Select(l => l[prefix.Length..])];
        int first = Array.FindIndex(all, l => l.StartsWith("ELF:", StringComparison.Ordinal));
        int last = Array.FindIndex(all, l => l.StartsWith("    p2m_base", StringComparison.Ordinal));
        return all[first..(last + 1)];
    }

    /// <summary>An ELF image with the segments and notes that the lines name; contents are empty.</summary>
    public static byte[] Rebuild(string[] elfLines, bool is64)
    {
        var builder = new ElfBuilder(is64);
        foreach (string line in elfLines)
        {
            if (Phdr().Match(line) is { Success: true } p)
                builder.Load(Number(p.Groups[1].Value), Number(p.Groups[2].Value));
            else if (TextNote().Match(line) is { Success: true } t)
                builder.Note(Enum.Parse<ElfNote>(t.Groups[1].Value), t.Groups[2].Value);
            else if (UnknownNote().Match(line) is { Success: true } u)
                builder.Note((ElfNote)Number(u.Groups[1].Value), 0x1122334455667788);
            else if (NumberNote().Match(line) is { Success: true } n)
                AddNumber(builder, Enum.Parse<ElfNote>(n.Groups[1].Value), Number(n.Groups[2].Value), is64);
        }

        return builder.Build();
    }

    // Linux emits these two with .long even in 64-bit kernels.
    private static void AddNumber(ElfBuilder builder, ElfNote type, ulong value, bool is64)
        => builder.Note(type, value, type is ElfNote.SUPPORTED_FEATURES or ElfNote.SUSPEND_CANCEL || !is64 ? 4 : 8);

    private static ulong Number(string text)
        => text.StartsWith("0x", StringComparison.Ordinal)
            ? ulong.Parse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture)
            : ulong.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^ELF: phdr: paddr=(\S+) memsz=(\S+)$")]
    private static partial Regex Phdr();

    [GeneratedRegex("^ELF: note: (\\w+) = \"(.*)\"$")]
    private static partial Regex TextNote();

    [GeneratedRegex(@"^ELF: note: unknown \((\S+)\)$")]
    private static partial Regex UnknownNote();

    [GeneratedRegex(@"^ELF: note: (\w+) = (\w+)$")]
    private static partial Regex NumberNote();
}
