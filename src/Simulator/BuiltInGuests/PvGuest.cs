using System.Text;
using Iced.Intel;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using static Iced.Intel.AssemblerRegisters;
using A = XenSim.Simulator.BuiltInGuests.HypercallArgument;
using R = XenSim.Simulator.BuiltInGuests.GuestRegister;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>What varies between the PV kernels.</summary>
public sealed record PvGuestOptions
{
    public required string Name { get; init; }

    /// <summary>One line about the kernel, printed first.</summary>
    public required string Title { get; init; }

    /// <summary>64-bit at ring 3, or 32-bit PAE at ring 1 (ring 0 on a supervisor_mode_kernel build).</summary>
    public required bool Wide { get; init; }

    /// <summary>FEATURES note; null leaves it out.</summary>
    public string? Features { get; init; }

    /// <summary>How this one differs from the kernel as shipped.</summary>
    public GuestVariant Variant { get; init; } = new();
}

/// <summary>
/// The PV kernel: prints what it was started with, makes hypercalls through its page, maps shared_info, takes one event by upcall and one
/// by a timer, powers off. Written once for both word sizes.
/// </summary>
public sealed class PvGuest
{
    private const ulong WideBase = 0xffffffff80000000;
    private const ulong NarrowBase = 0xc0000000;
    private const ulong LoadAddress = 0x100000;
    private const int TextSize = 0x3000;
    private const int DataSize = 0x2000;
    private const int PageSize = 0x1000;

    private readonly PvGuestOptions options;
    private readonly GuestAssembler g;
    private readonly GuestRuntime runtime;
    private readonly PvTrials? trials;
    private readonly PvExchange? exchange;
    private readonly ulong virtualBase;
    private readonly ulong hypercallPage;
    private readonly ulong sharedInfo;
    private readonly ulong startInfo;
    private readonly ulong waitedPort;
    private readonly ulong seenPorts;

    private PvGuest(PvGuestOptions options)
    {
        this.options = options;
        virtualBase = options.Wide ? WideBase : NarrowBase;
        ulong text = virtualBase + LoadAddress;
        hypercallPage = text + TextSize;
        ulong dataAddress = hypercallPage + PageSize;
        sharedInfo = dataAddress + DataSize;
        var data = new GuestData(dataAddress, DataSize);
        g = new GuestAssembler(options.Wide, text, TextSize, data);
        runtime = new GuestRuntime(g, hypercallPage);
        startInfo = data.Reserve(8);
        waitedPort = data.Reserve(8);
        seenPorts = data.Reserve(8);
        trials = options.Variant.Tries.Count > 0 ? new PvTrials(g, runtime, hypercallPage, virtualBase, startInfo, sharedInfo) : null;
        exchange = options.Variant.Tries.Any(IsExchange) ? new PvExchange(g, runtime, virtualBase, sharedInfo + PageSize, startInfo, waitedPort) : null;
    }

    /// <summary>Assembles the image.</summary>
    public static byte[] Build(PvGuestOptions options) => new PvGuest(options).Build();

    /// <summary>What needs the event callback: after the usual programme, all else is tried before it.</summary>
    private static bool IsExchange(GuestTrial trial) => trial is GuestTrial.GrantToD2 or GuestTrial.UseGrantOfD1 or GuestTrial.OfferInXenstore or GuestTrial.TakeFromXenstore;

    private ulong UpcallPending => sharedInfo;

    private ulong UpcallMask => sharedInfo + 1;

    private ulong PendingSelector => sharedInfo + (g.Wide ? 8ul : 4);

    private ulong PendingWord => sharedInfo + 2048;

    private ulong MaskWord => sharedInfo + (g.Wide ? 2560ul : 2176);

    private ulong SystemTime => sharedInfo + 48;

