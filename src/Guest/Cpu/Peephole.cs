using XenSim.Guest.Cpu.Instructions.GeneralPurpose;

namespace XenSim.Guest.Cpu;

/// <summary>
/// Spares a block what nobody sees: flags that a later instruction of it sets again before any looks at them, faults or leaves; and the way from a
/// comparison to the conditional branch after it, or between two instructions that <see cref="Pairs"/> does in one. What may be left between any two
/// of its instructions (a copy cut short by the budget) has the handlers of before.
/// </summary>
// SAFETY: ops are the caller's draft, with as many slots as it says.
internal sealed unsafe class Peephole
{
    private const int Slots = BlockCache.MaxInstructions + 4;
    private readonly FlagUse[] _uses = new FlagUse[Slots];
    private readonly nint[] _flagless = new nint[Slots];
    private readonly nint[] _plain = new nint[Slots];
    private readonly PairPart[] _parts = new PairPart[Slots];
    private readonly bool[] _wide = new bool[Slots];
    private nint _fused;
    private int _fusedSlot;

    /// <summary>After <see cref="Apply"/>: the handlers that the ops had.</summary>
    public ReadOnlySpan<nint> Plain => _plain;

    /// <summary>Takes down what the instruction just translated does with flags, and whether it goes in one with the one before.</summary>
    /// <param name="slot">Its first.</param>
    public void Note(int slot, Translator t)
    {
        (_uses[slot], _flagless[slot]) = (t.Flags, (nint)t.Flagless);
        _parts[slot] = t.Part;
        _parts[slot + 1] = _parts[slot + 2] = PairPart.None;
        _wide[slot] = t.Part is > PairPart.None and < PairPart.Push && t.Size == 8;
        (_fused, _fusedSlot) = ((nint)t.FusedWithPrevious, slot - 1);
        // A second slot is a link; the slot after the last is the end of the block.
        (_uses[slot + 1], _flagless[slot + 1]) = (FlagUse.Seen, 0);
        (_uses[slot + 2], _flagless[slot + 2]) = (FlagUse.Seen, 0);
    }

    /// <summary>True: some handlers are others now.</summary>
    public bool Apply(Op* ops, int count)
    {
        bool any = false, seen = true;
        for (int i = count - 1; i >= 0; i--)
        {
            _plain[i] = (nint)ops[i].Handler;
            FlagUse use = _uses[i];
            if (!seen && _flagless[i] != 0)
            {
                ops[i].Handler = (delegate*<CpuState*, Op*, Block*>)_flagless[i];
                any = true;
                continue;
            }

            seen = use == FlagUse.Seen || (seen && use == FlagUse.Passed);
        }

        any |= Pair(ops, count);
        // A branch is the last instruction of its block.
        if (_fused == 0)
            return any;
        ops[_fusedSlot].Handler = (delegate*<CpuState*, Op*, Block*>)_fused;
        return true;
    }

    private bool Pair(Op* ops, int count)
    {
        bool any = false;
        for (int i = 0; i + 1 < count; i++)
        {
            PairPart first = _parts[i], second = _parts[i + 1];
            if (first == PairPart.None || second == PairPart.None || _wide[i] != _wide[i + 1] || !MayPair(ops, i, first) || !MayPair(ops, i + 1, second))
                continue;
            delegate*<CpuState*, Op*, Block*> both = Pairs.Select(ops + i, first, second, _wide[i]);
            if (both == null)
                continue;
            ops[i++].Handler = both;
            any = true;
        }

        return any;
    }

    private bool MayPair(Op* ops, int slot, PairPart part) => !Pairs.ReplacesFlags(part) || (nint)ops[slot].Handler == _flagless[slot];
}
