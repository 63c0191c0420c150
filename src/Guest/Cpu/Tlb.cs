using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using XenSim.Guest.Memory;

namespace XenSim.Guest.Cpu;

/// <summary>
/// Translation cache: four sets (user; supervisor; supervisor with AC under SMAP; user with alignment checks) of 1024 direct-mapped entries. Everything unusual
/// is a tag that does not match: page-crossing, no permission, not yet dirty, shared with a snapshot, holds decoded code.
/// </summary>
// SAFETY: the sets are arrays of Entries, and every index is masked to that; a tag matches only while its page is live.
internal static unsafe class Tlb
{
    public const int Entries = 1024;
    public const int Sets = 4;
    private const ulong Invalid = 1;

    /// <summary>An address that no translation matches and that faults as outside its segment.</summary>
    public const ulong NoAddress = 0x8000_0000_0000_0001;

    /// <summary>Host address to read <paramref name="size"/> bytes at, or null with the fault recorded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Read(CpuState* s, ulong va, int size)
    {
        byte* found = FindRead(s, va, size);
        return found != null ? found : ReadSlow(s, va, size);
    }

    /// <summary>Host address to read at, or null: the slow way has to be taken.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* FindRead(CpuState* s, ulong va, int size)
    {
        TlbEntry* e = EntryOf(s, va);
        return e->ReadTag == ((va + (ulong)(size - 1)) & ~0xFFFul) ? (byte*)(va + e->Addend) : null;
    }

    /// <summary>Where a translation of this address is, if there is one. The shift is the one of the page and of the entry's 32 bytes in one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TlbEntry* EntryOf(CpuState* s, ulong va) => (TlbEntry*)((byte*)s->Tlb + ((va >> 7) & ((Entries - 1) << 5)));

    /// <summary>Host address to read and write at, or null: the slow way has to be taken. Needs no <see cref="Commit"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* FindWrite(CpuState* s, ulong va, int size)
    {
        TlbEntry* e = EntryOf(s, va);
        return e->WriteTag == ((va + (ulong)(size - 1)) & ~0xFFFul) ? (byte*)(va + e->Addend) : null;
    }

    /// <summary>Host address to read and write at, or null with the fault recorded. After writing, <see cref="Commit"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Modify(CpuState* s, ulong va, int size)
    {
        byte* found = FindWrite(s, va, size);
        return found != null ? found : ModifySlow(s, va, size);
    }