    private byte[] Build()
    {
        EmitStart();
        EmitFindRing();
        EmitCallbacks();
        EmitWait();
        trials?.EmitHandlers();
        exchange?.EmitRoutines();
        runtime.EmitRoutines();
        var (code, routines) = g.Assemble();

        // What Xen never wrote stops at the first call: the whole page is ud2.
        var page = new byte[PageSize];
        for (int i = 0; i < PageSize; i += 2)
        {
            page[i] = 0x0F;
            page[i + 1] = 0x0B;
        }

        var elf = new ElfBuilder { Class64 = g.Wide, Entry = routines["_start"], VirtualOffset = virtualBase }
            .AddCode(".text", virtualBase + LoadAddress, code)
            .AddCode(".hypercall_page", hypercallPage, page)
            .AddData(".data", g.Data.Address, g.Data.Contents)
            .AddZeroed(".bss", sharedInfo, exchange is null ? PageSize : 3ul * PageSize);
        byte[] notes = Notes(routines["_start"]);
        if (options.Variant.XenGuestSection is { } legacy)
        {
            elf.AddUnloaded("__xen_guest", [.. Encoding.ASCII.GetBytes(legacy), 0]);
        }
        else if (notes.Length > 0)
        {
            elf.AddNotes(".note.Xen", notes);
        }

        foreach (var (name, address) in routines)
        {
            elf.AddSymbol(name, address);
        }

        return elf.AddSymbol("hypercall_page", hypercallPage, isFunction: false)
            .AddSymbol("shared_info", sharedInfo, isFunction: false)
            .Build();
    }

    private byte[] Notes(ulong entry)
    {
        var notes = new NoteBuilder(g.Wide)
            .Text(ElfNote.GUEST_OS, "XenSim")
            .Text(ElfNote.GUEST_VERSION, options.Name)
            .Text(ElfNote.XEN_VERSION, "xen-3.0")
            .Text(ElfNote.LOADER, "generic")
            .Number(ElfNote.VIRT_BASE, virtualBase)
            .Number(ElfNote.PADDR_OFFSET, 0)
            .Number(ElfNote.ENTRY, entry)
            .Number(ElfNote.HYPERCALL_PAGE, hypercallPage);
        if (!g.Wide)
        {
            notes.Text(ElfNote.PAE_MODE, "yes");
        }

        if (options.Features is { } features)
        {
            notes.Text(ElfNote.FEATURES, features);
        }

        return options.Variant.Apply(notes);
    }

    private void EmitStart()
    {
        g.Routine("_start");
        g.Raw.cld();
        g.Store(g.Word(startInfo), R.Si);
        g.Call("find_ring");
        SayHello();
        SayVersion();
        trials?.Emit([.. options.Variant.Tries.Where(t => !IsExchange(t) && !PvTrials.IsLate(t))]);
        MapSharedInfo();
        RegisterCallbacks();
        TakeEventByUpcall();
        TakeTimerEvent();
        trials?.EmitLate([.. options.Variant.Tries.Where(PvTrials.IsLate)]);
        foreach (GuestTrial trial in options.Variant.Tries.Where(IsExchange))
        {
            exchange!.Emit(trial);
        }

        runtime.Say("sched_op(shutdown, poweroff): bye");
        g.Jump("poweroff");
    }

    private void SayHello()
    {
        ulong field = g.Data.Reserve(8);
        runtime.Say(options.Title);
        LoadStartInfo(StartInfoField.NrPages);
        g.Store(g.Word(field), R.A);
        runtime.Say("start_info at ", Said.Hex(startInfo), " is what the builder left for me: \"", Said.CString(startInfo), "\", ", Said.Number(field), " pages");

        var privileged = g.NewLabel();
        var told = g.NewLabel();
        LoadStartInfo32(StartInfoField.Flags);
        g.Raw.test(eax, (int)StartInfoFlags.INITDOMAIN);
        g.Raw.jne(privileged);
        g.Load(R.A, g.Word(runtime.ConsoleIoResult));
        g.Test(R.A);
        var verbose = g.NewLabel();
        g.Raw.je(verbose);
        runtime.Say("console_io answered ", Said.Number(runtime.ConsoleIoResult), " (EPERM): release builds keep it for domain 0. I print through the ring at ", Said.Hex(runtime.Ring));
        g.Raw.jmp(told);
        g.Place(verbose);
        runtime.Say("I print by console_io and through the ring at ", Said.Hex(runtime.Ring));
        g.Raw.jmp(told);
        g.Place(privileged);
        runtime.Say("I am domain 0 and print by console_io");
        g.Place(told);

        ulong page = g.Data.Reserve(8);
        ulong slot = g.Data.Reserve(8);
        g.MoveAddress(R.A, hypercallPage);
        g.Store(g.Word(page), R.A);
        g.MoveAddress(R.A, hypercallPage + (uint)HypercallNumber.xen_version * 32);
        g.Store(g.Word(slot), R.A);
        runtime.Say("hypercall_page at ", Said.Hex(page), ", slot 17 begins", Said.Bytes(slot));
    }

