using System.Text.RegularExpressions;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Hypervisor.Tests.Core;

namespace XenSim.Hypervisor.Tests.GrantTables;

/// <summary>
/// Two kernels that grant each other anything, map, copy, give away and overwrite it, and die of it now and then. After every step the counts of
/// all domains are taken again. The seed in a failure's message repeats it.
/// </summary>
public sealed class HostileGrantTests
{
    private const int Steps = 800;
    private const int LongSteps = 200_000;

    [Theory]
    [InlineData(XenRelease.V4_17, 64, 1)]
    [InlineData(XenRelease.V4_17, 64, 2)]
    [InlineData(XenRelease.V4_17, 32, 3)]
    [InlineData(XenRelease.V4_0, 64, 4)]
    [InlineData(XenRelease.V4_0, 32, 5)]
    public void Counts_hold_whatever_is_granted(XenRelease release, int bits, int seed)
    {
        HashSet<string> succeeded = Attack(release, bits, seed, Steps, auditEvery: 1);

        // A generator whose calls are all refused shows nothing.
        Assert.All<string>(["map", "unmap", "copy", "transfer", "set_version", "update_va_mapping", "foreign_update", "foreign_va", "foreign_mmuext"], name => Assert.Contains(name, succeeded));
    }

    /// <summary>The same for as long as one has patience.</summary>
    [Theory(Explicit = true)]
    [InlineData(XenRelease.V4_17, 64, 1000)]
    [InlineData(XenRelease.V4_17, 32, 2000)]
    [InlineData(XenRelease.V4_0, 64, 3000)]
    [InlineData(XenRelease.V4_0, 32, 4000)]
    public void Counts_hold_in_a_long_run(XenRelease release, int bits, int firstSeed)
    {
        const int each = 2000;
        for (int i = 0; i < LongSteps / each; i++)
            Attack(release, bits, firstSeed + i, each, auditEvery: 1);
    }

    /// <summary>The kinds of steps that succeeded. The second kernel may do to the first what a stub domain may to its target.</summary>
    private static HashSet<string> Attack(XenRelease release, int bits, int seed, int steps, int auditEvery)
    {
        using GrantPair pair = new(release, bits);

        // XEN_DOMCTL_set_target takes hardware guests only; the right over a PV one is the same.
        pair.User.Domain.Target = pair.Granter.Domain;
        Attackers attackers = new(pair, seed);
        HashSet<string> succeeded = [];
        bool miscounted = false;
        for (int step = 0; step < steps && !miscounted; step++)
        {
            (string what, bool good) = attackers.Step();
            if (good)
                succeeded.Add(what.Split(' ')[0]);
            foreach (Domain d in pair.Xen.Domains.Where(d => d.Id != DomainId.Dom0 && step % auditEvery == 0))
            {
                string? wrong = new PageCountAudit(d).Check();
                miscounted |= release == XenRelease.V4_0 && wrong is not null && HasAnotherType(wrong);
                Assert.True(wrong is null || miscounted, $"seed {seed}, step {step}, after {what}: {d.Id}: {wrong}");
            }

            if (pair.Granter.Domain.IsShuttingDown || pair.User.Domain.IsShuttingDown)
                break;
        }

        // Whichever dies first: in the end nothing is left, of neither.
        foreach (Domain d in new[] { pair.User.Domain, pair.Granter.Domain })
            Assert.Equal(XenErrno.None, pair.Host.Domctl(DomctlCommand.destroydomain, d.Id, new DomctlMaxMem()));
        Assert.Single(pair.Xen.Domains);
        return succeeded;
    }

    /// <summary>
    /// What 4.0.4 does to itself: it gives a type back by the kind of the handle, not by that of the entry which it clears. A mapping that was put where another of the same page had
    /// been, and is undone by that one's handle, leaves its type if it is the writable one, and takes one too many if it is not.
    /// Source: RELEASE-4.0.4 xen/common/grant_table.c: __gnttab_unmap_common_complete.
    /// </summary>
    private static bool HasAnotherType(string wrong) => Regex.IsMatch(wrong, @"PGT_writable_page.*: type count \d+, recounted \d+; general count (\d+), recounted \1$");

