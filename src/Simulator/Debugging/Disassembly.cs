using Iced.Intel;
using XenSim.Hypervisor.Domains;

namespace XenSim.Simulator.Debugging;

/// <summary>An instruction in guest memory.</summary>
/// <param name="Linear">Linear address. Unit: bytes.</param>
/// <param name="Bits">16, 32 or 64.</param>
public sealed record DecodedInstruction(ulong Linear, int Bits, Instruction Instruction, byte[] Bytes)
{
    public ulong NextLinear => Bits == 64 ? Linear + (ulong)Bytes.Length : (uint)(Linear + (ulong)Bytes.Length);

    /// <summary>CALL, near or far.</summary>
    public bool IsCall => Instruction.FlowControl is FlowControl.Call or FlowControl.IndirectCall && Instruction.Mnemonic == Mnemonic.Call;

    /// <summary>Comes back to the next instruction some time later: calls, system calls, software interrupts, repeated strings.</summary>
    public bool IsSteppedOver => IsCall || Instruction.FlowControl is FlowControl.Interrupt || Instruction.Mnemonic is Mnemonic.Syscall or Mnemonic.Sysenter or Mnemonic.Vmcall or Mnemonic.Vmmcall
        || ((Instruction.HasRepPrefix || Instruction.HasRepnePrefix) && Instruction.IsStringInstruction);

    public bool IsReturn => Instruction.Mnemonic is Mnemonic.Ret or Mnemonic.Retf;
}

/// <summary>Reads instructions from a guest's memory.</summary>
public static class Disassembly
{
    private const int Longest = 15;

    /// <summary>Shortest and longest direct or indirect CALL worth looking for.</summary>
    private const int ShortestCall = 2, LongestCall = 8;

    /// <summary>The instruction that a vCPU is about to execute; null: nothing is mapped there, or it is none.</summary>
    public static DecodedInstruction? At(Inspector inspector, Vcpu vcpu) => At(inspector, vcpu, vcpu.Cpu.LinearRip);

    public static DecodedInstruction? At(Inspector inspector, Vcpu vcpu, ulong linear)
    {
        byte[] bytes = new byte[Longest];
        int n = Longest;
        if (!inspector.TryRead(AddressSpace.Virtual, linear, bytes, vcpu))
        {
            // Perhaps only the next page is missing.
            n = (int)Math.Min(Longest, 4096 - (int)(linear & 0xFFF));
            if (!inspector.TryRead(AddressSpace.Virtual, linear, bytes.AsSpan(0, n), vcpu))
                return null;
        }

        int bits = vcpu.Cpu.CodeBits;
        Decoder decoder = Decoder.Create(bits, bytes.AsSpan(0, n).ToArray(), linear);
        decoder.Decode(out Instruction instruction);
        return instruction.IsInvalid ? null : new DecodedInstruction(linear, bits, instruction, bytes[..instruction.Length]);
    }

    /// <summary>Addresses of calls that would return to an address.</summary>
    internal static IEnumerable<ulong> CallsEndingAt(Inspector inspector, Vcpu vcpu, ulong linear)
    {
        for (int length = ShortestCall; length <= LongestCall; length++)
        {
            if (At(inspector, vcpu, linear - (ulong)length) is { IsCall: true } call && call.NextLinear == linear)
                yield return call.Linear;
        }
    }
}

/// <summary>Follows a vCPU instruction by instruction and counts how deep it is in calls, from where it began.</summary>
internal sealed class FunctionWalk(Inspector inspector)
{
    private DecodedInstruction? _last;
    private Position _lastPosition;

    /// <summary>Below zero: the function in which it began has returned.</summary>
    public int Depth { get; private set; }

    /// <summary>Where the call was made that led here; null: the last instruction was none.</summary>
    public Position? Call { get; private set; }

    /// <summary>The last instruction was a return.</summary>
    public bool Returned { get; private set; }

    /// <summary>To be called wherever the vCPU is about to run.</summary>
    public void See(Vcpu vcpu, Position position)
    {
        Call = _last is { IsCall: true } call && vcpu.Cpu.LinearRip != call.NextLinear && vcpu.Cpu.LinearRip != call.Linear ? _lastPosition : null;
        Returned = _last is { IsReturn: true } ret && vcpu.Cpu.LinearRip != ret.Linear;
        Depth += Call is not null ? 1 : Returned ? -1 : 0;
        _last = Disassembly.At(inspector, vcpu);
        _lastPosition = position;
    }
}
