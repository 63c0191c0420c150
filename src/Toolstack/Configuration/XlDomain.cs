using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Toolstack.Libxl;

namespace XenSim.Toolstack.Configuration;

/// <summary>What came of a configuration file.</summary>
/// <param name="Domain">Null when xl refuses it (exit code 1).</param>
/// <param name="Messages">What xl prints: errors and warnings.</param>
/// <param name="Notes">What xl would not say: settings it ignores, and settings it knows but that are not simulated.</param>
public sealed record XlDomain(DomainConfiguration? Domain, IReadOnlyList<XlMessage> Messages, IReadOnlyList<XlMessage> Notes);

/// <summary>xl's parse_config_data: from settings to a domain.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxl/xl_cmdimpl.c, stable-4.17 tools/xl/xl_parse.c.</remarks>
public sealed class XlDomainReader
{
    // init_build_info (4.0), libxl__domain_build_info_setdefault (4.17).
    private const long DefaultMemoryMiB = 32;

    private readonly XlConfigFile _file;
    private readonly Func<string, ReadOnlyMemory<byte>?> _read;
    private readonly List<XlMessage> _errors = [];
    private readonly List<XlMessage> _notes = [];

    private XlDomainReader(XlConfigFile file, Func<string, ReadOnlyMemory<byte>?> read)
    {
        _file = file;
        _read = read;
    }

    private bool Is40 => _file.Release == XenRelease.V4_0;

    /// <param name="text">The file's contents.</param>
    /// <param name="read">Gives a named file's bytes, null if it cannot be read.</param>
    public static XlDomain Read(string source, string text, XenRelease release, Func<string, ReadOnlyMemory<byte>?> read)
    {
        XlConfigFile file = XlConfigParser.Parse(source, text, release);
        if (file.IsRefused)
            return new XlDomain(null, file.Messages, []);
        var reader = new XlDomainReader(file, read);
        DomainConfiguration domain = reader.Build() with { SourceName = source, SourceText = Encoding.UTF8.GetBytes(text) };
        reader.NoteOthers(domain.Type);
        return new XlDomain(reader._errors.Count == 0 ? domain : null, [.. file.Messages, .. reader._errors], reader._notes);
    }

    private DomainConfiguration Build()
    {
        DomainType type = Type();
        string? name = _file.GetString("name");
        if (name is null && !Is40)
            Refuse("name", "Domain name must be specified.");
        string finalName = name ?? "test";
        long? most = Is40 ? null : _file.GetLong("maxmem");
        long vcpus = Math.Clamp(_file.GetLong("vcpus") ?? 1, 0, 1 << 16);
        long maximum = Is40 ? vcpus : Math.Clamp(_file.GetLong("maxvcpus") ?? vcpus, 0, 1 << 16);
        if (maximum == 0)
            maximum = vcpus;
        if (maximum < vcpus)
            Refuse("maxvcpus", "xl: maxvcpus < vcpus");
        return new DomainConfiguration
        {
            Name = finalName,
            Uuid = Uuid(finalName),
            Type = type,
            Kernel = Is40 || type != DomainType.hvm ? File("kernel") : null,
            Firmware = !Is40 && type == DomainType.hvm ? File("firmware_override") : null,
            VideoKiB = Video(),
            Ramdisk = type == DomainType.hvm ? null : File("ramdisk"),
            CommandLine = type == DomainType.hvm ? null : CommandLine(),
            MemoryKiB = KiB(_file.GetLong("memory") ?? most ?? DefaultMemoryMiB),
            MaximumMemoryKiB = most is null ? null : KiB(most.Value),
            Vcpus = (uint)Math.Max(maximum, 1),
            OnlineVcpus = Online(vcpus, maximum),
            TscMode = Tsc(),
            Viridian = Is40 && type == DomainType.hvm && (_file.GetLong("viridian") ?? 0) != 0,
            DeviceModel = DeviceModel(),
            StubdomKernel = Is40 && DeviceModel()?.Contains("stubdom-dm", StringComparison.Ordinal) == true ? Stubdom() : null,
            Framebuffers = _file.Find("vfb") is null ? 0 : _file.GetList("vfb")?.Items.Count ?? 0,
            OnPoweroff = Action("on_poweroff", EndAction.destroy),
            OnReboot = Action("on_reboot", EndAction.restart),
            OnCrash = Action("on_crash", EndAction.destroy),
            OnWatchdog = Is40 ? EndAction.destroy : Action("on_watchdog", EndAction.destroy),
            OnSoftReset = Is40 ? EndAction.soft_reset : Action("on_soft_reset", EndAction.soft_reset),
            ClaimMode = !Is40,
        };
    }

    private static ulong KiB(long mebibytes) => (ulong)Math.Clamp(mebibytes, 0, 1L << 40) * 1024;