    /// <summary>Their arguments lie in memory of the test's: they may unmap what they stand on.</summary>
    private sealed class Attackers
    {
        private const ulong Arguments = ToolMemory.Base, More = ToolMemory.Base + 0x1000;
        private readonly ToolMemory _memory = new();
        private readonly DirectCalls[] _guests;
        private readonly List<(int Guest, uint Handle, ulong At, ulong Device)> _mapped = [];
        private readonly Random _random;

        public Attackers(GrantPair pair, int seed)
        {
            _guests = [pair.Granter, pair.User];
            _random = new Random(seed);
            GrantPair.SetupTable(pair.User, 1);
            foreach (DirectCalls guest in _guests)
                guest.Vcpu.Call.Memory = _memory;
        }

        public (string What, bool Good) Step() => _random.Next(20) switch
        {
            0 or 1 or 2 => WriteEntry(),
            3 or 4 or 5 or 6 => Map(),
            7 or 8 or 9 => Unmap(),
            10 or 11 => Copy(),
            12 => Transfer(),
            13 => SetVersion(),
            14 => Remap(),
            15 or 16 => ForeignUpdate(),
            17 => ForeignVa(),
            18 => ForeignReserve(),
            _ => Reserve(),
        };

        private static Span<byte> Table(DirectCalls guest) => guest.Xen.Memory.Writable(guest.Domain.GrantTable.Frames[0].Value);

        private int Any() => _random.Next(2);

        private ulong Place() => (ulong)_random.Next(8, 40) << 12;

        private Mfn Frame(DirectCalls guest) => _random.Next(8) switch
        {
            < 6 => guest.Frames[_random.Next(guest.Frames.Length)],
            6 => guest.Domain.GrantTable.Frames[0],
            _ => new Mfn((ulong)_random.Next(0x8100)),
        };

        private (string, bool) WriteEntry()
        {
            DirectCalls guest = _guests[Any()];
            ushort[] flags = [1, 1, 1, 5, 2, 3, 0x101, (ushort)_random.Next(1 << 16)];
            GrantEntryHeader header = new() { Flags = flags[_random.Next(flags.Length)], Domid = _guests[Any()].Domain.Id.Value };
            int reference = _random.Next(12);
            ulong frame = Frame(_guests[Any()]).Value;
            if (guest.Domain.GrantTable.Version == 2)
            {
                GrantEntryV2 entry = new() { FullPageHdr = header, FullPageFrame = frame };
                if (header.Flags == 3)
                    (entry.TransitiveTransDomid, entry.TransitiveGref) = (_guests[Any()].Domain.Id.Value, (uint)_random.Next(12));
                else
                    (entry.SubPagePageOff, entry.SubPageLength) = ((ushort)_random.Next(4096), (ushort)_random.Next(4096));
                Table(guest)[(reference * 16)..].WriteStruct(entry);
            }
            else
            {
                Table(guest)[(reference * 8)..].WriteStruct(new GrantEntryV1 { Flags = header.Flags, Domid = header.Domid, Frame = (uint)frame });
            }

            return ($"entry {guest.Domain.Id} {reference} {header.Flags:x} {header.Domid} {frame:x}", true);
        }

        private (string, bool) Map()
        {
            int g = Any();
            GrantMapFlags flags = (GrantMapFlags)_random.Next(1, _random.Next(4) == 0 ? 64 : 8);
            ulong at = (flags & GrantMapFlags.contains_pte) != 0 ? (_guests[g].Frames[_random.Next(5)].Value << 12) + ((ulong)_random.Next(8, 40) * 8) : Place();
            GnttabMapGrantRef op = new() { HostAddr = at, Flags = (uint)flags, Ref = (uint)_random.Next(12), Dom = _guests[Any()].Domain.Id.Value };
            _memory.TryWriteStruct(new VirtualAddress(Arguments), op);
            long result = _guests[g].Call(HypercallNumber.grant_table_op, (ulong)GrantTableOp.map_grant_ref, Arguments, 1);
            _memory.TryReadStruct(new VirtualAddress(Arguments), out op);
            bool good = result == 0 && op.Status == 0;
            if (good)
                _mapped.Add((g, op.Handle, at, op.DevBusAddr));
            return ($"map {_guests[g].Domain.Id} {flags} {op.Ref} of d{op.Dom} at {at:x} = {op.Status}", good);
        }

