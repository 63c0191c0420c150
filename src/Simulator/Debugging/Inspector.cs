using System.Buffers.Binary;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Simulator.Session;

namespace XenSim.Simulator.Debugging;

/// <summary>
/// Reads the state that a session is held in, and sets parts of it. Reading changes nothing, not even an accessed bit. What it gives out is of this
/// moment: it must not be kept across a step.
/// </summary>
/// <param name="boot">The session as it is now: going back may exchange it.</param>
public sealed class Inspector(Func<BootSession> boot)
{
    private VcpuId? _selected;

    public Xen Xen => boot().Xen;

    public BootSession Session => boot();

    /// <summary>Names of the guest's addresses.</summary>
    public Symbols Symbols { get; internal set; } = Symbols.None;

    /// <summary>Linux' unwinding table of the guest's kernel.</summary>
    internal Func<OrcTable?> Unwinding { get; set; } = () => null;

    private GuestStack Frames => field ??= new GuestStack(this, () => Unwinding());

    /// <summary>The functions of a guest that are open, innermost first; what is a guess says so.</summary>
    public IReadOnlyList<GuestFrame> StackOf(Vcpu vcpu) => Frames.Of(vcpu);

    /// <summary>The caller of the function that a vCPU is in; null: there is none that is sure.</summary>
    internal GuestFrame? CallerOf(Vcpu vcpu) => Frames.CallerOf(vcpu);

    /// <summary>The vCPU that runs, or whose exit is being handled.</summary>
    public Vcpu? Running => Xen.Scheduler.Running;

    /// <summary>The vCPU that is looked at: the one chosen, else the running one, else the guest's first. Null: there is none yet.</summary>
    public Vcpu? Selected => (_selected is { } id ? Find(id) : null) ?? Running ?? (boot().FindSubject() is { Vcpus.Count: > 0 } d ? d.Vcpus[0] : null);

    /// <summary>Every vCPU there is, in order of domains and numbers.</summary>
    public IEnumerable<Vcpu> Vcpus => Xen.Domains.SelectMany(d => d.Vcpus);

    public Vcpu? Find(VcpuId id) => Xen.FindDomain(id.Domain)?.Vcpus.FirstOrDefault(v => v.Id == id.Vcpu);

    /// <summary>Chooses a vCPU to look at; null: whichever runs. It is forgotten when the session next runs.</summary>
    public void Select(VcpuId? vcpu) => _selected = vcpu;

    /// <summary>Reads as much as is mapped; false: not all of it.</summary>
    public bool TryRead(AddressSpace space, ulong address, Span<byte> destination, Vcpu? vcpu = null)
    {
        while (destination.Length > 0)
        {
            int n = (int)Math.Min((ulong)destination.Length, 4096 - (address & 0xFFF));
            if (MachineAddressOf(space, address, vcpu) is not { } machine || !Xen.Memory.TryRead(machine, destination[..n]))
                return false;
            destination = destination[n..];
            address += (ulong)n;
        }

        return true;
    }

    /// <summary>Where an address is in machine memory now; null: nowhere.</summary>
    public PhysicalAddress? MachineAddressOf(AddressSpace space, ulong address, Vcpu? vcpu = null)
    {
        switch (space)
        {
            case AddressSpace.Machine:
                return address >> 12 < Xen.Memory.FrameCount ? new PhysicalAddress(address) : null;
            case AddressSpace.GuestPhysical:
                return (vcpu ?? Selected)?.Domain is { } d && GuestView.FrameOf(d, address >> 12) is { } mfn ? new PhysicalAddress((mfn.Value << 12) | (address & 0xFFF)) : null;
            default:
                // Nothing that is mapped is hidden; a user page may be kept from the kernel (SMAP).
                return (vcpu ?? Selected) is { } v
                    && (v.Cpu.TryTranslate(new LinearAddress(address), AccessKind.Read, 0, out PhysicalAddress physical, out _)
                        || v.Cpu.TryTranslate(new LinearAddress(address), AccessKind.Read, 3, out physical, out _)) ? physical : null;
        }
    }

