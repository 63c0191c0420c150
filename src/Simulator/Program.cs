using XenSim.Simulator.Commands;

using CancellationTokenSource stop = new();
Console.CancelKeyPress += (_, e) =>
{
    // A second Ctrl-C ends the process at once.
    e.Cancel = !stop.IsCancellationRequested;
    stop.Cancel();
};
bool colours = string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) && Environment.GetEnvironmentVariable("TERM") != "dumb";
using Stream output = Console.OpenStandardOutput();
return (int)Application.Run(args, new Terminal(output, Console.Error, colours && !Console.IsErrorRedirected, stop.Token, colours && !Console.IsOutputRedirected, Console.IsInputRedirected ? Console.In : null));
