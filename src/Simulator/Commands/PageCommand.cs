using System.CommandLine;
using System.Globalization;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;
using XenSim.Simulator.Input;
using XenSim.Simulator.Reports;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim page</c></summary>
internal static class PageCommand
{
    private static readonly Dictionary<string, HypercallPageFlavour> s_flavours = new()
    {
        ["pv64"] = HypercallPageFlavour.Ring3,
        ["pv32"] = HypercallPageFlavour.CompatRing1,
        ["ring0"] = HypercallPageFlavour.Ring0,
        ["vmx"] = HypercallPageFlavour.Vmx,
        ["svm"] = HypercallPageFlavour.Svm,
    };

    private enum View
    {
        Disassembly,
        Hex,
        Raw,
    }

    public static Command Build(Terminal terminal)
    {
        Argument<string> flavour = new("FLAVOUR") { Description = $"One of: {string.Join(", ", s_flavours.Keys)}." };
        flavour.AcceptOnlyFromAmong([.. s_flavours.Keys]);
        DefaultedOption<XenRelease> release = Options.Release();
        Option<bool> raw = new("--raw") { Description = "Write the bytes themselves." };
        Option<bool> hex = new("--hex") { Description = "Write hexadecimal digits, one slot a line." };
        Option<bool> disasm = new("--disasm") { Description = "Write the instructions of each slot (the default)." };
        DefaultedOption<ulong> slot = Options.Number("--slot", "Only this slot.", "N", ulong.MaxValue, 0, HypercallPage.SlotCount - 1);
        DefaultedOption<ulong> entry = Options.Number(
            "--entry", $"Address of Xen's hypercall entry, for ring0 (default 0x{HypercallPage.DefaultEntry:x}).", "0x…", HypercallPage.DefaultEntry, 0, uint.MaxValue);
        Command command = new("page",
            """
            Prints a hypercall page as Xen writes it.

            Examples:
              xensim page pv64
              xensim page vmx --xen 4.0 --slot 23
              xensim page ring0 --xen 4.0 --entry 0xff1234a0 --raw | sha256sum
            """)
        {
            flavour, release, raw, hex, disasm, slot, entry,
        };
        command.Validators.Add(result =>
        {
            if (new[] { result.GetValue(raw), result.GetValue(hex), result.GetValue(disasm) }.Count(v => v) > 1)
                result.AddError("--raw, --hex and --disasm exclude each other.");
        });
        command.SetAction(parsed =>
        {
            View view = parsed.GetValue(raw) ? View.Raw : parsed.GetValue(hex) ? View.Hex : View.Disassembly;
            string name = parsed.GetRequiredValue(flavour);
            if (!HypercallPage.Exists(s_flavours[name], release.ValueIn(parsed)))
                throw new InputException($"page {name}", "this release has no such page, the 32-bit hypervisor ended with 4.2", "add --xen 4.0");
            byte[] page = HypercallPage.Render(s_flavours[name], release.ValueIn(parsed), entry.ValueIn(parsed));
            ulong only = slot.ValueIn(parsed);
            Write(terminal, page, view, name == "pv64" ? 64 : 32, only == ulong.MaxValue ? Enumerable.Range(0, HypercallPage.SlotCount) : [(int)only]);
            return (int)ExitCode.Success;
        });
        return command;
    }

    private static void Write(Terminal terminal, byte[] page, View view, int bits, IEnumerable<int> slots)
    {
        foreach (int slot in slots)
        {
            byte[] bytes = page[(slot * HypercallPage.SlotSize)..((slot + 1) * HypercallPage.SlotSize)];
            switch (view)
            {
                case View.Raw:
                    terminal.Output.Write(bytes);
                    break;
                case View.Hex:
                    terminal.Out.WriteLine(HexText.Of(bytes));
                    break;
                default:
                    Disassemble(terminal.Out, page, bits, slot);
                    break;
            }
        }

        terminal.Output.Flush();
    }

    private static void Disassemble(TextWriter output, byte[] page, int bits, int slot)
    {
        PageSlot listed = PageListing.Slot(page, slot, bits);
        output.WriteLine($"slot {slot} +0x{slot * HypercallPage.SlotSize:x3} {listed.Name}".TrimEnd());
        foreach (PageInstruction instruction in listed.Instructions)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {instruction.Bytes,-24} {instruction.Text}"));
        if (listed.Filler > 0)
            output.WriteLine($"  cc × {listed.Filler}");
    }
}
