using System.Text;
using Iced.Intel;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using static Iced.Intel.AssemblerRegisters;
using A = XenSim.Simulator.BuiltInGuests.HypercallArgument;
using R = XenSim.Simulator.BuiltInGuests.GuestRegister;

namespace XenSim.Simulator.BuiltInGuests;

/// <summary>
/// What two PV kernels say to each other, as a frontend and its backend do: d1 grants a page to d2 and offers it an event channel; d2 binds the
/// channel, maps the page, reads and answers, and notifies d1. They know each other by number; of the reference and the port d2 hears through xenstore, or it
/// takes the first reference and whichever port is kept for it.
/// </summary>
/// <param name="pages">Two pages of the image: the first for d1's grant table, the second granted by d1, and where d2 maps it.</param>
/// <param name="startInfo">Variable: address of start_info.</param>
/// <param name="waitedPort">Variable: the port that the routine wait_for_port waits for.</param>
internal sealed class PvExchange(GuestAssembler g, GuestRuntime runtime, ulong virtualBase, ulong pages, ulong startInfo, ulong waitedPort)
{
    private const ushort Granter = 1, User = 2;

    /// <summary>The first reference that is not the tools'.</summary>
    private const uint Reference = 8;
    private const string Greeting = "hello from d1", Answer = "and from d2";
    private const int PagePresentWritableUser = 7, InvalidatePage = 2;

    private const string ReferencePath = "data/ring-ref", PortPath = "data/event-channel";

    /// <summary>Null: they speak no xenstore.</summary>
    private PvStoreClient? store;

    private ulong Shared => pages + 0x1000;

    public void Emit(GuestTrial trial)
    {
        if (trial is GuestTrial.OfferInXenstore or GuestTrial.TakeFromXenstore)
        {
            store ??= new PvStoreClient(g, runtime, virtualBase, startInfo);
            store.FindRing();
        }

        if (trial is GuestTrial.GrantToD2 or GuestTrial.OfferInXenstore)
            EmitGranter();
        else
            EmitUser();
    }

    public void EmitRoutines() => store?.EmitRoutine();

    private void EmitGranter()
    {
        // struct gnttab_setup_table: u16 dom, u32 nr_frames, s16 status, handle of the frame list; struct grant_entry_v1: u16 flags, u16 domid, u32 frame.
        ulong frame = g.Data.Reserve(8), setup = g.Data.Word32(DomainId.Self.Value, 1, 0, 0, 0, 0);
        g.MoveAddress(R.A, frame);
        g.Store(g.Word(setup + (g.Wide ? 16ul : 12)), R.A);
        Grant("setup_table", GrantTableOp.setup_table, setup, statusAt: 8);
        MapTable(frame);
        WriteText(Greeting);
        LoadSharedFrame();
        g.Store32(GuestAssembler.Dword(pages + (Reference * 8) + 4), R.A);
        g.MoveImmediate(R.A, ((uint)User << 16) | (uint)GrantEntryFlags.permit_access);
        g.Store32(GuestAssembler.Dword(pages + (Reference * 8)), R.A);

        // struct evtchn_alloc_unbound: u16 dom, u16 remote_dom, u32 port.
        ulong alloc = g.Data.Word32(DomainId.Self.Value | ((uint)User << 16), 0);
        runtime.CheckedHypercall("event_channel_op(alloc_unbound)", HypercallNumber.event_channel_op, EventChannelOp.alloc_unbound, A.Address(alloc));
        g.Load32(R.A, GuestAssembler.Dword(alloc + 4));
        g.Store(g.Word(waitedPort), R.A);
        if (store is not null)
        {
            ulong reference = g.Data.Word32(Reference, 0);
            store.Write(ReferencePath, reference, Granter, User);
            store.Write(PortPath, waitedPort, Granter, User);
            runtime.Say($"xenstore: {ReferencePath} and {PortPath} say so to d{User}");
        }

        runtime.Say($"grant {Reference} and port ", Said.Number(waitedPort), $" are for d{User}: sched_op(block) until it answers");
        g.Call("wait_for_port");
        SayShared($"d{User} says: ");
    }

    private void EmitUser()
    {
        ulong reference = g.Data.Word32(Reference, 0);
        if (store is null)
            BindAny();
        else
            BindOffered(store, reference);

        // struct gnttab_map_grant_ref: u64 host_addr, u32 flags, u32 ref, u16 dom, s16 status, u32 handle, u64 dev_bus_addr.
        ulong map = g.Data.Word32(0, 0, (uint)GrantMapFlags.host_map, Reference, Granter, 0, 0, 0);
        g.MoveAddress(R.A, Shared);
        g.Store(g.Word(map), R.A);
        g.Load32(R.A, GuestAssembler.Dword(reference));
        g.Store32(GuestAssembler.Dword(map + 12), R.A);
        Grant("map_grant_ref", GrantTableOp.map_grant_ref, map, statusAt: 18);
        SayShared($"map_grant_ref: d{Granter} says: ");
        WriteText(Answer);

        // struct gnttab_unmap_grant_ref: u64 host_addr, u64 dev_bus_addr, u32 handle, s16 status.
        ulong unmap = g.Data.Word32(0, 0, 0, 0, 0, 0);
        g.MoveAddress(R.A, Shared);
        g.Store(g.Word(unmap), R.A);
        g.Load32(R.A, GuestAssembler.Dword(map + 20));
        g.Store32(GuestAssembler.Dword(unmap + 16), R.A);
        Grant("unmap_grant_ref", GrantTableOp.unmap_grant_ref, unmap, statusAt: 20);
        runtime.CheckedHypercall("event_channel_op(send)", HypercallNumber.event_channel_op, EventChannelOp.send, A.Address(waitedPort));
        runtime.Say($"unmap_grant_ref, event_channel_op(send): d{Granter} has my answer");
    }