    private DomainType Type()
    {
        string? builder = _file.GetString("builder");
        if (Is40)
            return builder is not null && "hvm".StartsWith(builder, StringComparison.Ordinal) ? DomainType.hvm : DomainType.pv;

        // strncmp over the length of what is given: any beginning of a name is accepted, in this order.
        DomainType? type = null;
        if (_file.GetString("type") is { } text)
        {
            type = new DomainType?[] { DomainType.hvm, DomainType.pv, DomainType.pvh }
                .FirstOrDefault(t => t!.Value.ToString().StartsWith(text, StringComparison.Ordinal));
            if (type is null)
                Refuse("type", $"Invalid domain type {text}.");
        }

        if (builder is not null)
        {
            DomainType? built = "hvm".StartsWith(builder, StringComparison.Ordinal) ? DomainType.hvm
                : "generic".StartsWith(builder, StringComparison.Ordinal) ? DomainType.pv : null;
            if (built is null)
                Refuse("builder", $"Invalid domain type {builder}.");
            else if (type is not null && type != built)
                Refuse("builder", "Contradicting \"builder\" and \"type\" options specified.");
            type ??= built;
        }

        return type ?? DomainType.pv;
    }

    /// <summary>video_memkb of libxl__domain_build_info_setdefault: for a Cirrus card, which is the default, a standard one, or none.</summary>
    private ulong Video()
    {
        const ulong cirrus = 8 * 1024, standard = 16 * 1024;
        if (Is40)
            return cirrus;
        ulong least = _file.GetString("vga") switch
        {
            "none" => 0,
            "stdvga" => standard,
            null when (_file.GetLong("stdvga") ?? 0) != 0 => standard,
            _ => cirrus,
        };
        ulong given = KiB(_file.GetLong("videoram") ?? 0);
        if (given != 0 && given < least)
            Refuse("videoram", $"videoram must be at least {least / 1024} MB for this display");
        return least == 0 ? 0 : Math.Max(given, least);
    }

    private string? CommandLine()
    {
        string? root = _file.GetString("root");
        string? extra = _file.GetString("extra");
        if (Is40)
            return root is null ? extra ?? "" : $"root={root} {extra}";
        if (_file.GetString("cmdline") is { } whole)
        {
            if (root is not null || extra is not null)
                _notes.Add(new XlMessage(Line("cmdline"), 0, "Warning: ignoring root= and extra= in favour of cmdline="));
            return whole;
        }

        return root is null ? extra : extra is null ? $"root={root}" : $"root={root} {extra}";
    }

    private Guid Uuid(string name)
    {
        if (!Is40 && _file.GetString("uuid") is { } text)
        {
            if (Guid.TryParse(text, out Guid given))
                return given;
            Refuse("uuid", $"Failed to parse UUID: {text}");
        }

        return DomainUuid.For(name);
    }

    private static ulong? Online(long vcpus, long maximum) => vcpus >= maximum || vcpus >= 64 ? null : (1ul << (int)vcpus) - 1;

    private TscMode Tsc()
    {
        string? text = _file.GetString("tsc_mode");
        if (text is null)
            return TscMode.Default;
        if (!Is40 && text is "default" or "always_emulate" or "native" or "native_paravirt")
            return text switch { "always_emulate" => TscMode.AlwaysEmulate, "native" => TscMode.Native, _ => TscMode.Default };
        if (_file.GetLong("tsc_mode") is { } number && number is >= 0 and <= 2)
            return (TscMode)number;
        Refuse("tsc_mode", $"ERROR: invalid value \"{text}\" for \"tsc_mode\"");
        return TscMode.Default;
    }

    private string? DeviceModel() => _file.GetString(Is40 ? "device_model" : "device_model_override");

    private NamedBlob? Stubdom()
    {
        const string name = "/usr/lib/xen/boot/ioemu-stubdom.gz";
        return _read(name) is { } bytes ? new NamedBlob(name, bytes) : null;
    }

    private EndAction Action(string name, EndAction otherwise)
    {
        if (_file.GetString(name) is not { } text)
            return otherwise;
        if (EndActions.ByName.TryGetValue(text, out EndAction action) && (!Is40 || action <= EndAction.preserve))
            return action;
        Refuse(name, $"Unknown {name} action \"{text}\" specified");
        return otherwise;
    }

    private NamedBlob? File(string setting)
    {
        if (_file.GetString(setting) is not { Length: > 0 } name)
            return null;
        if (_read(name) is { } bytes)
            return new NamedBlob(name, bytes);
        Refuse(setting, $"{_file.Source}:{Line(setting)}: cannot read {setting} file '{name}'");
        return null;
    }

    private int Line(string setting) => _file.Find(setting)?.Line ?? 0;

    private void Refuse(string setting, string text) => _errors.Add(new XlMessage(Line(setting), 0, text));

    private void NoteOthers(DomainType type)
    {
        foreach (XlSetting setting in _file.Settings)
        {
            if (setting.Name == "kernel" && type == DomainType.hvm && !Is40)
            {
                _notes.Add(new XlMessage(
                    setting.Line, 0, $"{_file.Source}:{setting.Line}: note: the kernel of an HVM guest is loaded by qemu, which is not simulated: an image to start with goes into firmware_override"));
                continue;
            }

            if (XlSettings.Simulated(_file.Release).Contains(setting.Name))
                continue;
            bool known = XlSettings.Known(_file.Release).Contains(setting.Name);
            _notes.Add(new XlMessage(setting.Line, 0, known
                ? $"{_file.Source}:{setting.Line}: note: `{setting.Name}' is accepted by xl but not simulated"
                : $"{_file.Source}:{setting.Line}: note: `{setting.Name}' is unknown to xl of this release, which ignores it silently"));
        }
    }
}
