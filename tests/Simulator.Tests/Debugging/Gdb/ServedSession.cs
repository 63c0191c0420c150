using System.Diagnostics;
using XenSim.Simulator.Debugging;
using XenSim.Simulator.Debugging.Gdb;
using XenSim.Simulator.Debugging.Prompt;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Tests.Debugging.Gdb;

/// <summary>A session served to gdb, on a thread of its own.</summary>
internal sealed class ServedSession : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly DebugSession _debug;
    private readonly GdbServer _server;
    private readonly Task _serving;

    public ServedSession(SessionOptions options, string address = "127.0.0.1:0")
    {
        _debug = new DebugSession(options);
        GdbStub.GoToEntry(_debug);
        _server = GdbServer.Listen(address, Log);
        _serving = Task.Run(() => _server.Serve(_debug, new EmbeddedPrompt(_debug, mayUseFiles: false), _stop.Token));
    }

    public StringWriter Log { get; } = new();

    public string Address => _server.Address;

    public int Port => int.Parse(Address.Split(':')[^1], System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Debian's gdb in batch mode, connected; all that it prints.</summary>
    public string Gdb(params string[] commands) => RunGdb(["target remote " + Address, .. commands]);

    public static string RunGdb(params string[] commands)
    {
        ProcessStartInfo start = new("gdb") { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (string a in (string[])["-nx", "-batch", "-ex", "set pagination off", "-ex", "set confirm off", "-ex", "set remotetimeout 60"])
            start.ArgumentList.Add(a);
        foreach (string c in commands)
        {
            start.ArgumentList.Add("-ex");
            start.ArgumentList.Add(c);
        }

        using Process gdb = Process.Start(start)!;
        gdb.StandardInput.Close();
        Task<string> error = gdb.StandardError.ReadToEndAsync();
        string output = gdb.StandardOutput.ReadToEnd();
        gdb.WaitForExit();
        return $"{output}{error.Result}";
    }

    public void Dispose()
    {
        _stop.Cancel();
        _serving.GetAwaiter().GetResult();
        _server.Dispose();
        _debug.Dispose();
        _stop.Dispose();
    }
}