    private void SayVersion()
    {
        ulong major = g.Data.Reserve(8);
        ulong minor = g.Data.Reserve(8);
        runtime.CheckedHypercall("xen_version(version)", HypercallNumber.xen_version, XenVersionCommand.version, 0);
        g.Raw.movzx(edx, ax);
        g.Raw.shr(eax, 16);
        g.Store(g.Word(major), R.A);
        g.Store(g.Word(minor), R.D);
        runtime.Say("xen_version(version): Xen ", Said.Number(major), ".", Said.Number(minor));

        ulong buffer = g.Data.Reserve(1024);
        ulong pointer = g.Data.Reserve(8);
        runtime.CheckedHypercall("xen_version(capabilities)", HypercallNumber.xen_version, XenVersionCommand.capabilities, A.Address(buffer));
        g.MoveAddress(R.A, buffer);
        g.Store(g.Word(pointer), R.A);
        runtime.Say("xen_version(capabilities): ", Said.CString(pointer));

        ulong self = g.Data.Word32(DomainId.Self.Value);
        runtime.CheckedHypercall("memory_op(current_reservation)", HypercallNumber.memory_op, MemoryOpCommand.current_reservation, A.Address(self));
        runtime.Say("memory_op(current_reservation): ", Said.Number(runtime.Result), " pages");
    }

    /// <summary>start_info names shared_info by machine address; the page has to be mapped by asking Xen to change one L1 entry.</summary>
    private void MapSharedInfo()
    {
        ulong entry = g.Data.Reserve(8);
        ulong va = g.Data.Reserve(8);
        LoadStartInfo(StartInfoField.SharedInfo);
        g.Or(R.A, 7); // present, writable, user
        g.Store(g.Word(entry), R.A);
        g.MoveAddress(R.A, sharedInfo);
        g.Store(g.Word(va), R.A);
        const int invalidate = 2; // UVMF_INVLPG
        if (g.Wide)
        {
            runtime.CheckedHypercall("update_va_mapping(shared_info)", HypercallNumber.update_va_mapping, A.Variable(va), A.Variable(entry), invalidate);
        }
        else
        {
            runtime.CheckedHypercall("update_va_mapping(shared_info)", HypercallNumber.update_va_mapping, A.Variable(va), A.Variable(entry), A.Variable(entry + 4), invalidate);
        }

        runtime.Say("update_va_mapping: shared_info is mapped at ", Said.Hex(va));

        // Upcalls for the console's own port would come whenever xenconsoled has read: not wanted.
        g.Load32(R.C, GuestAssembler.Dword(runtime.RingPort));
        g.Raw.@lock.bts(GuestAssembler.Dword(MaskWord), ecx);
    }

    private void RegisterCallbacks()
    {
        if (g.Wide)
        {
            // struct callback_register: u16 type, u16 flags, unsigned long address.
            RegisterCallback("event", CallbackType.@event);
            RegisterCallback("failsafe", CallbackType.failsafe);
            runtime.Say("callback_op(register): event and failsafe callbacks are known to Xen");
            return;
        }

        ulong @event = g.Data.Reserve(4);
        ulong failsafe = g.Data.Reserve(4);
        g.MoveAddress(R.A, "event_callback");
        g.Store(g.Word(@event), R.A);
        g.MoveAddress(R.A, "failsafe_callback");
        g.Store(g.Word(failsafe), R.A);
        const int kernelCode = 0xe019; // FLAT_RING1_CS
        runtime.CheckedHypercall("set_callbacks", HypercallNumber.set_callbacks, kernelCode, A.Variable(@event), kernelCode, A.Variable(failsafe));
        runtime.Say("set_callbacks: event and failsafe callbacks are known to Xen");
    }

    private void RegisterCallback(string name, CallbackType type)
    {
        ulong structure = g.Data.Word32((uint)type, 0, 0, 0);
        g.MoveAddress(R.A, name + "_callback");
        g.Store(g.Word(structure + 8), R.A);
        runtime.CheckedHypercall($"callback_op({name})", HypercallNumber.callback_op, CallbackOp.register, A.Address(structure));
    }

