using System.Text.Json.Nodes;
using XenSim.Simulator.Debugging.Prompt;
using XenSim.Simulator.Input;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging.Dap;

/// <summary>
/// Serves one client of the Debug Adapter Protocol, 1.68. Stages are the lines of a generated document; steps are of stages (granularity statement), hypercalls
/// (line) or instructions.
/// </summary>
/// <param name="open">Makes a session from the words after <c>xensim debug</c>.</param>
internal sealed partial class DapServer(DapConnection connection, Func<IReadOnlyList<string>, DebugSession> open, CancellationToken stop) : IDisposable
{
    private DebugSession? _debug;
    private EmbeddedPrompt? _prompt;
    private StageDocument? _document;
    private DapArguments? _launch;
    private (Func<CancellationToken, StopReport> Run, bool Stepping)? _run;
    private bool _leaves;
    private bool _toldEnd;

    private DebugSession Debug => _debug ?? throw new DapRefusal("nothing is being debugged yet: launch first");

    private StageDocument Document => _document ?? throw new DapRefusal("nothing is being debugged yet: launch first");

    /// <summary>Until the client disconnects or is gone.</summary>
    public void Serve()
    {
        while (!_leaves)
        {
            if (_run is { } run && !connection.HasRequest)
                RunOn(run);
            else if (connection.Next(stop) is { } request)
                Answer(request);
            else
                return;
        }
    }

    public void Dispose() => _debug?.Dispose();

    private void Answer(DapRequest request)
    {
        try
        {
            JsonObject? body = Carry(request.Command, request.Arguments);
            connection.Respond(request, body);
            After(request.Command);
        }
        catch (DapRefusal e)
        {
            connection.Refuse(request, e.Message);
        }
        catch (ExpressionException e)
        {
            connection.Refuse(request, e.Message);
        }
        catch (InputException e)
        {
            connection.Refuse(request, string.Join("; ", e.Diagnostics));
        }
    }

    private JsonObject? Carry(string command, DapArguments a) => command switch
    {
        "initialize" => Initialize(),
        "launch" or "attach" => Launch(a),
        "configurationDone" => null,
        "disconnect" or "terminate" => End(),
        "restart" => Restart(),
        "threads" => Threads(),
        "setBreakpoints" => SetBreakpoints(a),
        "setFunctionBreakpoints" => SetFunctionBreakpoints(a),
        "setInstructionBreakpoints" => SetInstructionBreakpoints(a),
        "setExceptionBreakpoints" => SetExceptionBreakpoints(a),
        "dataBreakpointInfo" => DataBreakpointInfo(a),
        "setDataBreakpoints" => SetDataBreakpoints(a),
        "continue" => Continue(Direction.Forward),
        "reverseContinue" => Continue(Direction.Backward),
        "next" => Step(a, StepKind.Over, Direction.Forward),
        "stepIn" => Step(a, StepKind.Into, Direction.Forward),
        "stepOut" => Step(a, StepKind.Out, Direction.Forward),
        "stepBack" => Step(a, StepKind.Over, Direction.Backward),
        "pause" => null,
        "stackTrace" => StackTrace(a),
        "scopes" => Scopes(a),
        "variables" => Variables(a),
        "source" => Source(a),
        "loadedSources" => new JsonObject { ["sources"] = new JsonArray(DocumentSource()) },
        "disassemble" => Disassemble(a),
        "readMemory" => ReadMemory(a),
        "writeMemory" => WriteMemory(a),
        "setVariable" => SetVariable(a),
        "evaluate" => Evaluate(a),
        _ => throw new DapRefusal($"\"{command}\" is not a request that xensim carries out"),
    };

    /// <summary>What follows a response.</summary>
    private void After(string command)
    {
        switch (command)
        {
            case "launch" or "attach":
                connection.Tell("initialized");
                break;
            case "configurationDone":
                Begin();
                break;
            case "pause" when _run is not null:
                _run = null;
                TellStop(Debug.Report with { Reason = StopReason.Interrupted });
                break;
            case "restart":
                Begin();
                break;
            case "terminate" or "disconnect":
                connection.Tell("terminated");
                break;
            default:
                break;
        }
    }

    private static JsonObject Initialize() => new()
    {
        ["supportsConfigurationDoneRequest"] = true,
        ["supportsFunctionBreakpoints"] = true,
        ["supportsConditionalBreakpoints"] = true,
        ["supportsHitConditionalBreakpoints"] = true,
        ["supportsInstructionBreakpoints"] = true,
        ["supportsDataBreakpoints"] = true,
        ["supportsDataBreakpointBytes"] = true,
        ["supportsSteppingGranularity"] = true,
        ["supportsStepBack"] = true,
        ["supportsRestartRequest"] = true,
        ["supportsTerminateRequest"] = true,
        ["supportsReadMemoryRequest"] = true,
        ["supportsWriteMemoryRequest"] = true,
        ["supportsSetVariable"] = true,
        ["supportsDisassembleRequest"] = true,
        ["supportsLoadedSourcesRequest"] = true,
        ["supportsEvaluateForHovers"] = true,
        ["exceptionBreakpointFilters"] = new JsonArray([.. s_filters.Select(f => (JsonNode)new JsonObject { ["filter"] = f.Name, ["label"] = f.Label, ["default"] = f.Initially })]),
    };

