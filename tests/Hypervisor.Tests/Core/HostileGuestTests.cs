using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Traps;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>
/// A kernel that tries anything with its memory: random and nearly valid page-table updates and calls. After each the counts are taken again
/// from scratch, and no frame may be mapped in a way its type forbids. The seed in a failure's message repeats it.
/// </summary>
public sealed class HostileGuestTests
{
    private const int Steps = 2000;
    private const int LongSteps = 1_000_000;
    private static readonly HypercallNumber[] AnyCall = [.. Enum.GetValues<HypercallNumber>().Where(n => n is not (HypercallNumber.iret or HypercallNumber.sched_op or HypercallNumber.sched_op_compat))];

    [Theory]
    [InlineData(XenRelease.V4_17, 64, 1)]
    [InlineData(XenRelease.V4_17, 64, 2)]
    [InlineData(XenRelease.V4_17, 32, 3)]
    [InlineData(XenRelease.V4_0, 64, 7)]
    [InlineData(XenRelease.V4_0, 32, 5)]
    public void Counts_and_types_hold_after_every_step(XenRelease release, int bits, int seed)
    {
        HashSet<string> succeeded = Attack(release, bits, seed, Steps, auditEvery: 1);

        // A generator whose calls are all refused shows nothing.
        string[] expected = ["mmu_update", "mmuext_op", "update_va_mapping", "memory_op", "update_descriptor", "store", "set_ldt", "ldt", .. bits == 64 ? ["user_base"] : Array.Empty<string>()];
        Assert.All(expected, name => Assert.Contains(name, succeeded));
    }

    /// <summary>
    /// The same for as long as one has patience, four million steps with an audit after each: a seed goes 5000 steps, for a domain that has lost its tables can do little.
    /// </summary>
    [Theory(Explicit = true)]
    [InlineData(XenRelease.V4_17, 64, 1000)]
    [InlineData(XenRelease.V4_17, 32, 2000)]
    [InlineData(XenRelease.V4_0, 64, 3000)]
    [InlineData(XenRelease.V4_0, 32, 4000)]
    public void Counts_and_types_hold_in_a_long_run(XenRelease release, int bits, int firstSeed)
    {
        const int each = 5000;
        for (int i = 0; i < LongSteps / each; i++)
            Attack(release, bits, firstSeed + i, each, auditEvery: 1);
    }

    /// <summary>The kinds of steps that succeeded.</summary>
    private static HashSet<string> Attack(XenRelease release, int bits, int seed, int steps, int auditEvery)
    {
        using DirectCalls guest = new(release, bits);
        Attacker attacker = new(guest, seed);
        PageCountAudit audit = new(guest.Domain);
        Assert.Null(audit.Check());
        HashSet<string> succeeded = [];
        for (int step = 0; step < steps && !guest.Domain.IsShuttingDown; step++)
        {
            (string what, long result) = attacker.Step();
            if (result >= 0)
                succeeded.Add(what.Split(' ')[0]);
            string? wrong = step % auditEvery == 0 ? audit.Check() : null;
            if (wrong is not null && release == XenRelease.V4_0 && MapsATableWritable(guest.Domain))
                break;
            Assert.True(wrong is null, $"seed {seed}, step {step}, after {what} = {result}: {wrong}");
        }

        return succeeded;
    }

    [Fact]
    public void The_audit_sees_a_count_that_is_one_off()
    {
        using DirectCalls guest = new();
        guest.Xen.Frames[guest.Frames[6]].TypeCount++;
        Assert.Contains("recounted", new PageCountAudit(guest.Domain).Check(), StringComparison.Ordinal);
    }

    /// <summary>Its arguments lie in memory of the test's, for it saws off every branch that it sits on.</summary>
    /// <summary>
    /// XSA-182, open in 4.0.4 and so here: l?e_has_changed does not look at _PAGE_RW, and a table that maps itself or its like read-only becomes writable by a second
    /// update. From then on a guest does with its tables what it likes.
    /// </summary>
    private static bool MapsATableWritable(Domain d) => d.Xen.Frames.OwnedBy(d).Any(table =>
    {
        PageType type = d.Xen.Frames[table].Type;
        return type is PageType.PGT_l2_page_table or PageType.PGT_l3_page_table or PageType.PGT_l4_page_table && Enumerable.Range(0, Pte.EntriesPerTable).Any(slot =>
        {
            ulong entry = d.Xen.PageTypes.ReadEntry(table, slot);
            Mfn mfn = new(Pte.FrameOf(entry));
            return (entry & (Pte.Present | Pte.Writable)) == (Pte.Present | Pte.Writable) && d.Xen.Frames.IsValid(mfn) && d.Xen.Frames[mfn].Type == type;
        });
    });

    private sealed class Attacker
    {
        private const ulong Arguments = ToolMemory.Base, Extents = ToolMemory.Base + 0x100;
        private readonly DirectCalls _guest;
        private readonly ToolMemory _memory = new();
        private readonly Random _random;

