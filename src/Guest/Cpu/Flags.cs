using System.Numerics;
using System.Runtime.CompilerServices;

namespace XenSim.Guest.Cpu;

/// <summary>Bits of RFLAGS. SDM vol. 1, 3.4.3.</summary>
internal static class RflagsBits
{
    public const uint Cf = 1, Fixed = 2, Pf = 4, Af = 0x10, Zf = 0x40, Sf = 0x80, Tf = 0x100, If = 0x200, Df = 0x400, Of = 0x800,
        Iopl = 0x3000, Nt = 0x4000, Rf = 0x10000, Vm = 0x20000, Ac = 0x40000, Vif = 0x80000, Vip = 0x100000, Id = 0x200000;

    public const uint Arithmetic = Cf | Pf | Af | Zf | Sf | Of;
}

/// <summary>
/// Arithmetic flags, evaluated when asked for. An operation stores its sign-extended result and two sign-extended words with
/// CF = X &lt; Y, so that ZF, SF, PF and CF need no knowledge of the operation or its size; OF and AF follow from the kind.
/// </summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class Flags
{
    /// <summary>X - Y = Result.</summary>
    public const uint Sub = 0 << 16;

    /// <summary>CF = OF = AF = 0: X = Y = 0.</summary>
    public const uint Logic = 1 << 16;

    /// <summary>X is the sum and Y an addend: the other addend is X - Y at the size.</summary>
    public const uint Add8 = 2 << 16, Add16 = 3 << 16, Add32 = 4 << 16, Add64 = 5 << 16;

    /// <summary>OF and AF are in the low bits at their RFLAGS places; SF and PF there invert what Result says; CF = X &lt; Y.</summary>
    public const uint Explicit = 6 << 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetSub(CpuState* s, ulong x, ulong y, ulong result)
    {
        s->Result = result;
        s->X = x;
        s->Y = y;
        s->FlagKind = Sub;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetAdd<T>(CpuState* s, ulong y, ulong result)
        where T : unmanaged
    {
        s->Result = result;
        s->X = result;
        s->Y = y;
        s->FlagKind = sizeof(T) == 1 ? Add8 : sizeof(T) == 2 ? Add16 : sizeof(T) == 4 ? Add32 : Add64;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetLogic(CpuState* s, ulong result)
    {
        s->Result = result;
        s->X = 0;
        s->Y = 0;
        s->FlagKind = Logic;
    }

    /// <summary>ZF, SF, PF from the result; CF, OF, AF given.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetExplicit(CpuState* s, ulong result, bool cf, bool of, uint af = 0)
    {
        s->Result = result;
        s->X = 0;
        s->Y = cf ? 1u : 0u;
        s->FlagKind = Explicit | (of ? RflagsBits.Of : 0) | af;
    }

    /// <summary>Sets all six from RFLAGS bits.</summary>
    public static void Set(CpuState* s, uint flags)
    {
        s->X = 0;
        s->Y = flags & RflagsBits.Cf;
        uint kind = Explicit | (flags & (RflagsBits.Of | RflagsBits.Af | RflagsBits.Sf));
        bool zero = (flags & RflagsBits.Zf) != 0;
        s->Result = zero ? 0u : 1u;
        // Parity of 0 is even (PF = 1), of 1 odd.
        if (((flags & RflagsBits.Pf) != 0) != zero)
            kind |= RflagsBits.Pf;
        s->FlagKind = kind;
    }

    public static void SetCarry(CpuState* s, bool cf) => Set(s, (Get(s) & ~RflagsBits.Cf) | (cf ? RflagsBits.Cf : 0));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Cf(CpuState* s) => s->X < s->Y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Zf(CpuState* s) => s->Result == 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Sf(CpuState* s) => ((s->Result >> 63) ^ ((s->FlagKind >> 7) & 1)) != 0;

    public static bool Pf(CpuState* s) =>
        ((BitOperations.PopCount((byte)s->Result) & 1) == 0) ^ ((s->FlagKind & RflagsBits.Pf) != 0);

    public static bool Of(CpuState* s)
    {
        switch (s->FlagKind & 0x70000)
        {
            case Sub:
                return (long)((s->X ^ s->Y) & (s->X ^ s->Result)) < 0;
            case Logic:
                return false;
            case Explicit:
                return (s->FlagKind & RflagsBits.Of) != 0;
            default:
                ulong other = OtherAddend(s);
                return (long)((s->X ^ s->Y) & (s->X ^ other)) < 0;
        }
    }

    public static bool Af(CpuState* s) => (s->FlagKind & 0x70000) switch
    {
        Sub => ((s->X ^ s->Y ^ s->Result) & 0x10) != 0,
        Logic => false,
        Explicit => (s->FlagKind & RflagsBits.Af) != 0,
        _ => ((s->X ^ s->Y ^ (s->X - s->Y)) & 0x10) != 0,
    };

    /// <summary>SF != OF.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Less(CpuState* s) => s->FlagKind == Sub ? (long)s->X < (long)s->Y : Sf(s) != Of(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool LessOrEqual(CpuState* s) => s->FlagKind == Sub ? (long)s->X <= (long)s->Y : Zf(s) || Sf(s) != Of(s);

    /// <summary>The six arithmetic bits of RFLAGS.</summary>
    public static uint Get(CpuState* s) =>
        (Cf(s) ? RflagsBits.Cf : 0) | (Pf(s) ? RflagsBits.Pf : 0) | (Af(s) ? RflagsBits.Af : 0) |
        (Zf(s) ? RflagsBits.Zf : 0) | (Sf(s) ? RflagsBits.Sf : 0) | (Of(s) ? RflagsBits.Of : 0);

    private static ulong OtherAddend(CpuState* s)
    {
        ulong d = s->X - s->Y;
        return (s->FlagKind & 0x70000) switch
        {
            Add8 => (ulong)(sbyte)d,
            Add16 => (ulong)(short)d,
            Add32 => (ulong)(int)d,
            _ => d,
        };
    }
}