        private (string, bool) Unmap()
        {
            if (_mapped.Count == 0)
                return ("nothing", false);
            (int g, uint handle, ulong at, ulong device) = _mapped[_random.Next(_mapped.Count)];
            bool replace = _random.Next(6) == 0;
            if (_random.Next(8) == 0)
                at = Place();
            if (_random.Next(4) == 0)
                device = 0;
            if (replace)
                _memory.TryWriteStruct(new VirtualAddress(Arguments), new GnttabUnmapAndReplace { HostAddr = at, NewAddr = _random.Next(4) == 0 ? 0 : Place(), Handle = handle });
            else
                _memory.TryWriteStruct(new VirtualAddress(Arguments), new GnttabUnmapGrantRef { HostAddr = at, DevBusAddr = device, Handle = handle });
            long result = _guests[g].Call(HypercallNumber.grant_table_op, (ulong)(replace ? GrantTableOp.unmap_and_replace : GrantTableOp.unmap_grant_ref), Arguments, 1);
            _memory.TryReadStruct(new VirtualAddress(Arguments + 20), out short status);
            return ($"unmap {_guests[g].Domain.Id} {handle} at {at:x} device {device:x} replace {replace} = {status}", result == 0 && status == 0);
        }

        private (string, bool) Copy()
        {
            int g = Any();
            GnttabCopy op = new() { Flags = (ushort)_random.Next(4), SourceOffset = (ushort)_random.Next(2048), DestOffset = (ushort)_random.Next(2048), Len = (ushort)_random.Next(2200) };
            (op.SourceFrame, op.SourceDomid) = (op.Flags & 1) != 0 ? ((ulong)_random.Next(12), _guests[Any()].Domain.Id.Value) : (Frame(_guests[g]).Value, DomainId.Self.Value);

            // Not into tables of grants: what is written there is not what the test wrote.
            (op.DestFrame, op.DestDomid) = (op.Flags & 2) != 0 ? ((ulong)_random.Next(12), _guests[Any()].Domain.Id.Value) : (_guests[g].Frames[_random.Next(9, 16)].Value, DomainId.Self.Value);
            _memory.TryWriteRecord(new VirtualAddress(Arguments), _guests[g].Abi, op);
            long result = _guests[g].Call(HypercallNumber.grant_table_op, (ulong)GrantTableOp.copy, Arguments, 1);
            _memory.TryReadRecord(new VirtualAddress(Arguments), _guests[g].Abi, out op);
            return ($"copy {_guests[g].Domain.Id} {op.Flags} {op.SourceFrame:x} to {op.DestFrame:x} = {op.Status}", result == 0 && op.Status == 0);
        }

        private (string, bool) Transfer()
        {
            int g = Any();
            DirectCalls taker = _guests[1 - g];
            int page = _random.Next(10, 16);

            // Only a page that is mapped nowhere goes; it gets one chance.
            _guests[g].Call(HypercallNumber.update_va_mapping, (ulong)page << 12, 0, 0);
            if (taker.Domain.GrantTable.Version == 1)
                Table(taker)[(11 * 8)..].WriteStruct(new GrantEntryV1 { Flags = 2, Domid = _guests[g].Domain.Id.Value });
            _memory.TryWriteRecord(new VirtualAddress(Arguments), _guests[g].Abi, new GnttabTransfer { Mfn = _guests[g].Frames[page].Value, Domid = taker.Domain.Id.Value, Ref = 11 });
            long result = _guests[g].Call(HypercallNumber.grant_table_op, (ulong)GrantTableOp.transfer, Arguments, 1);
            _memory.TryReadRecord(new VirtualAddress(Arguments), _guests[g].Abi, out GnttabTransfer op);
            return ($"transfer {_guests[g].Domain.Id} {op.Mfn:x} = {op.Status}", result == 0 && op.Status == 0);
        }

        private (string, bool) SetVersion()
        {
            DirectCalls guest = _guests[Any()];
            _memory.TryWriteStruct(new VirtualAddress(Arguments), new GnttabSetVersion { Version = (uint)_random.Next(1, 3) });
            return ($"set_version {guest.Domain.Id}", guest.Call(HypercallNumber.grant_table_op, (ulong)GrantTableOp.set_version, Arguments, 1) == 0);
        }

        private (string, bool) Remap()
        {
            int g = Any();
            ulong va = Place(), entry = _random.Next(3) == 0 ? 0 : Pte.Make(Frame(_guests[Any()]).Value, _random.Next(2) == 0 ? 0x67u : 0x25u);
            long result = _guests[g].Abi == Abi.X64
                ? _guests[g].Call(HypercallNumber.update_va_mapping, va, entry, 0)
                : _guests[g].Call(HypercallNumber.update_va_mapping, va, (uint)entry, entry >> 32, 0);
            return ($"update_va_mapping {_guests[g].Domain.Id} {va:x} {entry:x} = {result}", result == 0);
        }

