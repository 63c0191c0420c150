using System.Buffers.Binary;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;

namespace XenSim.Guest.Tests.Unicorn;

/// <summary>
/// One set of page tables with random rights and reserved bits, and one access through them at CPL 0, on both engines. The page maps to
/// itself: version 2.0.1 of the library walks the tables but then reads its memory at the linear
/// address. It also keeps EFER.NXE clear, so that NX is a reserved bit here, and on a fault it has set accessed bits above the entry at
/// fault, which the manual leaves open (SDM vol. 3A, 4.8): after a fault the tables are not compared.
/// </summary>
internal sealed class WalkCase : IDisposable
{
    private const int Size = 0x80_0000;
    private const ulong Tables = 0x10_0000, Code = 0x1000, Linear = 0x40_3000;
    private readonly byte[] _memory = new byte[Size];
    private readonly bool _legacy, _long, _write;
    private readonly ulong _cr0, _cr4, _efer;
    private readonly UnicornCpu _theirs;
    private readonly PhysicalMemory _frames = new(Size / 4096);
    private readonly VirtualCpu _ours;

    public WalkCase(string paging, Random random)
    {
        _legacy = paging == "legacy";
        _long = paging == "long";
        _write = random.Next(2) == 0;
        _cr0 = 0x8000_0011 | (random.Next(2) == 0 ? 0x1_0000ul : 0);
        _cr4 = (_legacy ? 0u : 0x20u) | (random.Next(3) != 0 ? 0x10u : 0);
        _efer = _long ? 0x500ul : 0;
        _theirs = new UnicornCpu(_long ? 64 : 32, Size);
        _ours = new VirtualCpu(_frames, new Support.FixedPolicy(), Intercepts.ParavirtualGuest) { PhysicalAddressBits = 40 };
        Build(random);
        // mov (%ebx),%eax or mov %eax,(%ebx)
        _memory[Code] = _write ? (byte)0x89 : (byte)0x8B;
        _memory[Code + 1] = 0x03;
        for (int i = 0; i < Size / 4096; i++)
            _memory.AsSpan(i * 4096, 4096).CopyTo(_frames.Writable((ulong)i));
        _memory.CopyTo(_theirs.Memory);
    }

    public string Text { get; private set; } = "";

    public (string Ours, string Theirs, bool Done) Run()
    {
        const ulong Value = 0x1122_3344;
        _theirs[UnicornCpu.Cr3] = Tables;
        _theirs[UnicornCpu.Cr4] = _cr4;
        if (!_legacy)
            _theirs.WriteMsr(0xC000_0080, _efer);
        _theirs[UnicornCpu.Cr0] = _cr0;
        (_theirs[UnicornCpu.General[0]], _theirs[UnicornCpu.General[3]]) = (Value, Linear + 8);
        int error = _theirs.Run(Code, Code + 2, 1);
        _ours.Cr4 = _cr4;
        _ours.Efer = _efer;
        _ours.Cr3 = Tables;
        _ours.Cr0 = _cr0;
        foreach (SegmentName name in new[] { SegmentName.Cs, SegmentName.Ds, SegmentName.Ss })
            _ours.SetSegment(name, new SegmentRegister(8, 0, uint.MaxValue, (ushort)(name == SegmentName.Cs ? _long ? 0xA09B : 0xC09B : 0xC093)));
        (_ours[Gpr.Rax], _ours[Gpr.Rbx], _ours.Rip, _ours.Rflags) = (Value, Linear + 8, Code, 2);
        CpuExit exit = _ours.Run(1);
        bool done = exit.Reason == ExitReason.BudgetSpent;
        string ours = Outcome(done, _ours[Gpr.Rax], (address, bytes) => _frames.TryRead(new PhysicalAddress(address), bytes));
        string theirs = Outcome(error == 0, _theirs[UnicornCpu.General[0]], (address, bytes) => _theirs.Memory.Slice((int)address, bytes.Length).CopyTo(bytes));
        return (ours, theirs, done);
    }

    public void Dispose()
    {
        _ours.Dispose();
        _frames.Dispose();
        _theirs.Dispose();
    }

    private static string Outcome(bool done, ulong rax, Action<ulong, byte[]> read)
    {
        byte[] tables = new byte[0x8000];
        read(Tables, tables);
        byte[] data = new byte[0x4000];
        read(0x40_0000, data);
        if (!done)
            return "fault";
        return $"done {(uint)rax:x} tables {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(tables))[..8]} data {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(data))[..8]}";
    }

    /// <summary>The code's page is identity-mapped by a path of its own; the tested page by entries with random bits.</summary>
    private void Build(Random random)
    {
        new Random(1).NextBytes(_memory.AsSpan(0x40_0000, 0x4000));
        if (_legacy)
        {
            Set32(Tables, 0x10_4003);
            Set32(0x10_4000 + ((Code >> 12) * 4), (uint)Code | 3);
            bool large = (_cr4 & 0x10) != 0 && random.Next(3) == 0;
            uint leaf = large ? 0x40_0080u | (random.Next(4) == 0 ? 0x20_0000u : 0) : (uint)Linear;
            Set32(Tables + ((Linear >> 22) * 4), large ? leaf | Rights(random) : 0x10_5000 | Rights(random));
            if (!large)
                Set32(0x10_5000 + (((Linear >> 12) & 1023) * 4), leaf | Rights(random));
            return;
        }

        ulong directory = Tables;
        if (_long)
        {
            Set64(Tables, 0x10_1003 | Wide(random, 6));
            Set64(0x10_1000, 0x10_2003);
            directory = 0x10_2000;
        }
        else
        {
            Set64(Tables, 0x10_2001);
            directory = 0x10_2000;
        }

        Set64(directory, 0x10_4003);
        Set64(0x10_4000 + ((Code >> 12) * 8), Code | 3);
        bool big = random.Next(3) == 0;
        ulong entry = big ? 0x40_0080ul | (random.Next(5) == 0 ? 0x2000ul : 0) : 0x10_5000;
        Set64(directory + ((Linear >> 21) * 8), entry | Rights(random) | Wide(random, 4));
        if (!big)
            Set64(0x10_5000 + (((Linear >> 12) & 511) * 8), Linear | Rights(random) | Wide(random, 3));
    }

    private static uint Rights(Random random) => (random.Next(6) == 0 ? 0u : 1u) | (uint)(random.Next(2) << 1) | (uint)(random.Next(2) << 2) | (random.Next(2) == 0 ? 0 : 0x20u) | (random.Next(3) == 0 ? 0x40u : 0);

    /// <summary>NX, bits above the physical address width, ignored bits.</summary>
    private ulong Wide(Random random, int rarity) => random.Next(rarity) != 0 ? 0 : random.Next(3) switch
    {
        // Only the code's own path must stay executable.
        0 when rarity != 6 => 1ul << 63,
        1 when rarity != 6 => 1ul << random.Next(40, 52),
        _ => _long ? 1ul << random.Next(52, 59) : 0x200,
    };

    private void Set32(ulong at, uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_memory.AsSpan((int)at), value);
        Text += $" {at:x}={value:x}";
    }

    private void Set64(ulong at, ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_memory.AsSpan((int)at), value);
        Text += $" {at:x}={value:x}";
    }
}
