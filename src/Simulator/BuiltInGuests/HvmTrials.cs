using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using static Iced.Intel.AssemblerRegisters;
using R = XenSim.Simulator.BuiltInGuests.GuestRegister;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>
/// What the HVM guest tries on demand. It makes itself descriptor tables for that: exceptions arrive by an IDT of its own, and ring 3 is
/// entered by IRET and left by an interrupt gate (SDM vol. 3, 3.4.5, 6.11 and 7.2).
/// </summary>
internal sealed class HvmTrials
{
    private const byte InvalidOpcode = 6;
    private const byte GeneralProtection = 13;
    private const byte BackToKernel = 0x30;
    private const int Gates = BackToKernel + 1;
    private const int GateSize = 8;
    private const ushort KernelCode = 0x08, KernelData = 0x10, UserCode = 0x18 | 3, UserData = 0x20 | 3, Task = 0x28;
    private const uint InterruptGate = 0x8E00, UserInterruptGate = 0xEE00;
    private const int TaskSize = 104;

    private readonly GuestAssembler g;
    private readonly GuestRuntime runtime;
    private readonly GuestGuard guard;
    private readonly ulong hypercallPage;
    private readonly ulong pageMsr;
    private readonly ulong idt;
    private readonly ulong task;

    /// <param name="pageMsr">Variable: number of the MSR that installs the page.</param>
    public HvmTrials(GuestAssembler assembler, GuestRuntime runtime, ulong hypercallPage, ulong pageMsr)
    {
        g = assembler;
        this.runtime = runtime;
        this.hypercallPage = hypercallPage;
        this.pageMsr = pageMsr;
        guard = new GuestGuard(g, runtime);
        idt = g.Data.Reserve(Gates * GateSize);
        task = g.Data.Reserve(TaskSize);
    }

    public void Emit(IReadOnlyList<GuestTrial> tries)
    {
        LoadTables();
        foreach (GuestTrial trial in tries)
            Emit(trial);
    }

    public void EmitHandlers()
    {
        guard.EmitHandlers(InvalidOpcode, GeneralProtection);
        g.Routine("back_to_kernel");
        g.Raw.mov(eax, KernelData);
        g.Raw.mov(ds, eax);
        g.Raw.mov(es, eax);
        g.Jump("recover");

        g.Routine("user_hypercall");
        runtime.Hypercall(HypercallNumber.xen_version, XenVersionCommand.version, 0);
        g.Raw.@int(BackToKernel);
    }

