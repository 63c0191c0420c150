using System.Globalization;
using System.Text.Json;
using Iced.Intel;
using XenSim.Guest.Cpu;

namespace XenSim.Guest.Tests;

/// <summary>What the CPUID of a shipped host model advertises is implemented: every form that can be encoded, by a sweep over the opcode maps. MPX is not
/// in it: XCR0 has no bounds components here, so its instructions are the NOPs that the decoder makes of them. SDM vol. 1, 17.3.</summary>
public sealed class AdvertisedInstructionsTests
{
    /// <summary>Ours to have, and missing: each stops by name. A mnemonic that is implemented must leave the list.</summary>
    private static readonly Dictionary<Mnemonic, string> Missing = [];

    private static readonly byte[][] Prefixes = [[], [0x66], [0xF3], [0xF2], [0x67], [0x48], [0x66, 0x48], [0xF3, 0x48], [0xF2, 0x48]];
    private static readonly byte[][] Maps = [[], [0x0F], [0x0F, 0x38], [0x0F, 0x3A]];

    private static readonly Lazy<List<(Instruction Instruction, int Bits)>> AllForms = new(Forms);

    [Theory]
    [InlineData("amd-q35")]
    [InlineData("intel-pc")]
    [InlineData("qemu32-pc")]
    public void Every_instruction_that_a_shipped_host_model_advertises_has_a_handler(string model)
    {
        CpuFeatures features = CpuFeatures.Of(new ModelPolicy(model));
        HashSet<Mnemonic> lacking = [];
        int forms = 0;
        foreach ((Instruction instruction, int bits) in AllForms.Value)
        {
            if (!features.Has(instruction.Code))
                continue;
            forms++;
            if (!HasHandler(features, instruction, bits))
                lacking.Add(instruction.Mnemonic);
        }

        Assert.True(forms > 1000, $"{forms} forms");
        Assert.Equal("", string.Join(' ', lacking.Where(m => !Missing.ContainsKey(m)).Order()));
        if (model == "amd-q35")
            Assert.Equal("", string.Join(' ', Missing.Keys.Where(m => !lacking.Contains(m)).Order()));
    }

    private static unsafe bool HasHandler(CpuFeatures features, in Instruction instruction, int bits)
    {
        Op* ops = stackalloc Op[4];
        Translator t = new() { Features = features, Instruction = instruction };
        // Fills in what the families read; the answer itself is the table's.
        t.Translate(ops, bits, instruction.IP, 0, false, null);
        return DecodeTable.Select(t);
    }

    /// <summary>One instance of each form with registers and one with memory, in every mode.</summary>
    private static List<(Instruction Instruction, int Bits)> Forms()
    {
        List<(Instruction, int)> forms = [];
        HashSet<(Code, bool, int)> seen = [];
        byte[] code = new byte[15];
        foreach (int bits in new[] { 16, 32, 64 })
        {
            foreach (byte[] head in Heads(bits))
            {
                for (int rest = 0; rest < 0x10000; rest++)
                {
                    Array.Clear(code);
                    head.CopyTo(code, 0);
                    code[head.Length] = (byte)(rest >> 8);
                    code[head.Length + 1] = (byte)rest;
                    Add(code, bits, seen, forms);
                }
            }

            // 3DNow! has its opcode behind the operands. AMD 21928, "3DNow! instruction encoding".
            for (int suffix = 0; suffix < 256; suffix++)
            {
                foreach (byte operands in new byte[] { 0xC1, 0x00 })
                {
                    Array.Clear(code);
                    new byte[] { 0x0F, 0x0F, operands, (byte)suffix, (byte)suffix }.CopyTo(code, 0);
                    Add(code, bits, seen, forms);
                }
            }
        }

        return forms;
    }

    private static void Add(byte[] code, int bits, HashSet<(Code, bool, int)> seen, List<(Instruction, int)> forms)
    {
        Instruction i = Decoder.Create(bits, code, 0x1000).Decode();
        if (!i.IsInvalid && seen.Add((i.Code, Enumerable.Range(0, i.OpCount).Any(n => i.GetOpKind(n) == OpKind.Memory), bits)))
            forms.Add((i, bits));
    }

    private static IEnumerable<byte[]> Heads(int bits)
    {
        foreach (byte[] prefix in Prefixes)
        {
            if (prefix is [.., 0x48] && bits != 64)
                continue;
            foreach (byte[] map in Maps)
                yield return [.. prefix, .. map];
        }

        // VEX: map, then W, vvvv = 1111, L and pp. SDM vol. 2A, 2.3.5.
        for (int n = 0; n < 3 * 16; n++)
            yield return [0xC4, (byte)(0xE1 + (n / 16)), (byte)((n & 8) << 4 | 0x78 | n & 7)];
    }

    /// <summary>CPUID of a model's file.</summary>
    private sealed class ModelPolicy : ICpuPolicy
    {
        private readonly Dictionary<(uint, uint), CpuidResult> _leaves = [];

        public ModelPolicy(string name)
        {
            using JsonDocument file = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Hosts", name + ".json")));
            foreach (JsonProperty leaf in file.RootElement.GetProperty("cpuid").EnumerateObject())
            {
                string[] number = leaf.Name.Split('.');
                uint[] r = [.. leaf.Value.EnumerateArray().Select(e => Hex(e.GetString()!))];
                _leaves[(Hex(number[0]), number.Length > 1 ? Hex(number[1]) : 0)] = new CpuidResult(r[0], r[1], r[2], r[3]);
            }
        }

        public CpuidResult Cpuid(uint leaf, uint subleaf) => _leaves.GetValueOrDefault((leaf, subleaf));

        public ulong ReadTsc(long retiredInstructions) => 0;

        private static uint Hex(string text) => uint.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
