using System.Globalization;
using Iced.Intel;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Simulator.BuiltInGuests;
using XenSim.Simulator.Session;
using static Iced.Intel.AssemblerRegisters;

namespace XenSim.Benchmarks.Compare;

/// <summary>Round trips of <c>xen_version(version)</c> through the hypercall page of a 64-bit PV guest on the simulated Xen.</summary>
internal static class HypercallRate
{
    private const int Calls = 2_000_000;
    private const int Rounds = 4;
    private const int SlotSize = 32;
    private const ulong Base = 0xFFFF_FFFF_8000_0000;
    private const ulong Text = Base + 0x100000;
    private const int PageSize = 0x1000;
    private const ulong Page = Text + PageSize;
    private const ulong Data = Page + PageSize;

    public static void Print()
    {
        byte[] looping = Guest(Calls), empty = Guest(1);
        double best = Enumerable.Range(0, Rounds).Min(_ => Seconds(looping) - Seconds(empty));
        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"PV hypercall round trips (xen_version through the page): {Calls / best / 1e6:F2} million per second of processor time"));
    }

    private static double Seconds(byte[] image)
    {
        SessionOptions options = new() { Guest = new GuestSpec { Kernel = new NamedBytes("hypercalls", image), Name = "hypercalls" } };
        double begun = ProcessorTime.OfThisThread();
        using BootSession session = new(options, []);
        SessionOutcome outcome = session.Run(CancellationToken.None);
        return outcome.End == SessionEnd.PoweredOff
            ? ProcessorTime.OfThisThread() - begun
            : throw new InvalidOperationException($"{outcome.End}: {outcome.Detail}");
    }

    private static byte[] Guest(int calls)
    {
        Assembler a = new(64);
        Label again = a.CreateLabel();
        a.mov(r15d, calls);
        a.Label(ref again);
        a.xor(edi, edi);
        a.call(Page + ((ulong)HypercallNumber.xen_version * SlotSize));
        a.dec(r15d);
        a.jne(again);
        a.mov(edi, (int)SchedOp.shutdown);
        a.mov(rsi, Data);
        a.call(Page + ((ulong)HypercallNumber.sched_op * SlotSize));
        using MemoryStream code = new();
        a.Assemble(new StreamCodeWriter(code), Text);
        byte[] text = new byte[PageSize];
        code.ToArray().CopyTo(text, 0);
        NoteBuilder notes = new NoteBuilder(wide: true)
            .Text(ElfNote.GUEST_OS, "hypercalls").Text(ElfNote.XEN_VERSION, "xen-3.0").Text(ElfNote.LOADER, "generic")
            .Number(ElfNote.VIRT_BASE, Base).Number(ElfNote.PADDR_OFFSET, 0).Number(ElfNote.ENTRY, Text).Number(ElfNote.HYPERCALL_PAGE, Page);
        return new ElfBuilder { Class64 = true, Entry = Text, VirtualOffset = Base }
            .AddCode(".text", Text, text).AddCode(".hypercall_page", Page, new byte[PageSize]).AddData(".data", Data, new byte[PageSize])
            .AddNotes(".note.Xen", notes.ToArray()).Build();
    }
}
