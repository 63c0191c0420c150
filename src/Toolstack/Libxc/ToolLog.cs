using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Toolstack.Libxc;

/// <summary>xc_error_code: what libxc's messages end in.</summary>
internal enum XcError
{
    XC_INTERNAL_ERROR,
    XC_INVALID_KERNEL,
    XC_INVALID_PARAM,
    XC_OUT_OF_MEMORY,
}

/// <summary>The lines that the tools print, as events, in the form of each release.</summary>
internal sealed class ToolLog(IEventSink events, XenRelease release)
{
    /// <summary>Stands for an address in the tools' own process: the real one says nothing and differs from run to run.</summary>
    public const string UserPointer = "0x<user-ptr>";

    private bool Is40 => release == XenRelease.V4_0;

    /// <summary>DOMPRINTF / xc_dom_printf. 4.0.4: libxl never calls xc_dom_loginit, so the line goes nowhere.</summary>
    public void Builder(string text)
    {
        if (!Is40)
            events.Emit(new LogLine("domainbuilder", LogLevel.Detail, text));
    }

    /// <summary>libxc's own lines, <c>xc: level: …</c>.</summary>
    public void Xc(LogLevel level, string text)
    {
        if (!Is40)
            events.Emit(new LogLine("xc", level, text));
    }

    /// <summary>xc_dom_panic: 4.17 reports through xentoollog, 4.0.4 prints on stderr (xc_dom_logfile is never opened).</summary>
    public void Panic(string file, int line, XcError code, string text)
    {
        if (Is40)
            Stderr($"{file}:{line}: panic: {text}");
        else
            events.Emit(new LogLine("xc", LogLevel.Error, $"panic: {file}:{line}: {text}: {Describe(code)}"));
    }

    /// <summary>LOG, LOGD: <c>libxl: level: file:line:func: text</c>; a domid puts <c>Domain N:</c> before the text.</summary>
    public void Libxl(LogLevel level, string file, int line, string function, string text, uint? domid = null)
        => events.Emit(new LogLine("libxl", level, $"{file}:{line}:{function}: {(domid is { } d ? $"Domain {d}:" : "")}{text}"));

    /// <summary>LOGE, LOGED: the same with errno's text behind it.</summary>
    public void LibxlErrno(string file, int line, string function, string text, XenErrno errno, uint? domid = null)
        => Libxl(LogLevel.Error, file, line, function, $"{text}: {errno.Text()}", domid);

    /// <summary>XL_LOG of 4.0.4 through xl's log_callback; level 1 is XL_LOG_ERROR.</summary>
    /// <param name="errnoValue">XL_LOG_ERRNOVAL's number, which callers fill with a return code as well; negative: nothing is appended.</param>
    public void XlLog40(int level, string file, int line, string function, string text, int errnoValue = -1)
        => Stderr($"[{level}] {file}:{line}:{function}: {text}{(errnoValue >= 0 ? ": " + ((XenErrno)errnoValue).Text() : "")}");

    /// <summary>A line that xl or a library prints itself.</summary>
    public void Stderr(string text) => events.Emit(new LogLine("xl", LogLevel.Error, text));

    private static string Describe(XcError code) => code switch
    {
        XcError.XC_INVALID_KERNEL => "Invalid kernel",
        XcError.XC_INVALID_PARAM => "Invalid configuration",
        XcError.XC_OUT_OF_MEMORY => "Out of memory",
        _ => "Internal error",
    };
}
