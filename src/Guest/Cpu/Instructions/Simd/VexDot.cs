using System.Runtime.Intrinsics;
using Iced.Intel;

namespace XenSim.Guest.Cpu.Instructions.Simd;

/// <summary>AVX-VNNI: the products of the bytes or words in each doubleword, added to the destination. SDM vol. 2, VPDPBUSD to VPDPWSSDS.</summary>
// SAFETY: s is the state of the vCPU that runs and op an op of its block, alive for the whole call; guest bytes come from Tlb, which gives at least
// the size asked for; register offsets are the translator's.
internal static unsafe class VexDot
{
    // Aux.
    private const byte Wide = 1, Saturating = 2;

    /// <summary>The sum of the products in a doubleword of each operand.</summary>
    private interface IDotProduct
    {
        static abstract long Of(int x, int y);
    }

    public static bool Select(Translator t) => t.Instruction.Mnemonic switch
    {
        Mnemonic.Vpdpbusd => Dot<Bytes>(t, 0),
        Mnemonic.Vpdpbusds => Dot<Bytes>(t, Saturating),
        Mnemonic.Vpdpwssd => Dot<Words>(t, 0),
        Mnemonic.Vpdpwssds => Dot<Words>(t, Saturating),
        _ => false,
    };

    private static bool Dot<TProduct>(Translator t, byte control)
        where TProduct : struct, IDotProduct
    {
        bool memory = Vex.Operands(t);
        t.Op->Aux = (byte)(control | (Vex.IsWide(t, 0) ? Wide : 0));
        t.Op->Handler = memory ? &Memory<TProduct> : &Registers<TProduct>;
        return true;
    }

    private static Block* Registers<TProduct>(CpuState* s, Op* op)
        where TProduct : struct, IDotProduct
    {
        int fault = Vex.Fault(s);
        return fault >= 0 ? Faults.Raise(s, op, fault) : Accumulate<TProduct>(s, op, op->Base, *Vector.At(s, op->Src), *Vex.High(s, op->Src));
    }

    private static Block* Memory<TProduct>(CpuState* s, Op* op)
        where TProduct : struct, IDotProduct
    {
        int fault = Vex.Fault(s);
        if (fault >= 0)
            return Faults.Raise(s, op, fault);
        Vector128<byte> high = default;
        bool good = (op->Aux & Wide) != 0 ? Vex.LoadWide(s, op, out Vector128<byte> low, out high) : Vector.Load(s, op, 16, true, out low);
        return good ? Accumulate<TProduct>(s, op, op->Src, low, high) : Faults.Raise(s, op);
    }

    private static Block* Accumulate<TProduct>(CpuState* s, Op* op, byte first, Vector128<byte> low, Vector128<byte> high)
        where TProduct : struct, IDotProduct
    {
        bool saturating = (op->Aux & Saturating) != 0;
        low = Add<TProduct>(*Vector.At(s, op->Dst), *Vector.At(s, first), low, saturating);
        high = (op->Aux & Wide) != 0 ? Add<TProduct>(*Vex.High(s, op->Dst), *Vex.High(s, first), high, saturating) : default;
        Vex.Set(s, op->Dst, low, high);
        return op[1].Handler(s, op + 1);
    }

    private static Vector128<byte> Add<TProduct>(Vector128<byte> sums, Vector128<byte> x, Vector128<byte> y, bool saturating)
        where TProduct : struct, IDotProduct
    {
        Vector128<int> r = sums.AsInt32();
        for (int i = 0; i < 4; i++)
        {
            long sum = r[i] + TProduct.Of(x.AsInt32()[i], y.AsInt32()[i]);
            r = r.WithElement(i, (int)(saturating ? Math.Clamp(sum, int.MinValue, int.MaxValue) : sum));
        }

        return r.AsByte();
    }

    /// <summary>Unsigned bytes of the first operand by signed ones of the second.</summary>
    private readonly struct Bytes : IDotProduct
    {
        public static long Of(int x, int y)
        {
            long sum = 0;
            for (int shift = 0; shift < 32; shift += 8)
                sum += (byte)(x >> shift) * (sbyte)(y >> shift);
            return sum;
        }
    }

    /// <summary>Signed words by signed words.</summary>
    private readonly struct Words : IDotProduct
    {
        public static long Of(int x, int y) => (long)((short)x * (short)y) + ((x >> 16) * (y >> 16));
    }
}
