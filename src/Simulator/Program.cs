using System.Runtime.InteropServices;
using System.Text;
using XenSim.Simulator.Commands;

using CancellationTokenSource stop = new();

// Not Console.CancelKeyPress and Console.Error: those set a whole terminal up, which takes a twelfth of a short run.
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal =>
{
    // A second Ctrl-C ends the process at once.
    signal.Cancel = !stop.IsCancellationRequested;
    stop.Cancel();
});
bool colours = string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) && Environment.GetEnvironmentVariable("TERM") != "dumb";
using Stream output = Console.OpenStandardOutput();
using StreamWriter error = new(Console.OpenStandardError(), new UTF8Encoding(false), 256) { AutoFlush = true };
return (int)Application.Run(args, new Terminal(output, error, colours && !Console.IsErrorRedirected, stop.Token, colours && !Console.IsOutputRedirected, Console.IsInputRedirected ? Console.In : null));
