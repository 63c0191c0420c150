using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Toolstack.Images;

/// <summary>xc_error_code. Source: stable-4.17 tools/include/xenctrl.h (the same in 4.0.4).</summary>
public enum XcError
{
    XC_ERROR_NONE = 0,
    XC_INTERNAL_ERROR = 1,
    XC_INVALID_KERNEL = 2,
    XC_INVALID_PARAM = 3,
    XC_OUT_OF_MEMORY = 4,
}

/// <summary>Where a panic stands in each release: xc_dom_panic prints its file and line.</summary>
/// <param name="File">File name after <c>xc_dom_</c> (4.0) or <c>xg_dom_</c> (4.17).</param>
public readonly record struct PanicSite(string File, int Line40, int Line417)
{
    public string At(XenRelease release) => release == XenRelease.V4_0 ? $"xc_dom_{File}:{Line40}" : $"xg_dom_{File}:{Line417}";
}

/// <summary>What a panic said: libxc's last error.</summary>
public sealed record BuilderPanic(XcError Code, string Text);

/// <summary>xc_dom_printf and xc_dom_panic of a domain build.</summary>
/// <remarks>
/// libxl 4.0.4 never opens the builder's log (xc_dom_loginit), so there the details go nowhere and panics go to stderr as they are.
/// Source: RELEASE-4.0.4 tools/libxc/xc_dom_core.c, stable-4.17 tools/libs/guest/xg_dom_core.c.
/// </remarks>
public sealed class BuilderLog(XenRelease release, Action<LogLine> sink)
{
    public XenRelease Release => release;

    /// <summary>The last panic, which libxc keeps as its last error; null if there was none.</summary>
    public BuilderPanic? LastPanic { get; private set; }

    /// <summary>xc_dom_printf (DOMPRINTF).</summary>
    public void Print(string text)
    {
        if (release != XenRelease.V4_0)
            sink(new LogLine("domainbuilder", LogLevel.Detail, text));
    }

    /// <summary>xc_dom_panic.</summary>
    /// <param name="text">The message with its function name in front, as in the source, without line end.</param>
    public void Panic(XcError code, PanicSite site, string text)
    {
        LastPanic = new BuilderPanic(code, text);
        sink(release == XenRelease.V4_0
            ? new LogLine("xl", LogLevel.Error, $"{site.At(release)}: panic: {text}")
            : new LogLine("xc", LogLevel.Error, $"panic: {site.At(release)}: {text}: {Describe(code)}"));
    }

    /// <summary>What libelf prints while libxc parses: <c>xc: detail:</c>.</summary>
    public void Elf(ElfLogLine line)
    {
        if (line.IsError)
            LastPanic = new BuilderPanic(XcError.XC_INVALID_KERNEL, line.Text);
        if (release == XenRelease.V4_0)
            return;
        sink(line.IsError
            ? new LogLine("xc", LogLevel.Error, $"{line.Text}: {Describe(XcError.XC_INVALID_KERNEL)}")
            : new LogLine("xc", LogLevel.Detail, line.Text));
    }

    /// <summary>xc_error_code_to_desc.</summary>
    public static string Describe(XcError code) => code switch
    {
        XcError.XC_ERROR_NONE => "No error details",
        XcError.XC_INTERNAL_ERROR => "Internal error",
        XcError.XC_INVALID_KERNEL => "Invalid kernel",
        XcError.XC_INVALID_PARAM => "Invalid configuration",
        XcError.XC_OUT_OF_MEMORY => "Out of memory",
        _ => "Unknown error code",
    };
}
