using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>console_io: Xen's own console.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/drivers/char/console.c: do_console_io, guest_console_write.</remarks>
internal static class ConsoleIo
{
    /// <summary>Largest piece copied at a time: the buffer less a zero. Unit: bytes.</summary>
    private const int Chunk = 127;

    public static long Do(HypercallCall c)
    {
        // Only the hardware domain, unless the build is a verbose one.
        if (!c.Caller.IsHardwareDomain && !c.Xen.Options.DebugBuild)
            return XenErrno.EPERM.ToResult();
        return (ConsoleIoCommand)c.A1 switch
        {
            ConsoleIoCommand.write => Write(c),
            ConsoleIoCommand.read => Read(c),
            _ => XenErrno.ENOSYS.ToResult(),
        };
    }

    public static CallDescription About(HypercallCall c) => Call(XenNames.ConsoleIo((uint)c.A1), Arg("count", c.A2));

    /// <summary>What was typed on the serial line, as far as it has come.</summary>
    private static long Read(HypercallCall c)
    {
        byte[] bytes = c.Xen.TakeTyped((int)Math.Min((uint)c.A2, int.MaxValue));
        return bytes.Length == 0 || c.Memory.TryWrite(new VirtualAddress(c.A3), bytes) ? bytes.Length : XenErrno.EFAULT.ToResult();
    }

    private static long Write(HypercallCall c)
    {
        ulong count = (uint)c.A2;
        Span<byte> buffer = stackalloc byte[Chunk];
        for (ulong done = 0; done < count;)
        {
            if ((done != 0 || c.Xen.Profile.Release == XenRelease.V4_0) && c.ShouldPreempt)
                return c.Continue([(ulong)ConsoleIoCommand.write, count - done, c.A3 + done]);
            Span<byte> piece = buffer[..(int)Math.Min(count - done, Chunk)];
            if (!c.Memory.TryRead(new VirtualAddress(c.A3 + done), piece))
                return XenErrno.EFAULT.ToResult();
            c.Xen.Events.Emit(new ConsoleOutput(c.Caller.Id, "console_io", piece.ToArray()));
            done += (ulong)piece.Length;
        }

        return 0;
    }
}