    private void TakeEventByUpcall()
    {
        ulong bind = g.Data.Word32(0, 0); // vcpu, port out
        ulong port = bind + 4;
        ulong number = g.Data.Reserve(8);
        runtime.CheckedHypercall("event_channel_op(bind_ipi)", HypercallNumber.event_channel_op, EventChannelOp.bind_ipi, A.Address(bind));
        g.Load32(R.A, GuestAssembler.Dword(port));
        g.Store(g.Word(number), R.A);
        runtime.Say("event_channel_op(bind_ipi): port ", Said.Number(number));

        ulong send = g.Data.Reserve(4);
        g.Load32(R.A, GuestAssembler.Dword(port));
        g.Store32(GuestAssembler.Dword(send), R.A);
        runtime.CheckedHypercall("event_channel_op(send)", HypercallNumber.event_channel_op, EventChannelOp.send, A.Address(send));
        g.Load32(R.C, GuestAssembler.Dword(port));
        g.Raw.bt(GuestAssembler.Dword(PendingWord), ecx);
        runtime.Fail("event_channel_op(send): no pending bit;", g.Raw.jb);
        runtime.Say("event_channel_op(send): pending in shared_info, but upcalls are masked still");

        // Xen looks at pending events on the way out of any hypercall.
        g.Raw.mov(GuestAssembler.Byte(UpcallMask), 0);
        runtime.CheckedHypercall("xen_version(version)", HypercallNumber.xen_version, XenVersionCommand.version, 0);
        g.Load32(R.C, GuestAssembler.Dword(port));
        g.Raw.bt(GuestAssembler.Dword(seenPorts), ecx);
        runtime.Fail("unmasking: no upcall;", g.Raw.jb);
        runtime.Say("unmasked: the upcall came on the way out of the next hypercall, and iret brought me back");
    }

    private void TakeTimerEvent()
    {
        ulong bind = g.Data.Word32((uint)Virq.TIMER, 0, 0); // virq, vcpu, port out
        ulong deadline = g.Data.Reserve(8);
        runtime.CheckedHypercall("event_channel_op(bind_virq)", HypercallNumber.event_channel_op, EventChannelOp.bind_virq, A.Address(bind));
        g.Load32(R.A, GuestAssembler.Dword(bind + 8));
        g.Store(g.Word(waitedPort), R.A);
        runtime.Say("event_channel_op(bind_virq, timer): port ", Said.Number(waitedPort));

        const int millisecond = 1_000_000;
        g.Load32(R.A, GuestAssembler.Dword(SystemTime));
        g.Load32(R.D, GuestAssembler.Dword(SystemTime + 4));
        g.Raw.add(eax, millisecond);
        g.Raw.adc(edx, 0);
        g.Store32(GuestAssembler.Dword(deadline), R.A);
        g.Store32(GuestAssembler.Dword(deadline + 4), R.D);
        if (g.Wide)
        {
            runtime.CheckedHypercall("set_timer_op", HypercallNumber.set_timer_op, A.Variable(deadline));
        }
        else
        {
            runtime.CheckedHypercall("set_timer_op", HypercallNumber.set_timer_op, A.Variable(deadline), A.Variable(deadline + 4));
        }

        runtime.Say("set_timer_op: due in 1 ms; sched_op(block) until then");
        g.Call("wait_for_port");
        runtime.Say("sched_op(block): the timer's upcall woke me");
    }

    /// <summary>Looks the console page up in the p2m list, because start_info gives its machine frame only.</summary>
    private void EmitFindRing()
    {
        g.Routine("find_ring");
        var none = g.NewLabel();
        g.Load(R.Si, g.Word(startInfo));
        g.Raw.test(g.Wide ? __dword_ptr[rsi + StartInfoField.Flags.Wide] : __dword_ptr[esi + StartInfoField.Flags.Narrow], (int)StartInfoFlags.INITDOMAIN); // no ring then
        g.Raw.jne(none);
        g.Load32(R.A, g.At(R.Si, StartInfoField.ConsoleEvtchn));
        g.Store32(GuestAssembler.Dword(runtime.RingPort), R.A);
        g.Load(R.A, g.At(R.Si, StartInfoField.ConsoleMfn));
        EmitPageSearch(g, virtualBase, none);
        g.Store(g.Word(runtime.Ring), R.A);
        g.Place(none);
        g.Raw.ret();
    }

