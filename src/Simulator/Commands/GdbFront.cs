using XenSim.Simulator.Debugging;
using XenSim.Simulator.Debugging.Gdb;
using XenSim.Simulator.Debugging.Prompt;

namespace XenSim.Simulator.Commands;

/// <summary><c>xensim debug --gdb</c></summary>
internal static class GdbFront
{
    public static ExitCode Serve(DebugSession debug, string address, Terminal terminal)
    {
        TextWriter log = TextWriter.Synchronized(terminal.Error);
        using GdbServer server = GdbServer.Listen(address, log);
        StopReport entry = GdbStub.GoToEntry(debug);
        if (entry.Outcome is { } outcome)
        {
            log.WriteLine($"xensim: no guest comes to run: {outcome.Detail}");
            return BootRun.CodeFor(outcome);
        }

        log.WriteLine($"xensim: held before the guest's first instruction, at 0x{entry.InstructionPointer:x}; in gdb: target remote {server.Address}");
        server.Serve(debug, new EmbeddedPrompt(debug, mayUseFiles: false), terminal.Stop);
        return ExitCode.Success;
    }
}
