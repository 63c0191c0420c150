using System.Buffers.Binary;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using static Iced.Intel.AssemblerRegisters;
using A = XenSim.Simulator.BuiltInGuests.HypercallArgument;
using R = XenSim.Simulator.BuiltInGuests.GuestRegister;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>What the PV kernels try on demand. Its exceptions come by set_trap_table.</summary>
internal sealed class PvTrials(GuestAssembler g, GuestRuntime runtime, ulong hypercallPage, ulong virtualBase, ulong startInfo, ulong sharedInfo)
{
    private const byte Breakpoint = 3;
    private const byte InvalidOpcode = 6;
    private const byte GeneralProtection = 13;

    /// <summary>Source: xen/include/public/arch-x86/xen-x86_64.h, xen-x86_32.h: FLAT_KERNEL_CS64, FLAT_RING1_CS.</summary>
    private const ushort KernelCode64 = 0xe033, KernelCode32 = 0xe019;

    /// <summary>struct xen_domctl of 4.0 is 128 bytes behind its header, that of 4.17 too. Source: xen/include/public/domctl.h.</summary>
    private const int DomctlHeader = 16, DomctlSize = DomctlHeader + 128;

    /// <summary>Above the memory of any machine there is, and below what a 32-bit word holds.</summary>
    private const uint NoFrame = 0x0fff_ffff;

    private static readonly DomainId NoDomain = new(0x7000);

    private readonly ulong frameRcx = g.Data.Reserve(8), frameR11 = g.Data.Reserve(8), frameCs = g.Data.Reserve(8), frameMask = g.Data.Reserve(8);

    private readonly GuestGuard guard = new(g, runtime);

    /// <summary>What needs shared_info, so that it comes after the usual programme.</summary>
    public static bool IsLate(GuestTrial trial) => trial is GuestTrial.BounceFrame or GuestTrial.BlockPending;

    public void EmitLate(IReadOnlyList<GuestTrial> tries)
    {
        foreach (GuestTrial trial in tries)
            Emit(trial);
    }

    public void Emit(IReadOnlyList<GuestTrial> tries)
    {
        SetTrapTable();
        foreach (GuestTrial trial in tries)
            Emit(trial);
    }

    public void EmitHandlers()
    {
        guard.EmitHandlers(InvalidOpcode, GeneralProtection);
        EmitBreakpoint();
    }

