using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Tests.Core;

namespace XenSim.Hypervisor.Tests.Memory;

/// <summary>
/// A request that the page-type rules refuse says which rule, in the event, with Xen's errno. Rules, numbers and the words in quotation marks of the
/// messages: RELEASE-4.0.4 and RELEASE-4.17.0 xen/arch/x86/mm.c, functions as named at each row.
/// </summary>
public sealed class RefusalReasonTests
{
    private const ulong Ro = Pte.Present | Pte.User | Pte.Accessed;
    private const ulong Rw = Ro | Pte.Writable;

    /// <summary>One thing that a kernel tries. The frames are those of <see cref="DirectCalls"/>: 0 to 3 are L4 to L1 (32 bits: L3, L2, L2, L1), 6 to 15 plain.</summary>
    private static readonly Dictionary<string, Func<DirectCalls, XenErrno>> Attempts = new()
    {
        // get_page_from_l1e
        ["L1: cache flag"] = g => Update(g, 3, 20, Pte.Make(g.Frames[9].Value, Ro | Pte.Pcd)),
        ["L1: writable mapping of a table"] = g => Update(g, 3, 20, Pte.Make(g.Frames[3].Value, Rw)),
        ["L1: nobody's frame"] = g => Update(g, 3, 20, Pte.Make(Unowned(g), Ro)),
        ["L1: I/O memory"] = g => Update(g, 3, 20, Pte.Make(0xFEE00, Ro)),

        // get_page_from_l2e, get_page_from_l3e, get_page_from_l4e
        ["L2: superpage"] = g => Update(g, Level(g, 2), 5, Pte.Make(g.Frames[9].Value, Ro | Pte.PageSize)),
        ["L2: linear and writable"] = g => Update(g, Level(g, 2), 5, Pte.Make(g.Frames[Level(g, 2)].Value, Rw)),
        ["L2: a page that is mapped writable"] = g => Update(g, Level(g, 2), 5, Pte.Make(g.Frames[9].Value, Rw)),
        ["L2: nobody's frame"] = g => Update(g, Level(g, 2), 5, Pte.Make(Unowned(g), Rw)),
        ["L3: global"] = g => Update(g, Level(g, 3), 1, Pte.Make(g.Frames[9].Value, Ro | Pte.Global)),
        ["L4: linear and writable"] = g => Update(g, 0, 5, Pte.Make(g.Frames[0].Value, Rw)),

        // mod_l2_entry, mod_l3_entry, mod_l4_entry
        ["L4: Xen's slot"] = g => Update(g, 0, 256, Pte.Make(g.Frames[1].Value, Rw)),
        ["PAE L3: slot 3 of a live table"] = g => Update(g, 0, 3, Pte.Make(g.Frames[2].Value, Pte.Present)),
        ["PAE L2: Xen's slot"] = g => Update(g, 2, 511, Pte.Make(g.Frames[3].Value, Rw)),

        // do_mmu_update
        ["another's table"] = g => MmuUpdate(g, Unowned(g) << 12, 0),
        ["unknown command"] = g => MmuUpdate(g, g.Frames[3].Value << 12 | 7, 0),
        ["machphys of another's"] = g => MmuUpdate(g, Unowned(g) << 12 | 1, 5),

        // get_pg_owner
        ["itself as foreign domain"] = g => MmuUpdate(g, g.Frames[3].Value << 12, 0, g.Domain.Id.Value),

        // do_mmuext_op, get_page_type
        ["pin: pinned already"] = g => Mmuext(g, g.Abi == Abi.X64 ? MmuextCommand.PIN_L4_TABLE : MmuextCommand.PIN_L3_TABLE, g.Frames[0]),
        ["pin: nobody's frame"] = g => Mmuext(g, MmuextCommand.PIN_L1_TABLE, new Mfn(Unowned(g))),
        ["pin: mapped writable"] = g => Mmuext(g, MmuextCommand.PIN_L1_TABLE, g.Frames[9]),
        ["unpin: not pinned"] = g => Mmuext(g, MmuextCommand.UNPIN_TABLE, g.Frames[9]),
        ["unpin: nobody's frame"] = g => Mmuext(g, MmuextCommand.UNPIN_TABLE, new Mfn(Unowned(g))),
        ["unknown mmuext_op"] = g => Mmuext(g, (MmuextCommand)14, g.Frames[9]),
        ["copy from nobody's frame"] = g => Mmuext(g, MmuextCommand.COPY_PAGE, g.Frames[9], new Mfn(Unowned(g))),
        ["clear a table"] = g => Mmuext(g, MmuextCommand.CLEAR_PAGE, g.Frames[3]),

        // alloc_l1_table and its kin, on a table that is validated as a whole
        ["table with a bad entry"] = PinBadTable,
        ["PAE L3 without slot 3"] = g => PinPae(g, 0, 0),
        ["PAE L3 whose slot 3 is shared"] = g => PinPae(g, g.Frames[10].Value, g.Frames[10].Value),

        // alloc_segdesc_page
        ["GDT with a TSS"] = BadGdt,
    };