        public Attacker(DirectCalls attacked, int seed)
        {
            _guest = attacked;
            _random = new Random(seed);
            _guest.Vcpu.Call.Memory = _guest.Vcpu.MulticallCall.Memory = _memory;
        }

        public (string What, long Result) Step() => _random.Next(17) switch
        {
            0 or 1 or 2 or 3 => MmuUpdate(),
            4 or 5 or 6 => MmuextOp(),
            7 or 8 => UpdateVaMapping(),
            9 => Reservation(),
            10 => SetGdt(),
            11 or 12 => SetLdt(),
            13 => TouchLdt(),
            14 => UpdateDescriptor(),
            15 => Store(),
            16 when _guest.Abi == Abi.X64 => UserBase(),
            _ => Anything(),
        };

        private (string, long) MmuUpdate()
        {
            Mfn table = Frame();
            ulong ptr = (table.Value << 12) | ((ulong)_random.Next(_random.Next(2) == 0 ? 16 : 512) * 8) | (_random.Next(8) == 0 ? (ulong)_random.Next(8) : 0);
            ulong val = Entry();
            _memory.TryWriteStruct(new VirtualAddress(Arguments), new MmuUpdate { Ptr = ptr, Val = val });
            return ($"mmu_update {ptr:x} {val:x}", _guest.Call(HypercallNumber.mmu_update, Arguments, 1, 0, DomainId.Self.Value));
        }

        private (string, long) MmuextOp()
        {
            uint[] commands = [0, 1, 2, 3, 4, 4, 4, 5, 6, 7, 15, 16, 17, (uint)_random.Next(24)];
            uint command = commands[_random.Next(commands.Length)];
            MmuextOp op = new() { Cmd = command, Arg1 = Frame().Value, Arg2 = Frame().Value };
            _memory.TryWriteRecord(new VirtualAddress(Arguments), _guest.Abi, op);
            return ($"mmuext_op {command} {op.Arg1:x} {op.Arg2:x}", _guest.Call(HypercallNumber.mmuext_op, Arguments, 1, 0, DomainId.Self.Value));
        }

        private (string, long) UpdateVaMapping()
        {
            // The pages that this kernel stands on stay mapped, or the rest of the run would only be refused.
            ulong va = (ulong)_random.Next(8, 20) << 12;
            ulong entry = Entry();
            string what = $"update_va_mapping {va:x} {entry:x}";
            return (what, _guest.Abi == Abi.X64
                ? _guest.Call(HypercallNumber.update_va_mapping, va, entry, (ulong)_random.Next(3))
                : _guest.Call(HypercallNumber.update_va_mapping, va, (uint)entry, entry >> 32, (ulong)_random.Next(3)));
        }

        private (string, long) Reservation()
        {
            MemoryOpCommand[] commands = [MemoryOpCommand.increase_reservation, MemoryOpCommand.decrease_reservation, MemoryOpCommand.populate_physmap];
            MemoryOpCommand command = commands[_random.Next(commands.Length)];
            _memory.TryWriteLong(new VirtualAddress(Extents), _guest.Abi, Frame().Value);
            _memory.TryWriteRecord(new VirtualAddress(Arguments), _guest.Abi, new MemoryReservation { ExtentStart = Extents, NrExtents = 1, ExtentOrder = (uint)_random.Next(2), Domid = DomainId.Self.Value });
            return ($"memory_op {command}", _guest.Call(HypercallNumber.memory_op, (ulong)command, Arguments));
        }

        private (string, long) SetGdt()
        {
            _memory.TryWriteLong(new VirtualAddress(Arguments), _guest.Abi, Frame().Value);
            return ("set_gdt", _guest.Call(HypercallNumber.set_gdt, Arguments, (ulong)_random.Next(600)));
        }

        private (string, long) SetLdt()
        {
            // A table must be read-only to be one: half of the time it is made so.
            int page = _random.Next(8, 16);
            ulong va = (ulong)page << 12;
            if (_random.Next(2) == 0)
                Map(va, Pte.Make(_guest.Frames[page].Value, 0x25));
            uint[] sizes = [0, 8, 512, 513, 1024, 8192, (uint)_random.Next(9000)];
            MmuextOp op = new() { Cmd = (uint)MmuextCommand.SET_LDT, Arg1 = _random.Next(16) == 0 ? (ulong)_random.NextInt64() : va, Arg2 = sizes[_random.Next(sizes.Length)] };
            _memory.TryWriteRecord(new VirtualAddress(Arguments), _guest.Abi, op);
            return ($"set_ldt {op.Arg1:x} {op.Arg2}", _guest.Call(HypercallNumber.mmuext_op, Arguments, 1, 0, DomainId.Self.Value));
        }

