using System.Globalization;
using System.Text;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Boot.Hosts;

namespace XenSim.Hypervisor.Tests.Devices;

/// <summary>The ACPI tables in the machine's memory. Oracle: the memory of QEMU's machines, <c>Data/Acpi</c>; the DSDT, which is ours: ACPI 5.0, section 20.2.</summary>
public class AcpiFirmwareTests
{
    private const ulong MemoryMiB = 1024;

    public static TheoryData<string, string> Models => new() { { HostModels.Amd, "q35" }, { HostModels.Qemu32, "pc" }, { HostModels.Intel, "pc" } };

    [Theory]
    [MemberData(nameof(Models))]
    public void Tables_are_those_of_the_modelled_machine(string model, string machine)
    {
        using PhysicalMemory memory = Write(model);
        string[] recorded = TestData.Lines($"Acpi/{machine}.txt");
        Assert.Equal(HostModels.Find(model)!.Firmware.AcpiTables.Count - 1, recorded.Length);
        foreach (string[] line in recorded.Select(l => l.Split(' ')))
        {
            byte[] expected = Convert.FromHexString(line[2]), found = new byte[expected.Length];
            Assert.True(memory.TryRead(new PhysicalAddress(ulong.Parse(line[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture)), found));
            Assert.True(expected.AsSpan().SequenceEqual(found), $"{line[0]}: {Convert.ToHexStringLower(found)}");
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void The_DSDT_is_whole_and_every_term_of_it_ends_where_it_says(string model, string machine)
    {
        using PhysicalMemory memory = Write(model);
        HostFirmware firmware = HostModels.Find(model)!.Firmware;
        AcpiTable table = firmware.AcpiTables.First(t => t.Signature == "DSDT");
        byte[] dsdt = new byte[table.Length];
        memory.TryRead(new PhysicalAddress(table.Address.Resolve(firmware.Top(MemoryMiB))), dsdt);
        Assert.Equal("DSDT", Encoding.ASCII.GetString(dsdt, 0, 4));
        Assert.Equal(table.Length, BitConverter.ToUInt32(dsdt, 4));
        Assert.Equal(0, dsdt.Sum(b => b) % 256);
        AmlWalk walk = new(dsdt.AsSpan(36).ToArray());
        List<string> expected = ["_S3_ {1,1,0,0}", "_S4_ {2,2,0,0}", "_S5_ {0,0,0,0}", "\\_SB_.PCI0", "\\_SB_.COM1", "\\_SB_.RTC_", "\\_SB_.HPET"];
        if (machine == "q35")
            expected.Add("\\_SB_.DRAC");
        Assert.Equal(expected, walk.Names.Where(n => n[0] == '_' || (n.StartsWith("\\_SB_.", StringComparison.Ordinal) && n.Count(c => c == '.') == 1)));
    }

    [Fact]
    public void They_move_with_the_end_of_memory()
    {
        HostFirmware firmware = HostModels.Find(HostModels.Amd)!.Firmware;
        using PhysicalMemory memory = new(0x8_0000);
        AcpiFirmware.Write(firmware, 3072, memory);
        byte[] root = new byte[20], pointers = new byte[4];
        memory.TryRead(new PhysicalAddress(0xF59E0), root);
        Assert.Equal(0x7FFE22D0u, BitConverter.ToUInt32(root, 16));
        memory.TryRead(new PhysicalAddress(0x7FFE22D0), pointers);
        Assert.Equal("RSDT", Encoding.ASCII.GetString(pointers));
    }

    private static PhysicalMemory Write(string model)
    {
        PhysicalMemory memory = new(MemoryMiB << 8);
        AcpiFirmware.Write(HostModels.Find(model)!.Firmware, MemoryMiB, memory);
        return memory;
    }

    /// <summary>Names in the order of definition, the ones of integers in packages with them. Knows the opcodes that our DSDT is made of, and fails at others.</summary>
    private sealed class AmlWalk
    {
        private readonly byte[] _code;
        private int _at;

        public AmlWalk(byte[] code)
        {
            _code = code;
            Terms(code.Length, "");
        }

        public List<string> Names { get; } = [];

        private void Terms(int end, string scope)
        {
            while (_at < end)
                Term(scope);
            Assert.Equal(end, _at);
        }

        private void Term(string scope)
        {
            int op = _code[_at++];
            if (op == 0x5B && _code[_at++] == 0x82 || op == 0x10)
            {
                int end = Length();
                string name = op == 0x10 ? Segment() : $"{scope}.{Segment()}";
                Names.Add(name);
                Terms(end, name);
                return;
            }

            Assert.Equal(0x08, op);
            string defined = scope.Length == 0 ? Segment() : $"{scope}.{Segment()}";
            Names.Add(_code[_at] == 0x12 ? $"{defined} {Package()}" : Data(defined));
        }

        private string Data(string name)
        {
            if (_code[_at] == 0x11)
            {
                _at++;
                int end = Length();
                uint size = Integer();
                Assert.Equal((uint)(end - _at), size);
                _at = end;
            }
            else
            {
                Integer();
            }

            return name;
        }

        private string Package()
        {
            _at++;
            int end = Length(), count = _code[_at++];
            List<uint> elements = [];
            while (_at < end)
                elements.Add(Integer());
            Assert.Equal(count, elements.Count);
            return $"{{{string.Join(',', elements)}}}";
        }

        private uint Integer()
        {
            int op = _code[_at++], bytes = op switch { 0 or 1 => 0, 0x0A => 1, 0x0B => 2, 0x0C => 4, _ => throw new FormatException($"opcode {op:x}") };
            uint value = bytes == 0 ? (uint)op : 0;
            for (int i = 0; i < bytes; i++)
                value |= (uint)_code[_at++] << (8 * i);
            return value;
        }

        /// <summary>PkgLength; where what it covers ends.</summary>
        private int Length()
        {
            int start = _at, lead = _code[_at++], more = lead >> 6;
            int length = more == 0 ? lead & 0x3F : lead & 0xF;
            for (int i = 0; i < more; i++)
                length |= _code[_at++] << (4 + (8 * i));
            return start + length;
        }

        private string Segment()
        {
            int length = _code[_at] == '\\' ? 5 : 4;
            _at += length;
            return Encoding.ASCII.GetString(_code, _at - length, length);
        }
    }
}
