using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Hypercalls;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Traps;

/// <summary>The register conventions of each way into a hypercall.</summary>
/// <remarks>Source: RELEASE-4.0.4 x86_32/entry.S, x86_64/entry.S, x86_64/compat/entry.S, hvm/hvm.c; stable-4.17 pv/hypercall.c, hvm/hypercall.c.</remarks>
internal static class HypercallEntry
{
    /// <summary>Set by the stub of the Viridian page.</summary>
    private const ulong ViridianCall = 1u << 31;

    private static readonly Gpr[] _arguments64 = [Gpr.Rdi, Gpr.Rsi, Gpr.Rdx, Gpr.R10, Gpr.R8];
    private static readonly Gpr[] _arguments32 = [Gpr.Rbx, Gpr.Rcx, Gpr.Rdx, Gpr.Rsi, Gpr.Rdi];

    /// <summary>syscall of a 64-bit PV kernel: RCX and R11 as the CPU leaves them, all of RAX is the number.</summary>
    public static void Syscall(Vcpu v, ulong nextRip)
    {
        VirtualCpu cpu = v.Cpu;
        ulong from = cpu.Rip;
        cpu[Gpr.Rcx] = nextRip;
        cpu[Gpr.R11] = cpu.Rflags;
        cpu.Rip = nextRip;
        Call(v, CallerKind.Pv64, cpu[Gpr.Rax], _arguments64, from);
    }

    /// <summary>int $0x82 of a 32-bit PV kernel, and the far call of a ring 0 one.</summary>
    public static void Int82(Vcpu v, ulong from) => Call(v, CallerKind.Pv32, (uint)v.Cpu[Gpr.Rax], _arguments32, from);

    /// <summary>vmcall, vmmcall.</summary>
    public static void Hardware(Vcpu v, ulong nextRip)
    {
        VirtualCpu cpu = v.Cpu;
        HvmGuestMode mode = HvmHypercallRules.Mode(cpu);
        ulong from = cpu.Rip;
        cpu.Rip = nextRip;
        XenRelease release = v.Domain.Xen.Profile.Release;
        if (!HvmHypercallRules.MayCall(release, mode, cpu.Cpl))
        {
            SetResult(v, mode == HvmGuestMode.Long, XenErrno.EPERM.ToResult());
            return;
        }

        if ((cpu[Gpr.Rax] & ViridianCall) != 0 && Viridian.IsOn(v.Domain))
        {
            Viridian.Hypercall(v, mode);
            return;
        }

        bool wide = mode == HvmGuestMode.Long;
        Call(v, wide ? CallerKind.Hvm64 : CallerKind.Hvm32, HvmHypercallRules.Number(release, mode, cpu[Gpr.Rax]), wide ? _arguments64 : _arguments32, from);
    }

    private static void Call(Vcpu v, CallerKind kind, ulong number, Gpr[] registers, ulong from)
    {
        VirtualCpu cpu = v.Cpu;
        HypercallCall c = v.Call;
        bool wide = kind is CallerKind.Pv64 or CallerKind.Hvm64;
        ulong mask = wide ? ulong.MaxValue : uint.MaxValue;
        uint n = (uint)Math.Min(number, uint.MaxValue);
        c.Set(n, kind, cpu[registers[0]] & mask, cpu[registers[1]] & mask, cpu[registers[2]] & mask, cpu[registers[3]] & mask, cpu[registers[4]] & mask, from);
        long result = v.Domain.Xen.Hypercalls.Dispatch(c);
        if (c.LeavesRegisters || v.State == VcpuState.Crashed)
            return;
        if (c.IsPreempted)
        {
            c.Continuation.Resume(v, n, registers, from);
            return;
        }

        SetResult(v, wide, result);
        Clobber(v, kind, n, registers, result);
    }

    private static void SetResult(Vcpu v, bool wide, long result) => v.Cpu[Gpr.Rax] = wide ? (ulong)result : (uint)result;

    /// <summary>Debug builds overwrite the argument registers that the call declares.</summary>
    private static void Clobber(Vcpu v, CallerKind kind, uint number, Gpr[] registers, long result)
    {
        Xen xen = v.Domain.Xen;
        bool hvm40 = xen.Profile.Release == XenRelease.V4_0 && kind is CallerKind.Hvm32 or CallerKind.Hvm64;
        if (!xen.Options.DebugBuild || hvm40 || number >= HypercallTable.Count || (xen.Profile.ClobberSkipsNoSys && result == XenErrno.ENOSYS.ToResult()))
            return;
        bool wide = kind is CallerKind.Pv64 or CallerKind.Hvm64;
        (int X32, int X64) count = xen.Hypercalls.Table[number].ArgumentCount;
        for (int i = 0; i < Math.Min(wide ? count.X64 : count.X32, registers.Length); i++)
            v.Cpu[registers[i]] = wide ? xen.Profile.ClobberValue64 : xen.Profile.ClobberValue;
    }
}