    [Theory]
    [InlineData("L1: cache flag", XenErrno.EINVAL, XenErrno.EINVAL, "Bad L1 flags 10")]
    [InlineData("L1: writable mapping of a table", XenErrno.EINVAL, XenErrno.EBUSY, "Bad type (saw PGT_l1_page_table", "PGT_writable_page")]
    [InlineData("L1: writable mapping of a table", XenErrno.EINVAL, XenErrno.EBUSY, "Error getting mfn", "from L1 entry")]
    [InlineData("L1: nobody's frame", XenErrno.EINVAL, XenErrno.EBUSY, "Error getting mfn", "pg_owner=")]
    [InlineData("L1: I/O memory", XenErrno.EINVAL, XenErrno.EPERM, "attempt to map I/O space 000fee00")]
    [InlineData("L2: linear and writable", XenErrno.EINVAL, XenErrno.EINVAL, "Attempt to create linear p.t. with write perms")]
    [InlineData("L2: a page that is mapped writable", XenErrno.EINVAL, XenErrno.EINVAL, "Bad type (saw PGT_writable_page", "!= exp PGT_l1_page_table")]
    [InlineData("L2: nobody's frame", XenErrno.EINVAL, XenErrno.EINVAL, "does not belong to d")]
    [InlineData("L3: global", XenErrno.EINVAL, XenErrno.EINVAL, "Bad L3 flags 100")]
    [InlineData("L4: linear and writable", XenErrno.EINVAL, XenErrno.EINVAL, "Attempt to create linear p.t. with write perms")]
    [InlineData("L4: Xen's slot", XenErrno.EINVAL, XenErrno.EINVAL, "Illegal L4 update attempt in Xen-private area")]
    [InlineData("PAE L3: slot 3 of a live table", XenErrno.EINVAL, XenErrno.EINVAL, "slot 3 of a live PAE L3")]
    [InlineData("PAE L2: Xen's slot", XenErrno.EINVAL, XenErrno.EPERM, "Illegal L2 update attempt in Xen-private area")]
    [InlineData("another's table", XenErrno.EINVAL, XenErrno.EINVAL, "Could not get page for normal update")]
    [InlineData("unknown command", XenErrno.ENOSYS, XenErrno.ENOSYS, "Invalid page update command 7")]
    [InlineData("machphys of another's", XenErrno.EINVAL, XenErrno.EINVAL, "Could not get page for mach->phys update")]
    [InlineData("itself as foreign domain", XenErrno.ESRCH, XenErrno.ESRCH, "Cannot specify itself as foreign domain")]
    [InlineData("pin: pinned already", XenErrno.EINVAL, XenErrno.EINVAL, "already pinned")]
    [InlineData("pin: nobody's frame", XenErrno.EINVAL, XenErrno.EINVAL, "does not belong to d")]
    [InlineData("pin: mapped writable", XenErrno.EINVAL, XenErrno.EINVAL, "Bad type (saw PGT_writable_page", "!= exp PGT_l1_page_table")]
    [InlineData("unpin: not pinned", XenErrno.EINVAL, XenErrno.EINVAL, "not pinned")]
    [InlineData("unpin: nobody's frame", XenErrno.EINVAL, XenErrno.EINVAL, "bad domain")]
    [InlineData("unknown mmuext_op", XenErrno.ENOSYS, XenErrno.ENOSYS, "Invalid extended pt command 0xe")]
    [InlineData("copy from nobody's frame", XenErrno.EINVAL, XenErrno.EINVAL, "Error while copying from mfn")]
    [InlineData("clear a table", XenErrno.EINVAL, XenErrno.EINVAL, "Bad type (saw PGT_l1_page_table", "!= exp PGT_writable_page")]
    [InlineData("table with a bad entry", XenErrno.EINVAL, XenErrno.EINVAL, "Failure in alloc_l1_table: slot 0x7")]
    [InlineData("PAE L3 without slot 3", XenErrno.EINVAL, XenErrno.EINVAL, "Failure in alloc_l3_table: slot 0x3")]
    [InlineData("GDT with a TSS", XenErrno.EINVAL, XenErrno.EINVAL, "bad descriptor 0000890000000067 in entry 3")]
    public void A_refusal_names_the_rule(string attempt, XenErrno in40, XenErrno in417, params string[] words)
    {
        foreach (XenRelease release in new[] { XenRelease.V4_0, XenRelease.V4_17 })
        {
            foreach (int bits in new[] { 32, 64 })
            {
                bool ofOneWidth = attempt.StartsWith("PAE", StringComparison.Ordinal) ? bits == 64 : attempt.StartsWith("L4", StringComparison.Ordinal) && bits == 32;
                if (ofOneWidth)
                    continue;
                using DirectCalls guest = new(release, bits);
                guest.Host.Recorder.Events.Clear();
                Assert.Equal(release == XenRelease.V4_0 ? in40 : in417, Attempts[attempt](guest));
                List<string> reasons = [.. guest.Host.Recorder.Events.OfType<PageTypeRefused>().Select(r => r.Reason)];
                Assert.True(reasons.Exists(r => Array.TrueForAll(words, w => r.Contains(w, StringComparison.Ordinal))), $"{release}, {bits} bits: {string.Join(" | ", reasons)}");
            }
        }
    }

