using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using static Iced.Intel.AssemblerRegisters;
using A = XenSim.Simulator.BuiltInGuests.HypercallArgument;
using R = XenSim.Simulator.BuiltInGuests.GuestRegister;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>
/// The HVM guest: 32-bit protected mode without paging. One image for two ways in: PVH (PHYS32_ENTRY, ebx = hvm_start_info) and the
/// firmware's place of 4.0 (loaded at 0x100000, reached by the jump that xc_hvm_build puts at address 0; RELEASE-4.0.4
/// tools/libxc/xc_hvm_build.c). It finds Xen by CPUID and installs its hypercall page through the MSR, so the host's vendor decides
/// which instruction the page holds.
/// </summary>
public sealed class HvmGuest
{
    private const ulong LoadAddress = 0x100000;
    private const int TextSize = 0x2000;
    private const int DataSize = 0x2000;
    private const int PageSize = 0x1000;
    private const int StackSize = 0x1000;
    private const uint StartMagic = 0x336ec578; // XEN_HVM_START_MAGIC_VALUE

    private readonly GuestAssembler g;
    private readonly GuestRuntime runtime;
    private readonly ulong hypercallPage = LoadAddress + TextSize;
    private readonly ulong sharedInfo = LoadAddress + TextSize + PageSize + DataSize;
    private readonly ulong startInfo;
    private readonly ulong xenLeaf;
    private readonly ulong pageMsr;

    private readonly GuestVariant variant;
    private readonly HvmTrials? trials;

    private HvmGuest(GuestVariant variant)
    {
        this.variant = variant;
        var data = new GuestData(hypercallPage + PageSize, DataSize);
        g = new GuestAssembler(wide: false, LoadAddress, TextSize, data);
        runtime = new GuestRuntime(g, hypercallPage);
        startInfo = data.Reserve(4);
        xenLeaf = data.Reserve(4);
        pageMsr = data.Reserve(4);
        trials = variant.Tries.Count > 0 ? new HvmTrials(g, runtime, hypercallPage, pageMsr) : null;
    }

    /// <summary>Assembles the image.</summary>
    public static byte[] Build(GuestVariant variant) => new HvmGuest(variant).Emit();

    // With a page installed from 32-bit code Xen shows shared_info in its 32-bit layout.
    private ulong PendingWord => sharedInfo + 2048;

    private ulong SystemTime => sharedInfo + 48;

    private byte[] Emit()
    {
        EmitStart();
        EmitFindXen();
        trials?.EmitHandlers();
        runtime.EmitRoutines();
        var (code, routines) = g.Assemble();
        ulong entry = routines["_start"];
        var notes = new NoteBuilder(wide: false)
            .Text(ElfNote.GUEST_OS, "XenSim")
            .Text(ElfNote.GUEST_VERSION, "hvm")
            .Text(ElfNote.XEN_VERSION, "xen-3.0")
            .Text(ElfNote.LOADER, "generic")
            .Number(ElfNote.PHYS32_ENTRY, entry);
        var elf = new ElfBuilder { Class64 = false, Entry = entry }
            .AddCode(".text", LoadAddress, code)
            .AddData(".hypercall_page", hypercallPage, new byte[PageSize])
            .AddData(".data", g.Data.Address, g.Data.Contents)
            .AddZeroed(".bss", sharedInfo, PageSize + StackSize)
            .AddNotes(".note.Xen", variant.Apply(notes));
        foreach (var (name, address) in routines)
        {
            elf.AddSymbol(name, address);
        }

        return elf.AddSymbol("hypercall_page", hypercallPage, isFunction: false)
            .AddSymbol("shared_info", sharedInfo, isFunction: false)
            .Build();
    }

    private void EmitStart()
    {
        g.Routine("_start");
        g.Raw.cld();
        g.MoveAddress(R.Sp, sharedInfo + PageSize + StackSize);
        g.Store(g.Word(startInfo), R.B);
        g.Call("find_xen");
        InstallHypercallPage();
        FindRing();
        SayHello();
        SayVersion();
        trials?.Emit(variant.Tries);
        MapSharedInfo();
        TakeEvent();
        TakeTimerEvent();
        runtime.Say("sched_op(shutdown, poweroff): bye");
        g.Jump("poweroff");
    }

