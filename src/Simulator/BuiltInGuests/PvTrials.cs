using System.Buffers.Binary;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using static Iced.Intel.AssemblerRegisters;
using A = XenSim.Simulator.BuiltInGuests.HypercallArgument;
using R = XenSim.Simulator.BuiltInGuests.GuestRegister;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>What the PV kernels try on demand. Its exceptions come by set_trap_table.</summary>
internal sealed class PvTrials(GuestAssembler g, GuestRuntime runtime, ulong hypercallPage)
{
    private const byte InvalidOpcode = 6;
    private const byte GeneralProtection = 13;

    /// <summary>Source: xen/include/public/arch-x86/xen-x86_64.h, xen-x86_32.h: FLAT_KERNEL_CS64, FLAT_RING1_CS.</summary>
    private const ushort KernelCode64 = 0xe033, KernelCode32 = 0xe019;

    /// <summary>struct xen_domctl of 4.0 is 128 bytes behind its header, that of 4.17 too. Source: xen/include/public/domctl.h.</summary>
    private const int DomctlSize = 16 + 128;

    private readonly GuestGuard guard = new(g, runtime);

    public void Emit(IReadOnlyList<GuestTrial> tries)
    {
        SetTrapTable();
        foreach (GuestTrial trial in tries)
            Emit(trial);
    }

    public void EmitHandlers() => guard.EmitHandlers(InvalidOpcode, GeneralProtection);

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
            case GuestTrial.Reboot:
                runtime.Reboot();
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(trial), trial, "a PV guest cannot try this");
        }
    }

    /// <summary>struct trap_info: u8 vector, u8 flags, u16 cs, unsigned long address; an address of 0 ends the table.</summary>
    private void SetTrapTable()
    {
        byte[] vectors = [InvalidOpcode, GeneralProtection];
        int size = g.Wide ? 16 : 8;
        byte[] table = new byte[size * (vectors.Length + 1)];
        for (int i = 0; i < vectors.Length; i++)
        {
            table[i * size] = vectors[i];
            BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan((i * size) + 2), g.Wide ? KernelCode64 : KernelCode32);
        }

        ulong at = g.Data.Place(table, 8);
        for (int i = 0; i < vectors.Length; i++)
        {
            g.MoveAddress(R.A, GuestGuard.Handler(vectors[i]));
            g.Store(g.Word(at + (ulong)((i * size) + (g.Wide ? 8 : 4))), R.A);
        }

        runtime.CheckedHypercall("set_trap_table", HypercallNumber.set_trap_table, A.Address(at));
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
    {
        byte[] op = new byte[DomctlSize];
        BinaryPrimitives.WriteUInt32LittleEndian(op, (uint)DomctlCommand.getdomaininfo);
        BinaryPrimitives.WriteUInt32LittleEndian(op.AsSpan(4), version);
        BinaryPrimitives.WriteUInt16LittleEndian(op.AsSpan(8), DomainId.Self.Value);
        guard.TryHypercall($"domctl version {version}", HypercallNumber.domctl, A.Address(g.Data.Place(op, 8)));
    }
}
