using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>multicall: a list of calls, each with its own result.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/multicall.c: do_multicall.</remarks>
internal static class MulticallCall
{
    public static long Do(HypercallCall c)
    {
        if (c.Issuer == Issuer.Multicall || c.Vcpu is { InMulticall: true })
            return XenErrno.EINVAL.ToResult();
        HypercallCall element = c.Vcpu?.MulticallCall ?? new HypercallCall(c.Xen, c.Caller) { Memory = c.Memory, Issuer = Issuer.Multicall };
        int size = WireRecord.Size<MulticallEntry>(c.Abi);
        if (c.Vcpu is { } v)
            v.InMulticall = true;
        long result = Run(c, element, size);
        if (c.Vcpu is { } done)
            done.InMulticall = false;
        return result;
    }

    public static CallDescription About(HypercallCall c) => Call(null, Arg("nr_calls", c.A2));

    private static long Run(HypercallCall c, HypercallCall element, int size)
    {
        ulong count = (uint)c.A2;
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        for (ulong i = 0; i < count; i++)
        {
            VirtualAddress at = new(c.A1 + (i * (ulong)size));
            if ((i != 0 || v40) && c.ShouldPreempt)
                return c.Continue([at.Value, count - i]);
            if (!c.Memory.TryReadRecord(at, c.Abi, out MulticallEntry entry))
                return XenErrno.EFAULT.ToResult();
            if (entry.Op == (ulong)HypercallNumber.iret && !v40)
            {
                c.LeavesRegisters = true;
                element.Set((uint)entry.Op, c.Kind, 0, 0, 0, 0, 0, c.InstructionPointer);
                return c.Xen.Hypercalls.Dispatch(element);
            }

            element.Set((uint)Math.Min(entry.Op, HypercallTable.Count), c.Kind, entry.Args[0], entry.Args[1], entry.Args[2], entry.Args[3], entry.Args[4], c.InstructionPointer);
            long result = c.Xen.Hypercalls.Dispatch(element);
            if (!WriteResult(c.Memory, at, c.Abi, result))
                return XenErrno.EFAULT.ToResult();
            if (element.IsPreempted)
            {
                element.Continuation.Store(c.Xen.Profile.Release, c.Abi, entry.Args, c.Vcpu!.MulticallArguments);
                entry.Result = (ulong)result;
                return c.Memory.TryWriteRecord(at, c.Abi, entry) ? c.Continue([at.Value, count - i]) : XenErrno.EFAULT.ToResult();
            }

            if (c.Caller.IsShuttingDown)
                return 0;
        }

        return 0;
    }

    private static bool WriteResult(ICallerMemory memory, VirtualAddress entry, Abi abi, long result)
        => memory.TryWriteLong(new VirtualAddress(entry.Value + (ulong)abi.LongSize()), abi, (ulong)result);
}
