using System.Runtime.CompilerServices;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>
/// hypercall_create_continuation: a long call that stops because its vCPU has something else to do. The guest makes it again with the
/// arguments that are left; nothing of it stays in Xen.
/// </summary>
/// <remarks>
/// Source: RELEASE-4.0.4 xen/arch/x86/domain.c and RELEASE-4.17.0 xen/arch/x86/hypercall.c: hypercall_create_continuation; hypercall_preempt_check of
/// xen/include/xen/sched.h. A call takes no virtual time, so a timer does not fall due within it; what is due is due at its beginning, or raised by the call itself.
/// </remarks>
internal struct Continuation
{
    /// <summary>Length of <c>syscall</c> and <c>int $0x82</c>.</summary>
    private const int InstructionLength = 2;

    /// <summary>A hypercall page's stub.</summary>
    private const ulong StubSize = 32;

    private Words _arguments;

    /// <summary>Arguments that change; 0: the call is not continued.</summary>
    public int Count { get; private set; }

    public readonly ulong this[int argument] => _arguments[argument];

    public void Clear() => Count = 0;

    public void Set(ReadOnlySpan<ulong> arguments)
    {
        Count = arguments.Length;
        for (int i = 0; i < arguments.Length; i++)
            _arguments[i] = arguments[i];
    }

    /// <summary>hypercall_preempt_check: a softirq is pending, or an event that can be delivered to a PV guest.</summary>
    public static bool IsDue(Vcpu v)
        => v.Domain.Xen.Scheduler.SoftirqPending(v) || (!v.Domain.IsHvm && v.VcpuInfo is { Exists: true, UpcallPending: true, UpcallMask: false });

    /// <summary>The registers with which the guest makes the call again. Those of unchanged arguments keep what they have.</summary>
    public readonly void Resume(Vcpu v, uint number, ReadOnlySpan<Gpr> registers, ulong from)
    {
        v.Cpu[Gpr.Rax] = number;
        for (int i = 0; i < Count; i++)
            v.Cpu[registers[i]] = _arguments[i];
        bool farCall = v.Domain.Xen.Options.SupervisorModeKernel && !v.Domain.IsHvm;
        v.Cpu.Rip = farCall ? (v.Cpu.Rip - InstructionLength) & ~(StubSize - 1) : from;
    }

    /// <summary>
    /// Puts the arguments into a multicall's entry. The structure in which Xen keeps a 32-bit caller's entry is longer in Xen's own layout, and all six words
    /// are taken from that: 4.0 clears the rest, 4.17 leaves in it what an earlier continuation put there.
    /// </summary>
    /// <param name="kept">mc_state.call.args of this vCPU.</param>
    public readonly void Store(XenRelease release, Abi abi, Span<ulong> entry, Span<ulong> kept)
    {
        for (int i = 0; i < Count; i++)
            kept[i] = _arguments[i];
        if (abi == Abi.X64)
        {
            kept[..Count].CopyTo(entry);
            return;
        }

        // The second word lies where the entry's fifth and sixth are.
        if (Count == 1)
            kept[1] = entry[4];
        if (release == XenRelease.V4_0)
            kept[Count..].Clear();
        kept.CopyTo(entry);
    }

    [InlineArray(6)]
    private struct Words
    {
        private ulong _first;
    }
}
