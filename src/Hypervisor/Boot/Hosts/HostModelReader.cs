using System.Globalization;
using System.Text.Json;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Public.Acpi;
using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Boot.Hosts;

/// <summary>Reads a host model from JSON. Every problem is one line that names the place in the document.</summary>
public sealed class HostModelReader
{
    private readonly List<string> _errors = [];

    private HostModelReader()
    {
    }

    /// <summary>False when anything is wrong; <paramref name="errors"/> then has one line per problem.</summary>
    /// <param name="trusted">A model that ships: its rules have been checked by a test.</param>
    public static bool TryRead(string json, out HostModel? model, out IReadOnlyList<string> errors, bool trusted = false)
    {
        HostModelReader reader = new();
        model = null;
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip });
            HostModel read = reader.Model(document.RootElement);
            if (reader._errors.Count == 0 && !trusted)
                reader._errors.AddRange(HostModelRules.Check(read));
            if (reader._errors.Count == 0)
                model = read;
        }
        catch (JsonException e)
        {
            reader._errors.Add($"not JSON: line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}");
        }

        errors = reader._errors;
        return model is not null;
    }

    private HostModel Model(JsonElement root) => new()
    {
        Name = Text(root, "$", "name"),
        Origin = Text(root, "$", "origin"),
        Vendor = Enumeration<CpuVendor>(root, "$", "vendor"),
        CpuKhz = (uint)Math.Min(Decimal(root, "$", "cpuKhz"), uint.MaxValue),
        CpuidLeaves = Leaves(Member(root, "$", "cpuid")),
        Msrs = Registers(Member(root, "$", "msrs")),
        UnlistedMsrsReadZero = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("unlistedMsrsReadZero", out JsonElement zero) && zero.ValueKind == JsonValueKind.True,
        Firmware = Firmware(Member(root, "$", "firmware")),
    };

    private Dictionary<(uint Leaf, uint Subleaf), CpuidResult> Leaves(JsonElement cpuid)
    {
        Dictionary<(uint, uint), CpuidResult> leaves = [];
        foreach (JsonProperty p in Members(cpuid, "$.cpuid"))
        {
            string at = $"$.cpuid.{p.Name}";
            string[] key = p.Name.Split('.');
            (uint, uint) index = ((uint)Hex(key[0], at), key.Length > 1 ? (uint)Hex(key[1], at) : 0);
            List<ulong> r = [];
            foreach (JsonElement v in Items(p.Value, at))
                r.Add(HexValue(v, at));
            if (r.Count != 4)
                _errors.Add($"{at}: four registers expected, {r.Count} found");
            else if (!leaves.TryAdd(index, new CpuidResult((uint)r[0], (uint)r[1], (uint)r[2], (uint)r[3])))
                _errors.Add($"{at}: the leaf stands twice");
        }

        return leaves;
    }

    private Dictionary<uint, ulong> Registers(JsonElement msrs)
    {
        Dictionary<uint, ulong> registers = [];
        foreach (JsonProperty m in Members(msrs, "$.msrs"))
        {
            string at = $"$.msrs.{m.Name}";
            if (!registers.TryAdd((uint)Hex(m.Name, at), HexValue(m.Value, at)))
                _errors.Add($"{at}: the register stands twice");
        }

        return registers;
    }

    private List<T> List<T>(JsonElement parent, string at, string name, Func<JsonElement, string, T> read)
    {
        List<T> list = [];
        foreach (JsonElement item in Items(Member(parent, at, name), $"{at}.{name}"))
            list.Add(read(item, $"{at}.{name}[{list.Count}]"));
        return list;
    }

    private HostFirmware Firmware(JsonElement f)
    {
        const string at = "$.firmware";
        return new HostFirmware
        {
            Loader = Text(f, at, "loader"),
            LowMemoryLimit = Hex(f, at, "lowMemoryLimit"),
            Memory = List(f, at, "memory", Range),
            AcpiTables = List(f, at, "acpiTables", Table),
            Overrides = List(f, at, "overrides", Override),
            LapicNmi = Member(f, at, "lapicNmi").ValueKind == JsonValueKind.True,
            MpTable = Hex(f, at, "mpTable"),
            DmiVersion = Text(f, at, "dmiVersion"),
            Fadt = Fadt(f, at),
            LocalApicAddress = Hex(f, at, "localApicAddress"),
            IoApicAddress = Hex(f, at, "ioApicAddress"),
            HpetAddress = Hex(f, at, "hpetAddress"),
            HpetId = (uint)Hex(f, at, "hpetId"),
            HostBridge = Bridge(Member(f, at, "hostBridge")),
            McfgBase = f.ValueKind == JsonValueKind.Object && f.TryGetProperty("mcfgBase", out _) ? Hex(f, at, "mcfgBase") : null,
        };
    }

    /// <summary>Registers by their offsets; the others are zero.</summary>
    private uint[] Bridge(JsonElement registers)
    {
        const int bytes = 256;
        uint[] space = new uint[bytes / 4];
        foreach (JsonProperty r in Members(registers, "$.firmware.hostBridge"))
        {
            string at = $"$.firmware.hostBridge.{r.Name}";
            ulong offset = Hex(r.Name, at);
            if (offset >= bytes || offset % 4 != 0)
                _errors.Add($"{at}: not the offset of a register in 256 bytes");
            else
                space[offset / 4] = (uint)HexValue(r.Value, at);
        }

        return space;
    }

    /// <summary>Without <c>resetRegister</c> there is none.</summary>
    private FixedAcpiTable Fadt(JsonElement f, string at)
    {
        const string reset = "resetRegister";
        bool canReset = f.ValueKind == JsonValueKind.Object && f.TryGetProperty(reset, out _);
        return new FixedAcpiTable
        {
            InterruptModel = 1,
            SciInterrupt = (ushort)Decimal(f, at, "sciInterrupt"),
            SmiCommand = (uint)Hex(f, at, "smiCommandPort"),
            AcpiEnable = (byte)Hex(f, at, "acpiEnable"),
            AcpiDisable = (byte)Hex(f, at, "acpiDisable"),
            Pm1Event = (uint)Hex(f, at, "pm1Event"),
            Pm1Control = (uint)Hex(f, at, "pm1Control"),
            PmTimer = (uint)Hex(f, at, "pmTimerPort"),
            Gpe0 = (uint)Hex(f, at, "gpe0Port"),
            Gpe0Length = (byte)Decimal(f, at, "gpe0Length"),
            ExtendedGpe0 = true,
            Century = (byte)Hex(f, at, "century"),
            BootArchitecture = (ushort)Hex(f, at, "bootArchitecture"),
            Flags = (uint)Hex(f, at, "fadtFlags"),
            ResetRegister = canReset ? (uint)Hex(f, at, reset) : 0,
            ResetValue = canReset ? (byte)Hex(f, at, "resetValue") : (byte)0,
        };
    }

    private MemoryRange Range(JsonElement r, string at)
        => new(Address(r, at, "start"), Address(r, at, "end"), Enumeration<E820Type>(r, at, "type"));

    private AcpiTable Table(JsonElement t, string at)
        => new(Text(t, at, "signature"), Address(t, at, "address"), (uint)Hex(t, at, "length"), (uint)Decimal(t, at, "revision"), Text(t, at, "text"));

    private InterruptOverride Override(JsonElement o, string at)
        => new((uint)Decimal(o, at, "irq"), (uint)Decimal(o, at, "gsi"), Text(o, at, "polarity"), Text(o, at, "trigger"));

    /// <summary><c>3ffdf000</c>, or <c>top-21000</c>.</summary>
    private FirmwareAddress Address(JsonElement parent, string at, string name)
    {
        const string relative = "top";
        string text = Text(parent, at, name);
        if (!text.StartsWith(relative, StringComparison.Ordinal))
            return new FirmwareAddress(false, Hex(text, $"{at}.{name}"));
        string below = text[relative.Length..];
        return new FirmwareAddress(true, below.Length == 0 ? 0 : Hex(below.TrimStart('-'), $"{at}.{name}"));
    }

    private TEnum Enumeration<TEnum>(JsonElement parent, string at, string name)
        where TEnum : struct, Enum
    {
        string text = Text(parent, at, name);
        if (!Enum.TryParse(text, out TEnum value) || !Enum.IsDefined(value))
            _errors.Add($"{at}.{name}: \"{text}\" is none of {string.Join(", ", Enum.GetNames<TEnum>())}");
        return value;
    }

    private ulong Decimal(JsonElement parent, string at, string name)
    {
        JsonElement e = Member(parent, at, name);
        if (e.ValueKind == JsonValueKind.Number && e.TryGetUInt64(out ulong value))
            return value;
        _errors.Add($"{at}.{name}: a whole number expected");
        return 0;
    }

    private ulong Hex(JsonElement parent, string at, string name) => Hex(Text(parent, at, name), $"{at}.{name}");

    private ulong HexValue(JsonElement e, string at)
    {
        if (e.ValueKind == JsonValueKind.String)
            return Hex(e.GetString()!, at);
        _errors.Add($"{at}: a hexadecimal number as text expected");
        return 0;
    }

    private ulong Hex(string text, string at)
    {
        if (!ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value))
            _errors.Add($"{at}: \"{text}\" is not a hexadecimal number");
        return value;
    }

    private string Text(JsonElement parent, string at, string name)
    {
        JsonElement e = Member(parent, at, name);
        if (e.ValueKind == JsonValueKind.String)
            return e.GetString()!;
        if (e.ValueKind != JsonValueKind.Undefined)
            _errors.Add($"{at}.{name}: text expected");
        return "";
    }

    private JsonElement Member(JsonElement parent, string at, string name)
    {
        if (parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out JsonElement e))
            return e;
        _errors.Add($"{at}.{name}: missing");
        return default;
    }

    private JsonElement.ObjectEnumerator Members(JsonElement e, string at)
    {
        if (e.ValueKind == JsonValueKind.Object)
            return e.EnumerateObject();
        _errors.Add($"{at}: an object expected");
        return default;
    }

    private JsonElement.ArrayEnumerator Items(JsonElement e, string at)
    {
        if (e.ValueKind == JsonValueKind.Array)
            return e.EnumerateArray();
        _errors.Add($"{at}: a list expected");
        return default;
    }
}
