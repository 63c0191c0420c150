using System.Runtime.InteropServices;

namespace XenSim.Guest.Cpu;

/// <summary>Accesses that the processor makes of its own, as supervisor, whatever CPL is. SDM vol. 3A, 4.6.1.</summary>
// SAFETY: s is the state of a live vCPU; memory is reached through Tlb, PageWalk and SystemMemory, which check it.
internal static unsafe class SystemMemory
{
    public static bool Read(CpuState* s, ulong linear, int size, out ulong value)
    {
        value = 0;
        ulong read = 0;
        int first = Math.Min(size, 4096 - (int)(linear & 0xFFF));
        byte* p = At(s, linear, first, AccessKind.Read, PageWalk.ImplicitSupervisor);
        if (p == null)
            return false;
        // SAFETY: size is at most 8; At gives that many bytes of a page.
        NativeMemory.Copy(p, &read, (nuint)first);
        if (first < size)
        {
            p = At(s, linear + (ulong)first, size - first, AccessKind.Read, PageWalk.ImplicitSupervisor);
            if (p == null)
                return false;
            NativeMemory.Copy(p, (byte*)&read + first, (nuint)(size - first));
        }

        value = read;
        return true;
    }

    /// <param name="cpl">The new CPL for frames pushed on a stack.</param>
    public static bool Write(CpuState* s, ulong linear, ulong value, int size, int cpl = PageWalk.ImplicitSupervisor)
    {
        int first = Math.Min(size, 4096 - (int)(linear & 0xFFF));
        byte* p = At(s, linear, first, AccessKind.Write, cpl);
        if (p == null)
            return false;
        // SAFETY: as in Read.
        NativeMemory.Copy(&value, p, (nuint)first);
        if (first == size)
            return true;
        p = At(s, linear + (ulong)first, size - first, AccessKind.Write, cpl);
        if (p == null)
            return false;
        NativeMemory.Copy((byte*)&value + first, p, (nuint)(size - first));
        return true;
    }

    /// <summary>Whether a range of at most a page may be written.</summary>
    public static bool Probe(CpuState* s, ulong linear, int size, int cpl)
    {
        int first = Math.Min(size, 4096 - (int)(linear & 0xFFF));
        return At(s, linear, first, AccessKind.Write, cpl) != null
            && (first == size || At(s, linear + (ulong)first, size - first, AccessKind.Write, cpl) != null);
    }

    /// <param name="size">Does not leave the page.</param>
    private static byte* At(CpuState* s, ulong linear, int size, AccessKind kind, int cpl)
    {
        if ((s->Efer & EferBits.Lma) == 0)
        {
            linear = (uint)linear;
        }
        else if (!Rip.IsCanonical(linear))
        {
            Faults.Set(s, Vectors.Gp);
            return null;
        }

        return Tlb.System(s, linear, size, kind, cpl);
    }
}