    /// <summary>Binds the port of which xenstore tells.</summary>
    private void BindOffered(PvStoreClient from, ulong reference)
    {
        ulong port = g.Data.Reserve(8), bind = g.Data.Word32(Granter, 0, 0);
        from.Read($"/local/domain/{Granter}/{ReferencePath}", reference);
        from.Read($"/local/domain/{Granter}/{PortPath}", port);
        runtime.Say($"xenstore: d{Granter} offers grant ", Said.Number(reference), " and port ", Said.Number(port));
        g.Load32(R.A, GuestAssembler.Dword(port));
        g.Store32(GuestAssembler.Dword(bind + 4), R.A);
        runtime.CheckedHypercall($"event_channel_op(bind_interdomain) to d{Granter}", HypercallNumber.event_channel_op, EventChannelOp.bind_interdomain, A.Address(bind));
        g.Load32(R.A, GuestAssembler.Dword(bind + 8));
        g.Store(g.Word(waitedPort), R.A);
    }

    /// <summary>Binds the port that the granter keeps for this domain, whichever it is; until there is one, others run.</summary>
    private void BindAny()
    {
        // struct evtchn_bind_interdomain: u16 remote_dom, u32 remote_port, u32 local_port.
        ulong bind = g.Data.Word32(Granter, 0, 0);
        const int lastPort = 31, noDomain = -(int)XenErrno.ESRCH;
        Label again = g.NewLabel(), next = g.NewLabel(), bound = g.NewLabel();
        g.Place(again);
        g.Raw.mov(GuestAssembler.Dword(bind + 4), 0);
        g.Place(next);
        g.Raw.inc(GuestAssembler.Dword(bind + 4));
        runtime.Hypercall(HypercallNumber.event_channel_op, EventChannelOp.bind_interdomain, A.Address(bind));
        g.Test(R.A);
        g.Raw.je(bound);
        g.Raw.cmp(eax, noDomain);
        runtime.Fail($"event_channel_op(bind_interdomain) to d{Granter}", g.Raw.jne);
        g.Raw.cmp(GuestAssembler.Dword(bind + 4), lastPort);
        g.Raw.jb(next);
        runtime.Hypercall(HypercallNumber.sched_op, SchedOp.yield, 0);
        g.Raw.jmp(again);
        g.Place(bound);
        g.Load32(R.A, GuestAssembler.Dword(bind + 8));
        g.Store(g.Word(waitedPort), R.A);
        ulong remote = g.Data.Reserve(8);
        g.Load32(R.A, GuestAssembler.Dword(bind + 4));
        g.Store(g.Word(remote), R.A);
        runtime.Say($"event_channel_op(bind_interdomain): my port ", Said.Number(waitedPort), $" is d{Granter}'s ", Said.Number(remote));
    }

    private void Grant(string name, GrantTableOp op, ulong argument, int statusAt)
    {
        runtime.CheckedHypercall($"grant_table_op({name})", HypercallNumber.grant_table_op, op, A.Address(argument), 1);
        if (g.Wide)
            g.Raw.movsx(rax, __word_ptr[argument + (ulong)statusAt]);
        else
            g.Raw.movsx(eax, __word_ptr[argument + (ulong)statusAt]);
        g.Store(g.Word(runtime.Result), R.A);
        g.Test(R.A);
        runtime.Fail($"grant_table_op({name})", g.Raw.je);
    }

    private void MapTable(ulong frame)
    {
        ulong entry = g.Data.Reserve(8), va = g.Data.Reserve(8);
        g.Load(R.A, g.Word(frame));
        g.ShiftLeft(R.A, 12);
        g.Or(R.A, PagePresentWritableUser);
        g.Store(g.Word(entry), R.A);
        g.MoveAddress(R.A, pages);
        g.Store(g.Word(va), R.A);
        if (g.Wide)
            runtime.CheckedHypercall("update_va_mapping(grant table)", HypercallNumber.update_va_mapping, A.Variable(va), A.Variable(entry), InvalidatePage);
        else
            runtime.CheckedHypercall("update_va_mapping(grant table)", HypercallNumber.update_va_mapping, A.Variable(va), A.Variable(entry), A.Variable(entry + 4), InvalidatePage);
        runtime.Say("setup_table, update_va_mapping: my grant table is mapped at ", Said.Hex(va));
    }

    /// <summary>The machine frame of the page to be granted, from the p2m list.</summary>
    private void LoadSharedFrame()
    {
        int page = (int)((Shared - virtualBase) >> 12);
        g.Load(R.A, g.Word(startInfo));
        g.Load(R.D, g.At(R.A, StartInfoField.MfnList));
        g.Load(R.A, g.At(R.D, page * g.WordSize));
    }

    private void WriteText(string text)
    {
        byte[] bytes = [.. Encoding.ASCII.GetBytes(text), 0];
        g.MoveAddress(R.Si, g.Data.Place(bytes, 1));
        g.MoveAddress(R.Di, Shared);
        g.MoveImmediate(R.C, (ulong)bytes.Length);
        g.Raw.rep.movsb();
    }

    private void SayShared(string before)
    {
        ulong pointer = g.Data.Reserve(8);
        g.MoveAddress(R.A, Shared);
        g.Store(g.Word(pointer), R.A);
        runtime.Say(before, Said.CString(pointer));
    }
}
