using Serilog;
using Serilog.Core;
using Serilog.Events;
using XenSim.Hypervisor.Public.Events;
using LogLevel = XenSim.Hypervisor.Public.Events.LogLevel;

namespace XenSim.Simulator.Tracing;

/// <summary>
/// The tools' log lines as xl prints them, from PROGRESS up, and one level deeper for each <c>v</c>
/// (stable-4.17 tools/xl/xl.c: main, minmsglevel_default). Xen's own lines, which really go to its serial console, from <c>-v</c> on.
/// Serilog does the writing, so that a sink can be added without touching anything else.
/// </summary>
public sealed class LogView : IEventConsumer, IDisposable
{
    private readonly LogLevel _least;
    private readonly int _verbosity;
    private readonly Lazy<Logger> _logger;

    /// <param name="verbosity">Number of <c>v</c>s.</param>
    public LogView(TextWriter output, int verbosity)
    {
        _verbosity = verbosity;
        _least = (LogLevel)Math.Max((int)LogLevel.Debug, (int)LogLevel.Progress - verbosity);
        _logger = new(() => new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Sink(new LineSink(output)).CreateLogger());
    }

    public bool Wants(Type eventType) => eventType == typeof(LogLine) || eventType == typeof(NotImplementedHere);

    public void On(in TimedEvent e)
    {
        switch (e.Event)
        {
            case LogLine line when IsShown(line):
                _logger.Value.Write(ToSerilog(line.Level), "{Line:l}", line.Rendered);
                break;
            case NotImplementedHere missing when missing.Ours || _verbosity > 0:
                _logger.Value.Warning("{Line:l}", $"xensim: {missing.Name}: {missing.Detail}");
                break;
            default:
                break;
        }
    }

    public void Dispose()
    {
        if (_logger.IsValueCreated)
            _logger.Value.Dispose();
    }

    private bool IsShown(LogLine line)
        => line.Context == "XEN" ? _verbosity > 0 || line.Level >= LogLevel.Error : line.Level >= _least;

    private static LogEventLevel ToSerilog(LogLevel level) => level switch
    {
        LogLevel.Debug => LogEventLevel.Verbose,
        LogLevel.Verbose or LogLevel.Detail => LogEventLevel.Debug,
        LogLevel.Progress or LogLevel.Info or LogLevel.Notice => LogEventLevel.Information,
        LogLevel.Warn => LogEventLevel.Warning,
        LogLevel.Error => LogEventLevel.Error,
        _ => LogEventLevel.Fatal,
    };

    /// <summary>The line and nothing else: it already is what the tool prints.</summary>
    private sealed class LineSink(TextWriter output) : ILogEventSink
    {
        public void Emit(LogEvent logEvent) => output.WriteLine(logEvent.RenderMessage(System.Globalization.CultureInfo.InvariantCulture));
    }
}
