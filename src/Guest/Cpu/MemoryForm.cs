using System.Runtime.CompilerServices;

namespace XenSim.Guest.Cpu;

/// <summary>What an instruction does with its memory operand, once it is known where that is.</summary>
// SAFETY: operand has the bytes that the handler asked the TLB for.
internal unsafe interface IMemoryUse
{
    static abstract void At(CpuState* s, Op* op, byte* operand);
}

/// <summary>
/// Handlers of instructions with one memory operand. What misses the TLB goes on in a method of its own, so that the common way calls
/// nothing and needs no frame.
/// </summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, which checks it.
internal static unsafe class MemoryForm
{
    /// <summary>Fills in the operand and the handler of an instruction that reads <typeparamref name="T"/>.</summary>
    public static void Read<TUse, T>(Translator t)
        where TUse : struct, IMemoryUse
        where T : unmanaged
        => t.Op->Handler = t.Memory() switch
        {
            AddressForm.Flat64 when t.Op->IndexReg == CpuState.ZeroOffset => &Read<TUse, T, Base64>,
            AddressForm.Flat64 => &Read<TUse, T, Flat64>,
            AddressForm.Segment32 => &Read<TUse, T, Segment32>,
            _ => &Read<TUse, T, AnyAddress>,
        };

    /// <summary>The same for one that writes it, or reads and writes it.</summary>
    public static void Modify<TUse, T>(Translator t)
        where TUse : struct, IMemoryUse
        where T : unmanaged
        => t.Op->Handler = t.Memory() switch
        {
            AddressForm.Flat64 when t.Op->IndexReg == CpuState.ZeroOffset => &Modify<TUse, T, Base64>,
            AddressForm.Flat64 => &Modify<TUse, T, Flat64>,
            AddressForm.Segment32 => &Modify<TUse, T, Segment32>,
            _ => &Modify<TUse, T, AnyAddress>,
        };

    private static Block* Read<TUse, T, TA>(CpuState* s, Op* op)
        where TUse : struct, IMemoryUse
        where T : unmanaged
        where TA : struct, IAddress
    {
        byte* p = Tlb.FindRead(s, TA.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return ReadSlow<TUse, T, TA>(s, op);
        TUse.At(s, op, p);
        return op[1].Handler(s, op + 1);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Block* ReadSlow<TUse, T, TA>(CpuState* s, Op* op)
        where TUse : struct, IMemoryUse
        where T : unmanaged
        where TA : struct, IAddress
    {
        byte* p = Tlb.Read(s, TA.Read(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        TUse.At(s, op, p);
        return op[1].Handler(s, op + 1);
    }

    private static Block* Modify<TUse, T, TA>(CpuState* s, Op* op)
        where TUse : struct, IMemoryUse
        where T : unmanaged
        where TA : struct, IAddress
    {
        byte* p = Tlb.FindWrite(s, TA.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return ModifySlow<TUse, T, TA>(s, op);
        TUse.At(s, op, p);
        return op[1].Handler(s, op + 1);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Block* ModifySlow<TUse, T, TA>(CpuState* s, Op* op)
        where TUse : struct, IMemoryUse
        where T : unmanaged
        where TA : struct, IAddress
    {
        byte* p = Tlb.Modify(s, TA.Write(s, op, sizeof(T)), sizeof(T));
        if (p == null)
            return Faults.Raise(s, op);
        TUse.At(s, op, p);
        Tlb.Commit(s, p);
        return op[1].Handler(s, op + 1);
    }
}