    private void Emit(GuestTrial trial)
    {
        switch (trial)
        {
            case GuestTrial.HypercallMsrIndex:
                WriteMsr("a page index in the hypercall MSR", 0, hypercallPage + 1);
                break;
            case GuestTrial.HypercallMsrFrame:
                WriteMsr("a bad frame in the hypercall MSR", 0, 0xfffff000);
                break;
            case GuestTrial.UnknownXenMsr:
                WriteMsr("an MSR of Xen's that is none", 1, 0);
                break;
            case GuestTrial.UnknownHypercall:
                guard.TryHypercall("hypercall 63", (HypercallNumber)63);
                break;
            case GuestTrial.OtherVendorInstruction:
                guard.Try("the other vendor's instruction", OtherVendor, "answered ", Said.Number(runtime.Result));
                break;
            case GuestTrial.UserHypercall:
                guard.Try("a hypercall from ring 3", EnterUser, "answered ", Said.Number(runtime.Result));
                break;
            case GuestTrial.Reboot:
                runtime.Reboot();
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(trial), trial, "an HVM guest cannot try this");
        }
    }

    private void WriteMsr(string what, int offset, ulong value) => guard.Try(
        what,
        () =>
        {
            g.Load(R.C, g.Word(pageMsr));
            g.Add(R.C, offset);
            g.MoveImmediate(R.A, (uint)value);
            g.Raw.xor(edx, edx);
            g.Raw.wrmsr();
        },
        "nothing happened");

    /// <summary>The page tells which instruction this host has: 0f 01 c1 is VMCALL, 0f 01 d9 VMMCALL.</summary>
    private void OtherVendor()
    {
        const int lastByte = 7;
        Iced.Intel.Label intel = g.NewLabel(), done = g.NewLabel();
        g.MoveImmediate(R.A, (uint)HypercallNumber.xen_version);
        g.MoveImmediate(R.B, (uint)XenVersionCommand.version);
        g.Raw.cmp(GuestAssembler.Byte(hypercallPage + lastByte), 0xC1);
        g.Raw.je(intel);
        g.Raw.vmcall();
        g.Raw.jmp(done);
        g.Place(intel);
        g.Raw.vmmcall();
        g.Place(done);
        g.Store(g.Word(runtime.Result), R.A);
    }

    private void EnterUser()
    {
        g.Raw.mov(eax, UserData);
        g.Raw.mov(ds, eax);
        g.Raw.mov(es, eax);
        g.Raw.mov(edx, esp);
        g.Raw.push(UserData);
        g.Raw.push(edx);
        g.Raw.pushfd();
        g.Raw.push(UserCode);
        g.MoveAddress(R.A, "user_hypercall");
        g.Push(R.A);
        g.Raw.iretd();
    }

    private void LoadTables()
    {
        ulong gdt = g.Data.Word32(
            0, 0,
            0x0000FFFF, 0x00CF9A00, // ring 0 code
            0x0000FFFF, 0x00CF9200, // ring 0 data
            0x0000FFFF, 0x00CFFA00, // ring 3 code
            0x0000FFFF, 0x00CFF200, // ring 3 data
            ((uint)task << 16) | (TaskSize - 1), ((uint)task >> 16 & 0xFF) | 0x8900 | ((uint)task & 0xFF000000));
        ulong gdtr = g.Data.Place([47, 0, .. BitConverter.GetBytes((uint)gdt)], 4);
        ulong idtr = g.Data.Place([.. BitConverter.GetBytes((ushort)(Gates * GateSize - 1)), .. BitConverter.GetBytes((uint)idt)], 4);
        g.Raw.lgdt(Iced.Intel.AssemblerRegisters.__fword_ptr[(uint)gdtr]);
        g.Raw.push(KernelCode);
        g.MoveAddress(R.A, "tables_loaded");
        g.Push(R.A);
        g.Raw.retf();
        g.Routine("tables_loaded");
        g.Raw.mov(eax, KernelData);
        g.Raw.mov(ds, eax);
        g.Raw.mov(es, eax);
        g.Raw.mov(ss, eax);
        SetGate(InvalidOpcode, GuestGuard.Handler(InvalidOpcode), InterruptGate);
        SetGate(GeneralProtection, GuestGuard.Handler(GeneralProtection), InterruptGate);
        SetGate(BackToKernel, "back_to_kernel", UserInterruptGate);
        g.Raw.lidt(Iced.Intel.AssemblerRegisters.__fword_ptr[(uint)idtr]);

        // Stack of ring 0: where the guarded code stands, which is below nothing that is still needed.
        g.Raw.lea(eax, __[esp - 256]);
        g.Store(g.Word(task + 4), R.A);
        g.Raw.mov(GuestAssembler.Dword(task + 8), KernelData);
        g.Raw.mov(eax, Task);
        g.Raw.ltr(ax);
    }

    private void SetGate(byte vector, string handler, uint attributes)
    {
        ulong gate = idt + (ulong)(vector * GateSize);
        g.MoveAddress(R.A, handler);
        g.Raw.mov(edx, eax);
        g.Raw.and(eax, 0xFFFF);
        g.Raw.or(eax, KernelCode << 16);
        g.Store32(GuestAssembler.Dword(gate), R.A);
        g.Raw.and(edx, unchecked((int)0xFFFF0000));
        g.Raw.or(edx, (int)attributes);
        g.Store32(GuestAssembler.Dword(gate + 4), R.D);
    }
}