    private void Emit(GuestTrial trial)
    {
        switch (trial)
        {
            case GuestTrial.HypercallMsrIndex:
                WriteMsr("a page index in the hypercall MSR", 0x40000000, hypercallPage + 1);
                break;
            case GuestTrial.HypercallMsrFrame:
                WriteMsr("a bad frame in the hypercall MSR", 0x40000000, 0xfffff000);
                break;
            case GuestTrial.UnknownXenMsr:
                WriteMsr("an MSR of Xen's that is none", 0x40000001, 0);
                break;
            case GuestTrial.UnknownHypercall:
                guard.TryHypercall("hypercall 63", (HypercallNumber)63);
                break;
            case GuestTrial.Domctl:
                Domctl(6);
                Domctl(0x15);
                break;
            case GuestTrial.HypercallInit:
                HypercallInit(6);
                HypercallInit(0x15);
                break;
            case GuestTrial.BounceFrame:
                BounceFrame();
                break;
            case GuestTrial.BlockPending:
                BlockPending();
                break;
            case GuestTrial.Reboot:
                runtime.Reboot();
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(trial), trial, "a PV guest cannot try this");
        }
    }

    private void SetTrapTable()
        => runtime.CheckedHypercall("set_trap_table", HypercallNumber.set_trap_table, A.Address(PlaceTrapTable(0, InvalidOpcode, GeneralProtection)));

    /// <summary>struct trap_info: u8 vector, u8 flags, u16 cs, unsigned long address; an address of 0 ends the table.</summary>
    private ulong PlaceTrapTable(byte flags, params ReadOnlySpan<byte> vectors)
    {
        int size = g.Wide ? 16 : 8;
        byte[] table = new byte[size * (vectors.Length + 1)];
        for (int i = 0; i < vectors.Length; i++)
        {
            table[i * size] = vectors[i];
            table[(i * size) + 1] = flags;
            BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan((i * size) + 2), g.Wide ? KernelCode64 : KernelCode32);
        }

        ulong at = g.Data.Place(table, 8);
        for (int i = 0; i < vectors.Length; i++)
        {
            g.MoveAddress(R.A, GuestGuard.Handler(vectors[i]));
            g.Store(g.Word(at + (ulong)((i * size) + (g.Wide ? 8 : 4))), R.A);
        }

        return at;
    }

    private void WriteMsr(string what, uint msr, ulong value) => guard.Try(
        what,
        () =>
        {
            g.MoveImmediate(R.C, msr);
            g.MoveImmediate(R.A, (uint)value);
            g.Raw.xor(edx, edx);
            g.Raw.wrmsr();
        },
        "nothing happened");

    private void Domctl(uint version)
        => guard.TryHypercall($"domctl version {version}", HypercallNumber.domctl, A.Address(PlaceDomctl(DomctlCommand.getdomaininfo, version, DomainId.Self, 0)));

    private void HypercallInit(uint version)
    {
        ulong tables = PlaceDomctl(DomctlCommand.hypercall_init, version, DomainId.Dom0, 0);
        LoadFrameOfPageTables();
        g.Store(g.Word(tables + DomctlHeader), R.A);
        guard.TryHypercall($"hypercall_init version {version} over my page table", HypercallNumber.domctl, A.Address(tables));
        ulong nothing = PlaceDomctl(DomctlCommand.hypercall_init, version, DomainId.Dom0, NoFrame);
        guard.TryHypercall($"hypercall_init version {version} over no frame", HypercallNumber.domctl, A.Address(nothing));
        ulong nobody = PlaceDomctl(DomctlCommand.hypercall_init, version, NoDomain, 0);
        guard.TryHypercall($"hypercall_init version {version} of no domain", HypercallNumber.domctl, A.Address(nobody));
    }

    /// <summary>The handler is entered with events masked (bit 2 of trap_info's flags), keeps what the frame holds and returns by iret.</summary>
    private void BounceFrame()
    {
        const int maskEvents = 4;
        ulong at = PlaceTrapTable(maskEvents, Breakpoint);
        runtime.CheckedHypercall("set_trap_table", HypercallNumber.set_trap_table, A.Address(at));
        if (g.Wide)
        {
            g.Raw.mov(ecx, 0x1111);
            g.Raw.mov(r11d, 0x2222);
        }

        g.Raw.int3();
        Said[] registers = g.Wide ? ["rcx ", Said.Hex(frameRcx), ", r11 ", Said.Hex(frameR11), ", "] : [];
        runtime.Say(["tried int3: its frame has ", .. registers, "cs ", Said.Hex(frameCs), "; the event mask is ", Said.Number(frameMask), " in the handler"]);
    }

    private void BlockPending()
    {
        ulong bind = g.Data.Word32(0, 0); // vcpu, port out
        ulong send = g.Data.Reserve(4);
        runtime.CheckedHypercall("event_channel_op(bind_ipi)", HypercallNumber.event_channel_op, EventChannelOp.bind_ipi, A.Address(bind));
        g.Load32(R.A, GuestAssembler.Dword(bind + 4));
        g.Store32(GuestAssembler.Dword(send), R.A);
        g.Raw.mov(GuestAssembler.Byte(sharedInfo + 1), 1);
        runtime.CheckedHypercall("event_channel_op(send)", HypercallNumber.event_channel_op, EventChannelOp.send, A.Address(send));
        runtime.CheckedHypercall("sched_op(block)", HypercallNumber.sched_op, SchedOp.block, 0);
        runtime.Say("tried to block with an event pending: back at once");
    }

    /// <summary>Xen's frame, 64-bit: rcx, r11, rip, cs, rflags, rsp, ss; 32-bit: eip, cs, eflags.</summary>
    private void EmitBreakpoint()
    {
        g.Routine(GuestGuard.Handler(Breakpoint));
        if (g.Wide)
        {
            g.Pop(R.C);
            g.Store(g.Word(frameRcx), R.C);
            g.Raw.pop(r11);
            g.Raw.mov(g.Word(frameR11), r11);
        }

        g.Load(R.A, g.At(R.Sp, g.WordSize));
        g.Store(g.Word(frameCs), R.A);
        g.Raw.movzx(eax, GuestAssembler.Byte(sharedInfo + 1));
        g.Store(g.Word(frameMask), R.A);
        if (g.Wide)
            g.Raw.push(0); // flags: not VGCF_in_syscall
        else
            g.Raw.or(__dword_ptr[esp + 4], 1);
        g.Raw.jmp(hypercallPage + ((uint)HypercallNumber.iret * 32));
    }

    /// <summary>The machine frame of start_info's pt_base, from its mfn_list, to A.</summary>
    private void LoadFrameOfPageTables()
    {
        g.Load(R.Si, g.Word(startInfo));
        g.MoveImmediate(R.C, virtualBase);
        g.Negate(R.C);
        g.Load(R.A, g.At(R.Si, StartInfoField.PtBase));
        g.Add(R.C, R.A);
        g.Load(R.D, g.At(R.Si, StartInfoField.MfnList));
        if (g.Wide)
        {
            g.Raw.shr(rcx, 12);
            g.Raw.mov(rax, __[rdx + rcx * 8]);
        }
        else
        {
            g.Raw.shr(ecx, 12);
            g.Raw.mov(eax, __[edx + ecx * 4]);
        }
    }

    private ulong PlaceDomctl(DomctlCommand command, uint version, DomainId domain, ulong payload)
    {
        byte[] op = new byte[DomctlSize];
        BinaryPrimitives.WriteUInt32LittleEndian(op, (uint)command);
        BinaryPrimitives.WriteUInt32LittleEndian(op.AsSpan(4), version);
        BinaryPrimitives.WriteUInt16LittleEndian(op.AsSpan(8), domain.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(op.AsSpan(DomctlHeader), payload);
        return g.Data.Place(op, 8);
    }
}
