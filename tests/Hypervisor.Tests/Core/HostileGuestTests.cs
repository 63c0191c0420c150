using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>
/// A kernel that tries anything with its memory: random and nearly valid page-table updates and calls. After each the counts are taken again
/// from scratch, and no frame may be mapped in a way its type forbids. The seed in a failure's message repeats it.
/// </summary>
public sealed class HostileGuestTests
{
    private const int Steps = 2000;
    private static readonly HypercallNumber[] AnyCall = [.. Enum.GetValues<HypercallNumber>().Where(n => n is not (HypercallNumber.iret or HypercallNumber.sched_op or HypercallNumber.sched_op_compat))];

    [Theory]
    [InlineData(XenRelease.V4_17, 64, 1)]
    [InlineData(XenRelease.V4_17, 64, 2)]
    [InlineData(XenRelease.V4_17, 32, 3)]
    [InlineData(XenRelease.V4_0, 64, 4)]
    [InlineData(XenRelease.V4_0, 32, 5)]
    public void Counts_and_types_hold_after_every_step(XenRelease release, int bits, int seed)
    {
        using DirectCalls guest = new(release, bits);
        Attacker attacker = new(guest, seed);
        PageCountAudit audit = new(guest.Domain);
        Assert.Null(audit.Check());
        HashSet<string> succeeded = [];
        for (int step = 0; step < Steps && !guest.Domain.IsShuttingDown; step++)
        {
            (string what, long result) = attacker.Step();
            if (result >= 0)
                succeeded.Add(what.Split(' ')[0]);
            string? wrong = audit.Check();
            Assert.True(wrong is null, $"seed {seed}, step {step}, after {what} = {result}: {wrong}");
        }

        // A generator whose calls are all refused shows nothing.
        Assert.All<string>(["mmu_update", "mmuext_op", "update_va_mapping", "memory_op"], name => Assert.Contains(name, succeeded));
    }

    [Fact]
    public void The_audit_sees_a_count_that_is_one_off()
    {
        using DirectCalls guest = new();
        guest.Xen.Frames[guest.Frames[6]].TypeCount++;
        Assert.Contains("recounted", new PageCountAudit(guest.Domain).Check(), StringComparison.Ordinal);
    }

    /// <summary>Its arguments lie in memory of the test's, for it saws off every branch that it sits on.</summary>
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

        public (string What, long Result) Step() => _random.Next(12) switch
        {
            0 or 1 or 2 or 3 => MmuUpdate(),
            4 or 5 or 6 => MmuextOp(),
            7 or 8 => UpdateVaMapping(),
            9 => Reservation(),
            10 => SetGdt(),
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