    /// <summary>An L2 entry of 2 MiB: 4.17 counts PSE among the bad flags, 4.0 asks for allowhugepage.</summary>
    [Theory]
    [InlineData(XenRelease.V4_0, "attempt to map superpage without allowsuperpage flag")]
    [InlineData(XenRelease.V4_17, "Bad L2 flags 80")]
    public void A_superpage_is_refused_in_the_releases_words(XenRelease release, string words)
    {
        using DirectCalls guest = new(release);
        Assert.Equal(XenErrno.EINVAL, Attempts["L2: superpage"](guest));
        Assert.Contains(guest.Host.Recorder.Events.OfType<PageTypeRefused>(), r => r.Reason.Contains(words, StringComparison.Ordinal));
    }

    /// <summary>create_pae_xen_mappings wants the L2 of slot 3 for itself; that it cannot be typed for two kinds of slot comes first.</summary>
    [Theory]
    [InlineData(XenRelease.V4_0)]
    [InlineData(XenRelease.V4_17)]
    public void A_PAE_table_does_not_share_the_L2_of_its_last_slot(XenRelease release)
    {
        using DirectCalls guest = new(release, 32);
        Assert.Equal(XenErrno.EINVAL, Attempts["PAE L3 whose slot 3 is shared"](guest));
        Assert.Contains(guest.Host.Recorder.Events.OfType<PageTypeRefused>(), r => r.Reason.Contains("Bad type (saw PGT_l2_page_table", StringComparison.Ordinal));
    }

    /// <summary>Frame of the domain's table of a level.</summary>
    private static int Level(DirectCalls g, int level) => g.Abi == Abi.X64 ? 4 - level : 3 - level;

    private static ulong Unowned(DirectCalls g) => g.Xen.Frames.MaxPage - 2;

    private static XenErrno Update(DirectCalls g, int table, int slot, ulong entry) => MmuUpdate(g, (g.Frames[table].Value << 12) + ((ulong)slot * 8), entry);

    private static XenErrno MmuUpdate(DirectCalls g, ulong ptr, ulong val, ushort? foreign = null)
    {
        g.Write(DirectCalls.Arguments, new MmuUpdate { Ptr = ptr, Val = val });
        return g.Errno(HypercallNumber.mmu_update, DirectCalls.Arguments, 1, 0, foreign ?? DomainId.Self.Value);
    }

    private static XenErrno Mmuext(DirectCalls g, MmuextCommand command, Mfn first, Mfn second = default)
    {
        g.WriteRecord(DirectCalls.Arguments, new MmuextOp { Cmd = (uint)command, Arg1 = first.Value, Arg2 = second.Value });
        return g.Errno(HypercallNumber.mmuext_op, DirectCalls.Arguments, 1, 0, DomainId.Self.Value);
    }

    private static XenErrno PinBadTable(DirectCalls g)
    {
        Fill(g, 9, 7, Pte.Make(g.Frames[10].Value, Ro | Pte.Pwt));
        return Mmuext(g, MmuextCommand.PIN_L1_TABLE, g.Frames[9]);
    }

    private static XenErrno PinPae(DirectCalls g, ulong first, ulong last)
    {
        Fill(g, 10, 0, 0);
        if (first != 0)
            GuestRunTests.Set(g.Host, g.Frames[9], 0, Pte.Make(first, Pte.Present));
        Fill(g, 9, 3, last == 0 ? 0 : Pte.Make(last, Pte.Present));
        return Mmuext(g, MmuextCommand.PIN_L3_TABLE, g.Frames[9]);
    }

    private static XenErrno BadGdt(DirectCalls g)
    {
        Fill(g, 9, 3, 0x0000_8900_0000_0067);
        if (g.Abi == Abi.X64)
            g.Write(DirectCalls.Arguments, g.Frames[9].Value);
        else
            g.Write(DirectCalls.Arguments, (uint)g.Frames[9].Value);
        return g.Errno(HypercallNumber.set_gdt, DirectCalls.Arguments, 8);
    }

    /// <summary>Writes one word of a page and takes the writable mapping away, as a kernel must before the page can be a table.</summary>
    private static void Fill(DirectCalls g, int page, int slot, ulong word)
    {
        GuestRunTests.Set(g.Host, g.Frames[page], slot, word);
        Assert.Equal(XenErrno.None, Update(g, 3, page, Pte.Make(g.Frames[page].Value, Ro)));
    }
}