    /// <summary>Searches the p2m list of the start_info at Si for the machine frame in A; its virtual address goes to A.</summary>
    /// <param name="none">Jumped to when the list does not have it.</param>
    internal static void EmitPageSearch(GuestAssembler g, ulong virtualBase, Label none)
    {
        var search = g.NewLabel();
        var found = g.NewLabel();
        g.Load(R.D, g.At(R.Si, StartInfoField.MfnList));
        g.MoveImmediate(R.C, 0);
        g.Place(search);
        if (g.Wide)
        {
            g.Raw.cmp(rcx, g.At(R.Si, StartInfoField.NrPages));
            g.Raw.jae(none);
            g.Raw.cmp(rax, __[rdx + rcx * 8]);
        }
        else
        {
            g.Raw.cmp(ecx, g.At(R.Si, StartInfoField.NrPages));
            g.Raw.jae(none);
            g.Raw.cmp(eax, __[edx + ecx * 4]);
        }

        g.Raw.je(found);
        g.Add(R.C, 1);
        g.Raw.jmp(search);

        g.Place(found);
        g.ShiftLeft(R.C, 12);
        g.MoveImmediate(R.A, virtualBase);
        g.Add(R.A, R.C);
    }

    /// <summary>
    /// Upcall entry and return. Xen's frame, 64-bit: rcx, r11, rip, cs, rflags, rsp, ss; 32-bit: eip, cs, eflags. The iret stub pushes the
    /// rest of struct iret_context itself.
    /// </summary>
    private void EmitCallbacks()
    {
        ulong iret = hypercallPage + (uint)HypercallNumber.iret * 32;
        g.Routine("event_callback");
        if (g.Wide)
        {
            AssemblerRegister64[] saved = [rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, rcx];
            g.Raw.pop(rcx);
            g.Raw.pop(r11);
            foreach (var register in saved)
            {
                g.Raw.push(register);
            }

            g.Call("handle_events");
            foreach (var register in saved.Reverse())
            {
                g.Raw.pop(register);
            }

            g.Raw.push(0); // flags: not VGCF_in_syscall
        }
        else
        {
            g.Raw.pushad();
            g.Call("handle_events");
            g.Raw.popad();

            // For a kernel in ring 0 Xen pushes cs with RPL 0, but its iret takes RPL 1 only, on every build
            // (RELEASE-4.0.4 xen/arch/x86/x86_32/entry.S: create_bounce_frame, traps.c: do_iret).
            g.Raw.or(__dword_ptr[esp + 4], 1);
        }

        g.Raw.jmp(iret);

        g.Routine("failsafe_callback");
        runtime.Say("failsafe callback: a selector could not be reloaded");
        g.Jump("crash");

        g.Routine("handle_events");
        var next = g.NewLabel();
        var done = g.NewLabel();
        g.Raw.mov(GuestAssembler.Byte(UpcallPending), 0);
        g.Raw.xor(eax, eax);
        if (g.Wide)
        {
            g.Raw.xchg(g.Word(PendingSelector), rax);
        }
        else
        {
            g.Raw.xchg(g.Word(PendingSelector), eax);
        }

        g.Place(next);
        g.Load32(R.A, GuestAssembler.Dword(MaskWord));
        g.Raw.not(eax);
        g.Raw.and(eax, GuestAssembler.Dword(PendingWord));
        g.Raw.bsf(ecx, eax);
        g.Raw.je(done);
        g.Raw.@lock.btr(GuestAssembler.Dword(PendingWord), ecx);
        g.Raw.bts(GuestAssembler.Dword(seenPorts), ecx);
        g.Raw.jmp(next);
        g.Place(done);
        g.Raw.ret();
    }

    /// <summary>Blocks until the upcall has seen <see cref="waitedPort"/>. Masked while looking, or the wake-up could be lost.</summary>
    private void EmitWait()
    {
        g.Routine("wait_for_port");
        var again = g.NewLabel();
        var seen = g.NewLabel();
        g.Place(again);
        g.Raw.mov(GuestAssembler.Byte(UpcallMask), 1);
        g.Load32(R.C, GuestAssembler.Dword(waitedPort));
        g.Raw.bt(GuestAssembler.Dword(seenPorts), ecx);
        g.Raw.jb(seen);
        runtime.CheckedHypercall("sched_op(block)", HypercallNumber.sched_op, SchedOp.block, 0);
        g.Raw.jmp(again);
        g.Place(seen);
        g.Raw.mov(GuestAssembler.Byte(UpcallMask), 0);
        g.Raw.ret();
    }

    private void LoadStartInfo(StartInfoField field)
    {
        g.Load(R.A, g.Word(startInfo));
        g.Load(R.A, g.At(R.A, field));
    }

    private void LoadStartInfo32(StartInfoField field)
    {
        g.Load(R.A, g.Word(startInfo));
        g.Load32(R.A, g.At(R.A, field));
    }
}
