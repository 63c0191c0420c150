using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Toolstack.Libxc;

/// <summary>The lines that the tools print, as events, in the form of each release.</summary>
internal sealed class ToolLog(IEventSink events, XenRelease release)
{
    /// <summary>Stands for an address in the tools' own process: the real one says nothing and differs from run to run.</summary>
    public const string UserPointer = "0x<user-ptr>";

    private bool Is40 => release == XenRelease.V4_0;

    /// <summary>xentoollog's lines of libxc in 4.17, <c>xc: level: …</c>.</summary>
    public void Xc(LogLevel level, string text) => events.Emit(new LogLine("xc", level, text));

    /// <summary>libxc's DPRINTF: detail in 4.17, stderr in 4.0.4.</summary>
    public void Detail(string text)
    {
        if (Is40)
            Stderr(text);
        else
            Xc(LogLevel.Detail, text);
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
}