    /// <summary>Leaf base + 2: EBX is the MSR; writing the page's guest-physical address makes Xen fill it.</summary>
    private void InstallHypercallPage()
    {
        g.Load(R.A, g.Word(xenLeaf));
        g.Add(R.A, 2);
        g.Raw.cpuid();
        g.Store(g.Word(pageMsr), R.B);
        g.Raw.mov(ecx, ebx);
        g.MoveAddress(R.A, hypercallPage);
        g.Raw.xor(edx, edx);
        g.Raw.wrmsr();
    }

    /// <summary>HVM parameters 17 and 18 name the console's page and port from 4.1 on; 4.0 answers EINVAL and leaves the debug port.</summary>
    private void FindRing()
    {
        ulong pfn = g.Data.Word32(DomainId.Self.Value, (uint)HvmParam.CONSOLE_PFN, 0, 0); // u16 domid, u32 index, u64 value
        ulong port = g.Data.Word32(DomainId.Self.Value, (uint)HvmParam.CONSOLE_EVTCHN, 0, 0);
        var none = g.NewLabel();
        var done = g.NewLabel();
        runtime.Hypercall(HypercallNumber.hvm_op, HvmOp.get_param, A.Address(port));
        g.Test(R.A);
        g.Raw.jne(none);
        g.Load(R.A, g.Word(port + 8));
        g.Store(g.Word(runtime.RingPort), R.A);
        runtime.Hypercall(HypercallNumber.hvm_op, HvmOp.get_param, A.Address(pfn));
        g.Test(R.A);
        g.Raw.jne(none);
        g.Load(R.A, g.Word(pfn + 8));
        g.Test(R.A);
        g.Raw.je(none);
        g.ShiftLeft(R.A, 12);
        g.Store(g.Word(runtime.Ring), R.A);
        g.Raw.jmp(done);
        g.Place(none);
        g.MoveImmediate(R.A, 1);
        g.Store(g.Word(runtime.DebugPortEnabled), R.A);
        g.Place(done);
    }

    private void SayHello()
    {
        var firmware = g.NewLabel();
        var told = g.NewLabel();
        runtime.Say(BuiltInGuest.HvmTitle);
        g.Load(R.B, g.Word(startInfo));
        g.Test(R.B);
        g.Raw.je(firmware);
        g.Raw.cmp(__dword_ptr[ebx], StartMagic);
        g.Raw.jne(firmware);
        runtime.Say("entered at PHYS32_ENTRY with hvm_start_info at ", Said.Hex(startInfo));
        g.Raw.jmp(told);
        g.Place(firmware);
        runtime.Say("entered as firmware, through the jump at address 0: no hvm_start_info");
        g.Place(told);

        var ring = g.NewLabel();
        var printed = g.NewLabel();
        g.Load(R.A, g.Word(runtime.Ring));
        g.Test(R.A);
        g.Raw.jne(ring);
        runtime.Say("console_io answered ", Said.Number(runtime.ConsoleIoResult), " and there is no console page: I print through port 0xe9");
        g.Raw.jmp(printed);
        g.Place(ring);
        runtime.Say("console_io answered ", Said.Number(runtime.ConsoleIoResult), ": I print through the ring at ", Said.Hex(runtime.Ring));
        g.Place(printed);

        ulong page = g.Data.Reserve(4);
        ulong slot = g.Data.Reserve(4);
        g.MoveAddress(R.A, hypercallPage);
        g.Store(g.Word(page), R.A);
        g.MoveAddress(R.A, hypercallPage + (uint)HypercallNumber.xen_version * 32);
        g.Store(g.Word(slot), R.A);
        runtime.Say("CPUID leaf ", Said.Hex(xenLeaf), " says XenVMMXenVMM; writing ", Said.Hex(page), " to MSR ", Said.Hex(pageMsr), " installed my hypercall page");
        runtime.Say("hypercall_page at ", Said.Hex(page), ", slot 17 begins", Said.Bytes(slot));
    }

    private void SayVersion()
    {
        ulong major = g.Data.Reserve(4);
        ulong minor = g.Data.Reserve(4);
        runtime.CheckedHypercall("xen_version(version)", HypercallNumber.xen_version, XenVersionCommand.version, 0);
        g.Raw.movzx(edx, ax);
        g.Raw.shr(eax, 16);
        g.Store(g.Word(major), R.A);
        g.Store(g.Word(minor), R.D);
        runtime.Say("xen_version(version): Xen ", Said.Number(major), ".", Said.Number(minor));

        ulong self = g.Data.Word32(DomainId.Self.Value);
        runtime.CheckedHypercall("memory_op(current_reservation)", HypercallNumber.memory_op, MemoryOpCommand.current_reservation, A.Address(self));
        runtime.Say("memory_op(current_reservation): ", Said.Number(runtime.Result), " pages");
    }

