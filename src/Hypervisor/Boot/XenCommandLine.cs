namespace XenSim.Hypervisor.Boot;

/// <summary>Xen's command line: its own options, and what follows " -- " for dom0.</summary>
/// <remarks>Source: xen/arch/x86/setup.c: __start_xen, xen/common/kernel.c: cmdline_parse, of both releases.</remarks>
public sealed class XenCommandLine
{
    private const string Separator = " -- ";
    private readonly Dictionary<string, string> _options = [];
    private readonly HashSet<string> _asked = ["noreboot", "hvm_fep"];

    public XenCommandLine(string text)
    {
        int at = text.IndexOf(Separator, StringComparison.Ordinal);
        Xen = at < 0 ? text : text[..at];
        Dom0Extra = at < 0 ? null : " " + text[(at + Separator.Length)..].TrimStart(' ');
        foreach (string option in Xen.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = option.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? option : option[..equals];
            _options[name] = equals < 0 ? "" : option[(equals + 1)..];
        }
    }

    /// <summary>The part that Xen prints and parses.</summary>
    public string Xen { get; }

    /// <summary><c>kextra</c>: dom0's options after the separator, with exactly one leading blank; null without one.</summary>
    public string? Dom0Extra { get; }

    /// <summary>Value of <c>name=value</c>, empty for a bare name, null if absent. The last one wins.</summary>
    public string? Option(string name)
    {
        _asked.Add(name);
        return _options.GetValueOrDefault(name);
    }

    /// <summary>Options that nothing has looked at.</summary>
    public IEnumerable<string> Unasked => _options.Keys.Where(n => !_asked.Contains(n));

    /// <summary>A boolean option: present and not switched off by a value.</summary>
    public bool Flag(string name) => Option(name) is { } v && v is not ("no" or "off" or "false" or "disable" or "0");
}