        /// <summary>A selector of the LDT is looked at: its page comes in, on the kernel's or the user's tables.</summary>
        private (string, long) TouchLdt()
        {
            Vcpu v = _guest.Vcpu;
            if (_random.Next(2) == 0)
                SetLdt();
            ushort selector = (ushort)(4 | _random.Next(_random.Next(2) == 0 ? 1 << 16 : 1 << 6));
            bool asUser = v.GuestTableUser != Mfn.Invalid && _random.Next(2) == 0;
            if (asUser)
                GuestBounce.ToggleMode(v);
            bool there = GuestSegments.TryReadDescriptor(v, selector, out _);
            if (asUser)
                GuestBounce.ToggleMode(v);
            return ($"ldt {selector:x} {asUser}", there ? 0 : -1);
        }

        private (string, long) UpdateDescriptor()
        {
            ulong machine = (Frame().Value << 12) | ((ulong)_random.Next(512) * 8) | (_random.Next(16) == 0 ? 4u : 0u);
            ulong descriptor = Descriptor();
            return ($"update_descriptor {machine:x} {descriptor:x}", _guest.Abi == Abi.X64
                ? _guest.Call(HypercallNumber.update_descriptor, machine, descriptor)
                : _guest.Call(HypercallNumber.update_descriptor, (uint)machine, machine >> 32, (uint)descriptor, descriptor >> 32));
        }

        /// <summary>What its own page tables let it write: a translation that has outlived its page's type would show.</summary>
        private (string, long) Store()
        {
            ulong at = ((ulong)_random.Next(0, 20) << 12) | ((ulong)_random.Next(512) * 8);
            ulong value = _random.Next(2) == 0 ? Entry() : Descriptor();
            return ($"store {at:x} {value:x}", _guest.Vcpu.Memory.TryWriteStruct(new VirtualAddress(at), value) ? 0 : -1);
        }

        private (string, long) UserBase()
        {
            // An empty page becomes an L4 if nobody can write to it.
            int page = _random.Next(8, 16);
            if (_random.Next(2) == 0)
                Map((ulong)page << 12, Pte.Make(_guest.Frames[page].Value, 0x25));
            ulong[] frames = [0, _guest.Frames[0].Value, _guest.Frames[page].Value, _guest.Frames[page].Value, Frame().Value];
            MmuextOp op = new() { Cmd = (uint)MmuextCommand.NEW_USER_BASEPTR, Arg1 = frames[_random.Next(frames.Length)] };
            _memory.TryWriteRecord(new VirtualAddress(Arguments), _guest.Abi, op);
            return ($"user_base {op.Arg1:x}", _guest.Call(HypercallNumber.mmuext_op, Arguments, 1, 0, DomainId.Self.Value));
        }

        private long Map(ulong va, ulong entry) => _guest.Abi == Abi.X64
            ? _guest.Call(HypercallNumber.update_va_mapping, va, entry, 0)
            : _guest.Call(HypercallNumber.update_va_mapping, va, (uint)entry, entry >> 32, 0);

        private ulong Descriptor() => _random.Next(6) switch
        {
            0 => 0x00CF_FB00_0000_FFFF,
            1 => 0x00CF_F300_0000_FFFF,
            2 => 0x0000_EC00_0000_0000 | ((ulong)_random.Next(1 << 16) << 16),
            3 => (ulong)_random.NextInt64(),
            _ => 0,
        };

        /// <summary>Any call with numbers as arguments that may be addresses, frames or commands.</summary>
        private (string, long) Anything()
        {
            HypercallNumber number = AnyCall[_random.Next(AnyCall.Length)];
            ulong[] a = new ulong[4];
            for (int i = 0; i < a.Length; i++)
                a[i] = _random.Next(4) switch { 0 => (ulong)_random.Next(64), 1 => Arguments, 2 => Frame().Value, _ => (ulong)_random.NextInt64() };

            // A call whose second argument is a count gets a small one: the work is the guest's to ask for, the test's time is not.
            a[1] = Math.Min(a[1], a[1] == Arguments ? a[1] : 64);
            return ($"{number} {string.Join(' ', a.Select(v => v.ToString("x", null)))}", _guest.Call(number, a[0], a[1], a[2], a[3]));
        }

        private Mfn Frame() => _random.Next(10) switch
        {
            < 5 => _guest.Frames[_random.Next(_random.Next(2) == 0 ? 4 : _guest.Frames.Length)],
            < 8 => _guest.Frames[_random.Next(8, _guest.Frames.Length)],
            8 => new Mfn((ulong)_random.Next(0x8000)),
            _ => new Mfn((ulong)_random.NextInt64()),
        };

        private ulong Entry()
        {
            ulong flags = _random.Next(4) switch { 0 => 0x67, 1 => 0x25, 2 => (ulong)_random.Next(0x400), _ => 0 };
            return Pte.Make(Frame().Value & 0xFF_FFFF, flags | (_random.Next(10) == 0 ? Pte.NoExecute : 0));
        }
    }
}