    /// <summary>The guest's frame number of a machine frame, if the frame is a guest's.</summary>
    public Pfn? PseudoPhysicalOf(Mfn mfn) => Xen.Frames.IsValid(mfn) && Xen.M2p.Get(mfn) is var pfn && pfn != Pfn.Invalid ? pfn : null;

    /// <summary>What a condition can name: registers, symbols, and the arguments of the hypercall that the event is about.</summary>
    public IExpressionScope Scope(XenEvent? e = null) => new StateScope(this, e);

    /// <summary>Bytes of a watched thing now; empty: nothing is there.</summary>
    internal byte[] ValueOf(StopPoint point, Vcpu? vcpu)
    {
        switch (point)
        {
            case MemoryWatch w:
                byte[] bytes = new byte[w.Length];
                return TryRead(w.Space, w.Address, bytes, WatcherOf(vcpu)) ? bytes : [];
            case RegisterWatch r when (r.Vcpu is { } id ? Find(id) : vcpu) is { } of && RegisterFile.TryRead(of.Cpu, r.Register, out ulong value):
                return BitConverter.GetBytes(value);
            default:
                return [];
        }
    }

    /// <summary>The range that vCPUs have to tell accesses of; null: there is none now.</summary>
    internal WatchedRange? RangeOf(MemoryWatch watch)
    {
        (bool reads, bool writes) = watch.Kind switch { WatchKind.Read => (true, false), WatchKind.Access => (true, true), _ => (false, true) };
        if (watch.Space == AddressSpace.Virtual)
            return new WatchedRange(WatchSpace.Linear, watch.Address, (ulong)watch.Length, reads, writes);
        return MachineAddressOf(watch.Space, watch.Address) is { } at ? new WatchedRange(WatchSpace.Physical, at.Value, (ulong)watch.Length, reads, writes) : null;
    }

    /// <summary>Virtual addresses are those of the guest, also while another vCPU or none runs.</summary>
    private Vcpu? WatcherOf(Vcpu? vcpu) => vcpu ?? Selected;

    private sealed class StateScope(Inspector inspector, XenEvent? e) : IExpressionScope
    {
        public int PointerSize => inspector.Selected is { } v && v.Cpu.CodeBits != 64 ? 4 : 8;

        public IEnumerable<string> Names => [.. Arguments.Select(a => a.Name), .. RegisterFile.Names, .. inspector.Symbols.Names];

        private IReadOnlyList<Argument> Arguments => (e as HypercallEntered)?.Arguments ?? [];

        public bool TryName(string name, out ulong value)
        {
            value = 0;
            foreach (Argument a in Arguments)
            {
                if (a.Name == name)
                {
                    value = a.Value;
                    return true;
                }
            }

            if (TryField(name, out value))
                return true;
            if (!name.StartsWith('$') && inspector.Symbols.TryFind(name, out Symbol symbol))
            {
                value = symbol.Address;
                return true;
            }

            return inspector.Selected is { } v && RegisterFile.TryRead(v.Cpu, name, out value);
        }

        public bool TryRead(ulong address, int size, out ulong value)
        {
            Span<byte> bytes = stackalloc byte[8];
            bytes.Clear();
            bool read = inspector.TryRead(AddressSpace.Virtual, address, bytes[..size]);
            value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            return read;
        }

        /// <summary>What an event has besides a hypercall's arguments.</summary>
        private bool TryField(string name, out ulong value)
        {
            ulong? found = (name, e) switch
            {
                ("result", HypercallReturned r) => (ulong)r.Result,
                ("domain", HypercallEntered { Target: { } t }) => t.Value,
                ("domain", HypercallReturned { Target: { } t }) => t.Value,
                ("caller", HypercallEntered h) => h.Caller.Value,
                ("caller", HypercallReturned h) => h.Caller.Value,
                ("vector", GuestException x) => x.Vector,
                ("error", GuestException x) => x.ErrorCode,
                ("address", GuestException x) => x.FaultAddress,
                ("index", PrivilegedAccess a) => a.Index,
                ("value", PrivilegedAccess a) => a.Value,
                ("port", EventChannelChanged c) => c.Port,
                ("reason", DomainShutdown s) => s.Reason,
                ("code", StageFailed s) => (ulong)s.Code,
                _ => null,
            };
            value = found ?? 0;
            return found is not null;
        }
    }
}
