using System.Globalization;
using System.Text.RegularExpressions;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;

namespace XenSim.Hypervisor.Tests.Boot.Dom0;

/// <summary>What the test kernel would print of the domain it is started in, read from outside.</summary>
internal static partial class TestKernelDump
{
    /// <summary>The page-table entries of a log's PTFRAME lines: table's address and slot to entry.</summary>
    public static Dictionary<(ulong Table, int Slot), ulong> Entries(IEnumerable<string> log)
    {
        Dictionary<(ulong, int), ulong> entries = [];
        ulong table = 0;
        foreach (string line in log)
        {
            if (TableLine().Match(line) is { Success: true } t)
                table = Hex(t.Groups[1].Value);
            if (RunLine().Match(line) is not { Success: true } run)
                continue;
            int first = (int)Hex(run.Groups[1].Value);
            for (int slot = first; slot <= (int)Hex(run.Groups[2].Value); slot++)
                entries[(table, slot)] = Hex(run.Groups[3].Value) + (ulong)((slot - first) * 4096);
        }

        return entries;
    }

    /// <summary>The same from the domain's memory.</summary>
    public static Dictionary<(ulong Table, int Slot), ulong> Entries(Vcpu v, ulong ptBase, ulong tables)
    {
        Dictionary<(ulong, int), ulong> entries = [];
        for (ulong t = 0; t < tables; t++)
        {
            byte[] bytes = Read(v, ptBase + (t << 12), 4096);
            for (int slot = 0; slot < 512; slot++)
            {
                ulong e = BitConverter.ToUInt64(bytes, slot * 8);
                if (e != 0)
                    entries[(ptBase + (t << 12), slot)] = e;
            }
        }

        return entries;
    }

    /// <summary>The SIRAW dump of a log.</summary>
    public static byte[] StartInfoPage(IEnumerable<string> log)
        => Convert.FromHexString(string.Concat(log.Where(l => l.StartsWith("SIRAW", StringComparison.Ordinal)).Select(l => l[12..].Trim())));

    /// <summary>A value of a log's SI or REG lines.</summary>
    public static ulong Value(IEnumerable<string> log, string name)
        => Hex(log.First(l => l.StartsWith(name + " = ", StringComparison.Ordinal))[(name.Length + 3)..].Trim());

    /// <summary>The first eight frames of the p2m list.</summary>
    public static ulong[] P2m(IEnumerable<string> log)
        => [.. log.First(l => l.StartsWith("P2M", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..].Select(Hex)];

    public static byte[] Read(Vcpu v, ulong address, int length)
    {
        byte[] bytes = new byte[length];
        Assert.True(v.Cpu.TryRead(new LinearAddress(address), bytes, v.Domain.KernelRing, out LinearAddress fault, out _), $"{fault} is not mapped");
        return bytes;
    }

    private static ulong Hex(string text) => ulong.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    [GeneratedRegex("^PTFRAME [0-9a-f]+ va ([0-9a-f]+)")]
    private static partial Regex TableLine();

    [GeneratedRegex(@"^  \[([0-9a-f]+)\.\.([0-9a-f]+)\] ([0-9a-f]+)")]
    private static partial Regex RunLine();
}
