using System.Globalization;

namespace XenSim.Simulator.Debugging.Prompt;

/// <summary>Steps and runs, forwards and backwards.</summary>
internal static class RunCommands
{
    public static readonly PromptCommand[] All =
    [
        Stepping(["step", "s"], Granularity.Stage, StepKind.Into, Direction.Forward, "Goes to the next stage, into hypercalls too."),
        Stepping(["next", "n"], Granularity.Stage, StepKind.Over, Direction.Forward, "Goes to the next stage that is not below this one."),
        Stepping(["finish", "fin"], Granularity.Stage, StepKind.Out, Direction.Forward, "Goes to where this stage returns or fails."),
        Stepping(["rstep", "reverse-step"], Granularity.Stage, StepKind.Into, Direction.Backward, "Goes back to the stage before."),
        Stepping(["rnext", "reverse-next"], Granularity.Stage, StepKind.Over, Direction.Backward, "Goes back to the stage before that is not below this one."),
        Stepping(["rfinish", "reverse-finish"], Granularity.Stage, StepKind.Out, Direction.Backward, "Goes back to where this stage was entered."),
        Stepping(["stepc"], Granularity.Hypercall, StepKind.Into, Direction.Forward, "Goes to the next hypercall, or the return of one."),
        Stepping(["nextc"], Granularity.Hypercall, StepKind.Over, Direction.Forward, "As stepc, but not into the calls that a hypercall makes."),
        Stepping(["finishc"], Granularity.Hypercall, StepKind.Out, Direction.Forward, "Goes to where this hypercall returns."),
        Stepping(["rstepc"], Granularity.Hypercall, StepKind.Into, Direction.Backward, "Goes back to the hypercall, or return of one, before."),
        Stepping(["rnextc"], Granularity.Hypercall, StepKind.Over, Direction.Backward, "As rstepc, but not into the calls that a hypercall made."),
        Stepping(["rfinishc"], Granularity.Hypercall, StepKind.Out, Direction.Backward, "Goes back to where this hypercall was made."),
        Stepping(["stepi", "si"], Granularity.Instruction, StepKind.Into, Direction.Forward, "Executes one instruction of the guest."),
        Stepping(["nexti", "ni"], Granularity.Instruction, StepKind.Over, Direction.Forward, "Executes one instruction, a call with all that it calls."),
        Stepping(["finishi"], Granularity.Instruction, StepKind.Out, Direction.Forward, "Runs until the guest's present function has returned."),
        Stepping(["rstepi", "rsi", "reverse-stepi"], Granularity.Instruction, StepKind.Into, Direction.Backward, "Takes one instruction back."),
        Stepping(["rnexti", "rni", "reverse-nexti"], Granularity.Instruction, StepKind.Over, Direction.Backward, "Takes one instruction back, a call with all that it called."),
        Stepping(["rfinishi"], Granularity.Instruction, StepKind.Out, Direction.Backward, "Goes back to the call that led into the guest's present function."),
        new(["continue", "c"], "", "Runs until a breakpoint or the end.", "", ["continue"], (s, _) => StopView.Show(s, s.Debug.Continue(Direction.Forward, s.Stop))),
        new(["rcontinue", "rc", "reverse-continue"], "", "Runs back to the last moment that a breakpoint or watchpoint would have stopped at, or to the beginning.", "",
            ["watch qword(0xffffffff82001000)", "rcontinue"], (s, _) => StopView.Show(s, s.Debug.Continue(Direction.Backward, s.Stop))),
        new(["goto"], "begin | end | event N | instruction N | stage NAME", "Goes to a moment, in either direction.",
            "Events are numbered from 0, instructions by how many have retired. A stage is gone to where it is next entered, or, if it is not any more, was last.",
            ["goto begin", "goto event 904", "goto instruction 1000000", "goto stage init_hypercall_page"], Goto),
    ];

    private static PromptCommand Stepping(string[] names, Granularity granularity, StepKind kind, Direction direction, string summary)
        => new(names, "[N]", summary, "With a number, so many times.", [names[0], $"{names[0]} 3"], (s, a) =>
        {
            if (kind == StepKind.Out && granularity != Granularity.Instruction && s.Debug.Stack?.Outwards().Any(f => f.IsHypercall == (granularity == Granularity.Hypercall)) != true)
                throw new PromptException($"{a.Command}: no {(granularity == Granularity.Hypercall ? "hypercall" : "stage")} is open here{(granularity == Granularity.Stage && s.Debug.Stack is not null ? "; finishc is to where the hypercall returns" : "")}");
            StopReport stop = s.Debug.Report;
            for (int i = a.Count(); i > 0; i--)
            {
                stop = s.Debug.Step(granularity, kind, direction, null, s.Stop);
                if (stop.Reason != StopReason.Step)
                    break;
            }

            StopView.Show(s, stop);
        });

    private static void Goto(PromptState s, PromptArguments a)
    {
        if (a.Word(0) is "begin" or "start" or "end" && a.Words.Count > 1)
            throw new PromptException($"goto: \"{a.Rest(1)}\" after {a.Word(0)} is too much");
        StopReport stop = a.Require(0, "where to") switch
        {
            "begin" or "start" => s.Debug.GoToStart(),
            "end" => ToEnd(s),
            "event" => s.Debug.GoToEvent(Number(a)),
            "instruction" => s.Debug.GoToInstruction(Number(a)),
            "stage" => ToStage(s, a.Require(1, "a stage's name")),
            string other => throw new PromptException($"goto: \"{other}\" is none of begin, end, event, instruction, stage"),
        };
        StopView.Show(s, stop);
    }

    private static long Number(PromptArguments a)
        => long.TryParse(a.Require(1, "a number"), NumberStyles.None, CultureInfo.InvariantCulture, out long n) ? n : throw new PromptException($"goto: \"{a.Word(1)}\" is not a number");

    private static StopReport ToEnd(PromptState s) => s.Debug.GoToInstruction(long.MaxValue / 2);

    private static StopReport ToStage(PromptState s, string name)
    {
        Breakpoint[] others = [.. s.Debug.Breakpoints.Where(b => b.Enabled)];
        foreach (Breakpoint b in others)
            b.Enabled = false;
        Breakpoint here = s.Debug.Breakpoints.Add(new StagePoint(name, StageMoment.Entered));
        try
        {
            Position from = s.Debug.Position;
            if (s.Debug.Continue(Direction.Forward, s.Stop).Reason == StopReason.Breakpoint || s.Debug.Continue(Direction.Backward, s.Stop).Reason == StopReason.Breakpoint)
                return s.Debug.Report with { Hit = [] };
            s.Debug.GoTo(from);
            throw PromptException.Unknown($"no stage {name} was entered in this session", name, [.. BreakCommands.StageNames(s.Debug).Where(n => n != name)]);
        }
        finally
        {
            s.Debug.Breakpoints.Remove(here.Id);
            foreach (Breakpoint b in others)
                b.Enabled = true;
        }
    }
}