        /// <summary>The second writes entries that name frames of the first, or writes into the first's tables; now and then the first tries the same.</summary>
        private (string, bool) ForeignUpdate()
        {
            int g = _random.Next(8) == 0 ? 0 : 1;
            DirectCalls mine = _guests[g], other = _guests[1 - g];
            bool inTheirs = _random.Next(3) == 0;
            DirectCalls tables = inTheirs ? other : mine;
            ulong ptr = (tables.Frames[_random.Next(2, 5)].Value << 12) + ((ulong)_random.Next(8, 40) * 8);
            ulong val = _random.Next(4) == 0 ? 0 : Pte.Make(Frame(_guests[Any()]).Value, _random.Next(2) == 0 ? 0x67u : 0x25u);
            ulong foreign = other.Domain.Id.Value | (inTheirs ? (other.Domain.Id.Value + 1UL) << 16 : 0);
            _memory.TryWriteStruct(new VirtualAddress(Arguments), new MmuUpdate { Ptr = ptr, Val = val });
            long result = mine.Call(HypercallNumber.mmu_update, Arguments, 1, 0, foreign);
            return ($"foreign_update {mine.Domain.Id} {foreign:x} {ptr:x} {val:x} = {result}", result == 0);
        }

        private (string, bool) ForeignVa()
        {
            DirectCalls mine = _guests[1], other = _guests[0];
            ulong va = Place(), entry = Pte.Make(Frame(other).Value, _random.Next(2) == 0 ? 0x67u : 0x25u);
            long result = mine.Abi == Abi.X64
                ? mine.Call(HypercallNumber.update_va_mapping_otherdomain, va, entry, 0, other.Domain.Id.Value)
                : mine.Call(HypercallNumber.update_va_mapping_otherdomain, va, (uint)entry, entry >> 32, 0, other.Domain.Id.Value);
            return ($"foreign_va {va:x} {entry:x} = {result}", result == 0);
        }

        /// <summary>Memory of the first is given and taken by the second, and its tables are pinned.</summary>
        private (string, bool) ForeignReserve()
        {
            DirectCalls mine = _guests[1], other = _guests[0];
            if (_random.Next(2) == 0)
            {
                uint[] commands = [0, 1, 4, 4, 16];
                MmuextOp op = new() { Cmd = commands[_random.Next(commands.Length)], Arg1 = Frame(other).Value };
                _memory.TryWriteRecord(new VirtualAddress(Arguments), mine.Abi, op);
                long pinned = mine.Call(HypercallNumber.mmuext_op, Arguments, 1, 0, other.Domain.Id.Value);
                return ($"foreign_mmuext {op.Cmd} {op.Arg1:x} = {pinned}", pinned == 0);
            }

            MemoryOpCommand command = _random.Next(2) == 0 ? MemoryOpCommand.decrease_reservation : MemoryOpCommand.increase_reservation;
            _memory.TryWriteLong(new VirtualAddress(More), mine.Abi, other.Frames[_random.Next(9, 16)].Value);
            _memory.TryWriteRecord(new VirtualAddress(Arguments), mine.Abi, new MemoryReservation { ExtentStart = More, NrExtents = 1, Domid = other.Domain.Id.Value });
            return ($"foreign_reserve {command}", mine.Call(HypercallNumber.memory_op, (ulong)command, Arguments) == 1);
        }

        private (string, bool) Reserve()
        {
            DirectCalls guest = _guests[Any()];
            MemoryOpCommand command = _random.Next(2) == 0 ? MemoryOpCommand.decrease_reservation : MemoryOpCommand.increase_reservation;
            _memory.TryWriteLong(new VirtualAddress(More), guest.Abi, guest.Frames[_random.Next(9, 16)].Value);
            _memory.TryWriteRecord(new VirtualAddress(Arguments), guest.Abi, new MemoryReservation { ExtentStart = More, NrExtents = 1, Domid = DomainId.Self.Value });
            return ($"{command} {guest.Domain.Id}", guest.Call(HypercallNumber.memory_op, (ulong)command, Arguments) == 1);
        }
    }
}