    private void MapSharedInfo()
    {
        // struct xen_add_to_physmap: u16 domid, u32 space 0 = shared_info, ulong idx, ulong gpfn.
        ulong request = g.Data.Word32(DomainId.Self.Value, 0, 0, (uint)(sharedInfo >> 12));
        ulong page = g.Data.Word32((uint)sharedInfo);
        runtime.CheckedHypercall("memory_op(add_to_physmap)", HypercallNumber.memory_op, MemoryOpCommand.add_to_physmap, A.Address(request));
        runtime.Say("memory_op(add_to_physmap): shared_info is at ", Said.Hex(page));
    }

    private void TakeEvent()
    {
        ulong bind = g.Data.Word32(0, 0); // vcpu, port out
        ulong port = bind + 4;
        runtime.CheckedHypercall("event_channel_op(bind_ipi)", HypercallNumber.event_channel_op, EventChannelOp.bind_ipi, A.Address(bind));
        runtime.CheckedHypercall("event_channel_op(send)", HypercallNumber.event_channel_op, EventChannelOp.send, A.Address(port));
        ConsumePending(port);
        runtime.Fail("event_channel_op(send): no pending bit;", g.Raw.jb);
        runtime.Say("event_channel_op(bind_ipi, send): port ", Said.Number(port), " came up in shared_info");
    }

    /// <summary>No interrupt controller is needed: SCHEDOP_poll sleeps until the port is pending, masked or not.</summary>
    private void TakeTimerEvent()
    {
        ulong bind = g.Data.Word32((uint)Virq.TIMER, 0, 0); // virq, vcpu, port out
        ulong port = bind + 8;
        ulong deadline = g.Data.Reserve(8);
        ulong poll = g.Data.Word32((uint)port, 1, 0, 0); // ports, nr_ports, u64 timeout (0: none)
        runtime.CheckedHypercall("event_channel_op(bind_virq)", HypercallNumber.event_channel_op, EventChannelOp.bind_virq, A.Address(bind));
        const int millisecond = 1_000_000;
        g.Load32(R.A, GuestAssembler.Dword(SystemTime));
        g.Load32(R.D, GuestAssembler.Dword(SystemTime + 4));
        g.Raw.add(eax, millisecond);
        g.Raw.adc(edx, 0);
        g.Store32(GuestAssembler.Dword(deadline), R.A);
        g.Store32(GuestAssembler.Dword(deadline + 4), R.D);
        runtime.CheckedHypercall("set_timer_op", HypercallNumber.set_timer_op, A.Variable(deadline), A.Variable(deadline + 4));
        runtime.Say("event_channel_op(bind_virq, timer): port ", Said.Number(port), "; set_timer_op: due in 1 ms; sched_op(poll) until then");
        runtime.CheckedHypercall("sched_op(poll)", HypercallNumber.sched_op, SchedOp.poll, A.Address(poll));
        ConsumePending(port);
        runtime.Fail("sched_op(poll): no pending bit;", g.Raw.jb);
        runtime.Say("sched_op(poll): the timer's event woke me");
    }

    /// <summary>Clears the port's pending bit; CF tells whether it was set.</summary>
    private void ConsumePending(ulong port)
    {
        g.Load32(R.C, GuestAssembler.Dword(port));
        g.Raw.@lock.btr(GuestAssembler.Dword(PendingWord), ecx);
    }

    /// <summary>The signature may be at any multiple of 0x100 (Viridian's leaves take the first place where enabled).</summary>
    private void EmitFindXen()
    {
        g.Routine("find_xen");
        g.MoveImmediate(R.Bp, 0x40000000);
        var next = g.NewLabel();
        var other = g.NewLabel();
        g.Place(next);
        g.Move(R.A, R.Bp);
        g.Raw.cpuid();
        g.Raw.cmp(ebx, 0x566e6558); // "XenV"
        g.Raw.jne(other);
        g.Raw.cmp(ecx, 0x65584d4d); // "MMXe"
        g.Raw.jne(other);
        g.Raw.cmp(edx, 0x4d4d566e); // "nVMM"
        g.Raw.jne(other);
        g.Store(g.Word(xenLeaf), R.Bp);
        g.Raw.ret();
        g.Place(other);
        g.Add(R.Bp, 0x100);
        g.Raw.cmp(ebp, 0x40010000);
        g.Raw.jb(next);
        g.Raw.ud2(); // not on Xen: without an IDT this is a triple fault
    }
}