    /// <summary><c>program</c> and <c>args</c> are what stands after <c>xensim debug</c>. attach is the same: there is nothing running to attach to but what this starts.</summary>
    private JsonObject? Launch(DapArguments a)
    {
        if (_debug is not null)
            throw new DapRefusal("something is being debugged already");
        _debug = open([a.Required("program"), .. a.Texts("args")]);
        _debug.GuestPrints = bytes => Say(System.Text.Encoding.Latin1.GetString(bytes), "stdout");
        _launch = a;
        _prompt = new EmbeddedPrompt(_debug, mayUseFiles: true);
        _document = new StageDocument(_debug.Options.Path, _debug.Options.Release);
        foreach ((string name, _, bool initially, StopPoint point) in s_filters)
        {
            if (initially && !a.Flag("noDebug"))
                Add("exception " + name, point, null, 0);
        }

        return null;
    }

    private void Begin()
    {
        _toldEnd = false;
        if (_launch?.Flag("stopOnEntry") == true)
            Told("entry", "before anything has happened", Debug.Report);
        else
            Continue(Direction.Forward);
    }

    private JsonObject? Restart()
    {
        _run = null;
        Debug.GoToStart();
        Forget();
        Debug.ShowConsoleAgain();
        return null;
    }

    private JsonObject? End()
    {
        _leaves = true;
        return null;
    }

    private JsonObject Continue(Direction direction)
    {
        if (direction == Direction.Forward && Debug.IsOver && _toldEnd)
        {
            SayGoodbye();
            return new JsonObject { ["allThreadsContinued"] = true };
        }

        _run = (token => Debug.Continue(direction, token), false);
        return new JsonObject { ["allThreadsContinued"] = true };
    }

    private JsonObject? Step(DapArguments a, StepKind kind, Direction direction)
    {
        Granularity granularity = a.Text("granularity") switch
        {
            null or "statement" => Granularity.Stage,
            "line" => Granularity.Hypercall,
            "instruction" => Granularity.Instruction,
            { } other => throw new DapRefusal($"granularity is statement (a stage), line (a hypercall) or instruction, not \"{other}\""),
        };
        VcpuId? only = granularity == Granularity.Instruction && a.Number("threadId") is { } thread ? VcpuOf(thread) : null;
        _run = (token => Debug.Step(granularity, kind, direction, only, token), true);
        return null;
    }

    private void RunOn((Func<CancellationToken, StopReport> Run, bool Stepping) run)
    {
        StopReport report = connection.Interruptibly(run.Run, run.Stepping, stop);
        Forget();
        // A request came in between: it is answered, and the run goes on.
        if (report.Reason == StopReason.Interrupted && connection.HasRequest && !run.Stepping)
            return;
        _run = null;
        if (report.Reason == StopReason.EndOfHistory && _launch?.Flag("noDebug") == true)
            SayGoodbye();
        else
            TellStop(report);
    }

    private void TellStop(StopReport report)
    {
        string reason = report.Reason switch
        {
            StopReason.Step => "step",
            StopReason.Watchpoint => "data breakpoint",
            StopReason.Breakpoint => ReasonOf(report.Hit),
            StopReason.Start => "entry",
            StopReason.Reached => "goto",
            _ => "pause",
        };
        Told(reason, Describe(report), report);
        if (report.Reason == StopReason.EndOfHistory)
        {
            _toldEnd = true;
            Say($"xensim: {report.Outcome?.Detail}\n", "important");
        }
    }

    private void Told(string reason, string description, StopReport report) => connection.Tell("stopped", new JsonObject
    {
        ["reason"] = reason,
        ["description"] = description,
        ["text"] = description,
        ["threadId"] = report.Vcpu is { } v && report.Stack is null ? ThreadOf(v) : BootThread,
        ["allThreadsStopped"] = true,
        ["hitBreakpointIds"] = new JsonArray([.. report.Hit.Select(b => (JsonNode)b.Id)]),
    });

    private static string Describe(StopReport report) => report.Reason switch
    {
        StopReason.BeginOfHistory => "the begin of history",
        StopReason.EndOfHistory => $"the session is over: {report.Outcome?.Detail}; step back, or continue to leave",
        StopReason.Watchpoint when report.Watch is { } w => $"0x{w.Address:x}: {Convert.ToHexStringLower(w.Old)} → {Convert.ToHexStringLower(w.New)} by {w.By}",
        StopReason.Breakpoint => string.Join(", ", report.Hit.Select(b => b.Point)),
        _ when report.Event is { } e => StopView.Describe(e),
        _ => $"{report.Position}",
    };

    private void SayGoodbye()
    {
        SessionOutcome? outcome = Debug.Report.Outcome;
        connection.Tell("exited", new JsonObject { ["exitCode"] = outcome is null ? 0 : (int)Commands.BootRun.CodeFor(outcome) });
        connection.Tell("terminated");
    }

    private void Say(string text, string category) => connection.Tell("output", new JsonObject { ["category"] = category, ["output"] = text });
}
