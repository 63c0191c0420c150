using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;

namespace XenSim.Simulator.Debugging;

/// <summary>
/// The functions of a guest that are open: by Linux' unwinding table where the kernel has one, else by frame pointers where they lead behind calls, else by guesses, as
/// Linux' own traces mark them with a question mark.
/// </summary>
/// <param name="orc">Asked for when a stack is first walked; null: the kernel has none.</param>
internal sealed class GuestStack(Inspector inspector, Func<OrcTable?> orc)
{
    private const int MostFrames = 64;

    /// <summary>How far up the stack addresses are looked for. Unit: words.</summary>
    private const int Searched = 256;

    /// <summary>Words by which the stack may be off in the innermost function: the stubs of the hypercall page push what the table knows nothing of.</summary>
    private const int Slack = 3;

    private const ulong LargestFrame = 1 << 20, LongestFunction = 1 << 14;

    private OrcTable? _orc;
    private bool _asked;

    /// <summary>Innermost first; the first is where the vCPU is.</summary>
    public IReadOnlyList<GuestFrame> Of(Vcpu vcpu)
    {
        List<GuestFrame> frames = [new(vcpu.Cpu.LinearRip, vcpu.Cpu[Gpr.Rsp], FrameWitness.Register)];
        int size = vcpu.Cpu.CodeBits == 64 ? 8 : 4;
        if (size == 8)
            AddByTable(frames, vcpu);
        if (frames.Count == 1)
            AddByFramePointers(frames, vcpu, size);
        if (frames.Count == 1)
            AddGuesses(frames, vcpu, size);
        return frames;
    }

    /// <summary>The caller of the innermost function, if it is not guessed.</summary>
    public GuestFrame? CallerOf(Vcpu vcpu) => Of(vcpu) is { Count: > 1 } all && !all[1].IsGuess ? all[1] : null;

    /// <summary>Linux 6.1 arch/x86/kernel/unwind_orc.c: unwind_next_frame.</summary>
    private void AddByTable(List<GuestFrame> frames, Vcpu vcpu)
    {
        if (!_asked)
            (_orc, _asked) = (orc(), true);
        if (_orc is null)
            return;
        ulong ip = frames[0].Address, sp = frames[0].Stack, bp = vcpu.Cpu[Gpr.Rbp];
        bool exact = true;
        while (frames.Count < MostFrames)
        {
            // A return address may stand behind its function's end.
            if (_orc.At(exact ? ip : ip - 1) is not { IsEnd: false } e || FrameBase(e, vcpu, sp, bp, frames.Count == 1) is not { } top)
                return;
            (ulong? nextIp, ulong? nextSp, exact) = e.Kind switch
            {
                OrcKind.Call => frames.Count == 1 ? ReturnNear(vcpu, top) : (Word(vcpu, top - 8), top, false),
                // struct pt_regs: ip is its 17th word, sp its 20th; an IRET frame begins with ip.
                OrcKind.Registers => (Word(vcpu, top + 128), Word(vcpu, top + 152), true),
                OrcKind.IretFrame => (Word(vcpu, top), Word(vcpu, top + 24), true),
                _ => (null, null, false),
            };
            ulong? nextBp = e.BpRegister switch
            {
                OrcRegister.PreviousSp => Word(vcpu, top + (ulong)e.BpOffset),
                OrcRegister.Bp => Word(vcpu, bp + (ulong)e.BpOffset),
                // The fifth word of pt_regs.
                _ when e.Kind == OrcKind.Registers => Word(vcpu, top + 32),
                _ => bp,
            };
            if (nextIp is not { } to || to == 0 || nextSp is not { } stack || nextBp is not { } frame || (!exact && !FollowsCall(vcpu, to)))
                return;
            (ip, sp, bp) = (to, stack, frame);
            frames.Add(new GuestFrame(ip, sp, FrameWitness.Orc));
        }
    }

    /// <param name="innermost">Registers that are not kept are still known.</param>
    private ulong? FrameBase(OrcEntry e, Vcpu vcpu, ulong sp, ulong bp, bool innermost)
    {
        ulong offset = (ulong)e.SpOffset;
        return e.SpRegister switch
        {
            OrcRegister.Sp => sp + offset,
            OrcRegister.Bp => bp + offset,
            OrcRegister.SpIndirect => Word(vcpu, sp) + offset,
            OrcRegister.BpIndirect => Word(vcpu, bp + offset),
            OrcRegister.R10 when innermost => vcpu.Cpu[Gpr.R10],
            OrcRegister.R13 when innermost => vcpu.Cpu[Gpr.R13],
            OrcRegister.Di when innermost => vcpu.Cpu[Gpr.Rdi],
            OrcRegister.Dx when innermost => vcpu.Cpu[Gpr.Rdx],
            _ => null,
        };
    }