    /// <summary>Completes a write through <see cref="Modify"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Commit(CpuState* s, byte* written)
    {
        if (written == s->SplitBuffer)
            CommitSplit(s);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static byte* ReadSlow(CpuState* s, ulong va, int size)
    {
        int first = 4096 - (int)(va & 0xFFF);
        if (size <= first || va == NoAddress)
        {
            s->AccessSize = size;
            byte* whole = Fill(s, va, AccessKind.Read);
            return whole == null || s->CheckedAccess == 0 ? whole : Check(s, va, size, false, whole);
        }

        s->AccessSize = first;
        byte* a = Fill(s, va, AccessKind.Read);
        if (a == null)
            return null;
        s->AccessSize = size - first;
        byte* b = Fill(s, (va + (ulong)first) & s->LinearMask, AccessKind.Read);
        if (b == null || (s->CheckedAccess != 0 && Check(s, va, size, false, b) == null))
            return null;
        // SAFETY: size is at most 64, the buffer's length; a and b are pages with first and size - first bytes left.
        NativeMemory.Copy(a, s->SplitBuffer, (nuint)first);
        NativeMemory.Copy(b, s->SplitBuffer + first, (nuint)(size - first));
        return s->SplitBuffer;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static byte* ModifySlow(CpuState* s, ulong va, int size)
    {
        int first = 4096 - (int)(va & 0xFFF);
        if (size <= first || va == NoAddress)
        {
            byte* whole = FillWrite(s, va, size);
            return whole == null || s->CheckedAccess == 0 ? whole : Check(s, va, size, true, whole);
        }

        byte* a = FillWrite(s, va, first);
        if (a == null)
            return null;
        byte* b = FillWrite(s, (va + (ulong)first) & s->LinearMask, size - first);
        if (b == null || (s->CheckedAccess != 0 && Check(s, va, size, true, b) == null))
            return null;
        // SAFETY: as in ReadSlow.
        NativeMemory.Copy(a, s->SplitBuffer, (nuint)first);
        NativeMemory.Copy(b, s->SplitBuffer + first, (nuint)(size - first));
        s->SplitA = a;
        s->SplitB = b;
        s->SplitFirst = first;
        s->SplitSize = size;
        return s->SplitBuffer;
    }

    /// <summary>#AC, which comes after #PF (SDM vol. 3A, 6.15, interrupt 17), and data breakpoints. Null: a fault.</summary>
    private static byte* Check(CpuState* s, ulong va, int size, bool write, byte* host)
    {
        if ((s->CheckedAccess & Breakpoints.Alignment) != 0 && (size is 2 or 4 or 8) && (va & (ulong)(size - 1)) != 0)
        {
            Faults.Set(s, Vectors.Ac);
            return null;
        }

        if (s->DataBreakpoints != 0)
            Breakpoints.Touch(s, va, size, write);
        if (s->Watched != 0)
            Touch(s, CpuMode.SetIndex(s), va, size, write);
        return host;
    }

    /// <summary>Tells the debugger of an access whose pages have just been translated.</summary>
    private static void Touch(CpuState* s, int set, ulong va, int size, bool write)
    {
        DebugTraps traps = VirtualCpu.Of(s).Memory.Traps;
        ulong* frames = Frames(SetAt(s, set));
        int first = Math.Min(size, 4096 - (int)(va & 0xFFF));
        traps.Touch(s, va, frames[(va >> 12) & (Entries - 1)], first, write);
        if (first == size)
            return;
        ulong rest = (va + (ulong)first) & s->LinearMask;
        traps.Touch(s, rest, frames[(rest >> 12) & (Entries - 1)], size - first, write);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void CommitSplit(CpuState* s)
    {
        // SAFETY: set by ModifySlow in the same instruction.
        NativeMemory.Copy(s->SplitBuffer, s->SplitA, (nuint)s->SplitFirst);
        NativeMemory.Copy(s->SplitBuffer + s->SplitFirst, s->SplitB, (nuint)(s->SplitSize - s->SplitFirst));
    }

    /// <summary>Frame and host address of a page that code is verified in; -1 with the fault recorded.</summary>
    public static long Execute(CpuState* s, ulong va, out byte* host)
    {
        ulong index = (va >> 12) & (Entries - 1);
        s->VerifiedPages[index >> 6] |= 1ul << (int)(index & 63);
        TlbEntry* e = s->Tlb + index;
        if (e->ExecTag == (va & ~0xFFFul))
        {
            host = (byte*)(va + e->Addend);
            return (long)Frames(s->Tlb)[index];
        }

        s->AccessSize = 0;
        host = Fill(s, va, AccessKind.Execute);
        return host == null ? -1 : (long)Frames(s->Tlb)[index];
    }

    /// <summary>Forgets everything, and every verified code link.</summary>
    public static void Flush(CpuState* s)
    {
        for (int set = 0; set < Sets; set++)
        {
            if ((s->TlbUsed & (1u << set)) != 0)
                NativeMemory.Fill(SetAt(s, set), Entries * (nuint)sizeof(TlbEntry), 0x01);
        }

        s->TlbUsed = 0;
        s->TlbLarge = 0;
        CpuMode.NewEpoch(s);
        CpuMode.Select(s);
    }

    public static void Flush(CpuState* s, ulong va)
    {
        if ((s->TlbLarge & LargeRegion(va)) != 0)
        {
            Flush(s);
            return;
        }

        ulong index = (va >> 12) & (Entries - 1);
        for (int set = 0; set < Sets; set++)
            SetAt(s, set)[index] = new TlbEntry { ReadTag = Invalid, WriteTag = Invalid, ExecTag = Invalid };
        if ((s->VerifiedPages[index >> 6] & (1ul << (int)(index & 63))) != 0)
            CpuMode.NewEpoch(s);
    }

    /// <summary>4 MiB, the larger of the two sizes of a level-2 page.</summary>
    private static ulong LargeRegion(ulong va) => 1ul << (int)((va >> 22) & 63);

    /// <summary>Every access goes the slow way once; fetches are not concerned.</summary>
    public static void ForgetTags(CpuState* s)
    {
        for (int set = 0; set < Sets; set++)
        {
            TlbEntry* e = SetAt(s, set);
            for (int i = 0; i < Entries; i++)
                e[i].ReadTag = e[i].WriteTag = Invalid;
        }
    }

    /// <summary>The page now holds decoded code.</summary>
    public static void ClearWriteTags(CpuState* s, byte* page)
    {
        for (int set = 0; set < Sets; set++)
        {
            if ((s->TlbUsed & (1u << set)) == 0)
                continue;
            TlbEntry* e = SetAt(s, set);
            for (int i = 0; i < Entries; i++)
            {
                if (e[i].WriteTag + e[i].Addend == (ulong)page)
                    e[i].WriteTag = Invalid;
            }
        }
    }

    /// <summary>A set is its entries followed by their frame numbers.</summary>
    public static TlbEntry* SetAt(CpuState* s, int set) => (TlbEntry*)((byte*)s->TlbSets + (set * SetBytes));

    public const int SetBytes = Entries * (32 + 8);

    private static ulong* Frames(TlbEntry* set) => (ulong*)(set + Entries);

    /// <summary>
    /// Host address of an access of the processor itself, to a descriptor table, a TSS or a stack it switches to; null with the fault recorded.
    /// </summary>
    /// <param name="size">Does not leave the page.</param>
    /// <param name="cpl">The privilege level of the access, or <see cref="PageWalk.ImplicitSupervisor"/>.</param>
    public static byte* System(CpuState* s, ulong va, int size, AccessKind kind, int cpl)
    {
        int set = CpuMode.SetIndex(s, cpl);
        TlbEntry* e = SetAt(s, set) + ((va >> 12) & (Entries - 1));
        if ((kind == AccessKind.Write ? e->WriteTag : e->ReadTag) == (va & ~0xFFFul))
            return (byte*)(va + e->Addend);
        s->AccessSize = size;
        byte* host = kind == AccessKind.Write ? FillWrite(s, set, cpl, va, size) : Fill(s, set, cpl, va, kind);
        if (host != null && s->Watched != 0)
            Touch(s, set, va, size, kind == AccessKind.Write);
        return host;
    }

    private static byte* FillWrite(CpuState* s, ulong va, int size)
    {
        s->AccessSize = size;
        return FillWrite(s, CpuMode.SetIndex(s), s->Cpl, va, size);
    }

    private static byte* Fill(CpuState* s, ulong va, AccessKind kind) => Fill(s, CpuMode.SetIndex(s), s->Cpl, va, kind);

    private static byte* FillWrite(CpuState* s, int set, int cpl, ulong va, int size)
    {
        byte* host = Fill(s, set, cpl, va, AccessKind.Write);
        if (host == null)
            return null;
        ulong index = (va >> 12) & (Entries - 1);
        ulong frame = Frames(SetAt(s, set))[index];
        PhysicalMemory memory = VirtualCpu.Of(s).Memory;
        int firstLine = (int)(va & 0xFFF) >> 6;
        int lastLine = ((int)(va & 0xFFF) + size - 1) >> 6;
        ulong lines = (ulong.MaxValue << firstLine) & (ulong.MaxValue >> (63 - lastLine));
        memory.WritableData(frame, lines);
        // The page may be written the fast way only while it holds no code at all.
        bool fast = memory.FrameAt(frame)->CodeLines == 0 && (s->CheckedAccess == 0 || !Breakpoints.Guards(s, va & ~0xFFFul, frame));
        SetAt(s, set)[index].WriteTag = fast ? va & ~0xFFFul : Invalid;
        return host;
    }

    private static byte* Fill(CpuState* s, int set, int cpl, ulong va, AccessKind kind)
    {
        if (va == NoAddress || ((s->Efer & EferBits.Lma) != 0 && !Rip.IsCanonical(va)))
        {
            Faults.Set(s, Vectors.Address);
            return null;
        }

        VirtualCpu cpu = VirtualCpu.Of(s);
        if (!PageWalk.Walk(cpu, s, va, kind, cpl, true, out Translation t))
            return null;
        PhysicalMemory memory = cpu.Memory;
        byte* page = memory.ReadableData(t.Frame);
        ulong index = (va >> 12) & (Entries - 1);
        TlbEntry* e = SetAt(s, set) + index;
        ulong tag = va & ~0xFFFul;
        ulong addend = (ulong)page - tag;
        bool same = e->Addend == addend;
        if (!same || e->ReadTag != tag)
            e->ReadTag = Invalid;
        if (!same || e->WriteTag != tag)
            e->WriteTag = Invalid;
        if (!same || e->ExecTag != tag)
            e->ExecTag = Invalid;
        e->Addend = addend;
        if (kind == AccessKind.Execute)
            e->ExecTag = tag;
        else if (s->CheckedAccess == 0 || !Breakpoints.Guards(s, tag, t.Frame))
            e->ReadTag = tag;
        Frames(SetAt(s, set))[index] = t.Frame;
        s->TlbUsed |= 1u << set;
        if (t.Level > 1)
            s->TlbLarge |= t.Level > 2 ? ulong.MaxValue : LargeRegion(va);
        return (byte*)(va + addend);
    }
}