    private (ulong? Ip, ulong? Sp, bool Exact) ReturnNear(Vcpu vcpu, ulong top)
    {
        for (ulong i = 0; i <= Slack; i++)
        {
            if (Word(vcpu, top - 8 + (8 * i)) is { } to && FollowsCall(vcpu, to))
                return (to, top + (8 * i), false);
        }

        return (null, null, false);
    }

    private void AddByFramePointers(List<GuestFrame> frames, Vcpu vcpu, int size)
    {
        ulong sp = frames[0].Stack, frame = vcpu.Cpu[Gpr.Rbp], word = (ulong)size;
        // Before the function has made its own frame, and after it has taken it down, its return address is on top.
        ulong? bare = PrologueAt(vcpu);
        if (bare is { } slot && Word(vcpu, sp + (slot * word), size) is { } first && FollowsCall(vcpu, first))
            frames.Add(new GuestFrame(first, sp + ((slot + 1) * word), FrameWitness.FramePointer));
        while (frames.Count < MostFrames && frame >= sp && frame - sp < LargestFrame && frame % word == 0
            && Word(vcpu, frame, size) is { } up && Word(vcpu, frame + word, size) is { } back && MayLeadTo(vcpu, back, frames[^1].Address))
        {
            sp = frame + (2 * word);
            frames.Add(new GuestFrame(back, sp, FrameWitness.FramePointer));
            frame = up;
        }
    }

    /// <summary>Words above the return address that is not yet, or no longer, below a frame pointer: at push %rbp, at mov %rsp,%rbp, at ret. Null: elsewhere.</summary>
    private ulong? PrologueAt(Vcpu vcpu) => Disassembly.At(inspector, vcpu) switch
    {
        null => null,
        { IsReturn: true } => 0,
        { Bytes: [0x55] } => 0,
        { Bytes: [0xF3, 0x0F, 0x1E, 0xFA or 0xFB] } => 0,
        { Bytes: [0x48, 0x89, 0xE5] or [0x89, 0xE5] } => 1,
        _ => null,
    };

    private void AddGuesses(List<GuestFrame> frames, Vcpu vcpu, int size)
    {
        ulong sp = frames[0].Stack & ~((ulong)size - 1);
        for (int i = 0; i < Searched && frames.Count < MostFrames; i++)
        {
            ulong at = sp + (ulong)(i * size);
            if (Word(vcpu, at, size) is not { } to)
                return;
            if (FollowsCall(vcpu, to))
                frames.Add(new GuestFrame(to, at + (ulong)size, FrameWitness.Guess));
        }
    }

    /// <summary>A direct call names the function it leads to; one that has made no frame of its own is another, and then the chain leaves its caller out.</summary>
    private bool MayLeadTo(Vcpu vcpu, ulong back, ulong inside)
    {
        foreach (ulong at in Disassembly.CallsEndingAt(inspector, vcpu, back))
        {
            if (Disassembly.At(inspector, vcpu, at)!.Instruction is not { IsCallNear: true, NearBranchTarget: var target } || (target <= inside && inside - target < LongestFunction && MakesFrame(vcpu, target)))
                return true;
        }

        return false;
    }

    /// <summary>push %rbp, perhaps after ENDBR.</summary>
    private bool MakesFrame(Vcpu vcpu, ulong function)
    {
        Span<byte> bytes = stackalloc byte[5];
        bytes.Clear();
        return inspector.TryRead(AddressSpace.Virtual, function, bytes, vcpu) && (bytes[0] == 0x55 || (bytes[..3].SequenceEqual((ReadOnlySpan<byte>)[0xF3, 0x0F, 0x1E]) && bytes[4] == 0x55));
    }

    private bool FollowsCall(Vcpu vcpu, ulong address) => Disassembly.CallsEndingAt(inspector, vcpu, address).Any();

    private ulong? Word(Vcpu vcpu, ulong address, int size = 8)
    {
        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        return inspector.TryRead(AddressSpace.Virtual, address, bytes[..size], vcpu) ? BitConverter.ToUInt64(bytes) : null;
    }
}
