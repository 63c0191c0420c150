using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>The rows of both releases' hypercall tables.</summary>
internal static class HypercallRows
{
    public static IEnumerable<HypercallRow> Of40(bool host64)
    {
        _ = host64;
        foreach (HypercallNumber n in Enum.GetValues<HypercallNumber>())
            yield return Pending(n);
    }

    public static IEnumerable<HypercallRow> Of417() => Of40(true);

    private static HypercallRow Pending(HypercallNumber n)
    {
        HypercallHandler h = call =>
        {
            call.Xen.NotImplemented(n.ToString(), "hypercall not written yet", ours: true);
            return XenErrno.ENOSYS.ToResult();
        };
        return new HypercallRow { Number = (uint)n, Name = n.ToString(), Handlers = [h, h, h, h], ArgumentCount = (0, 0) };
    }
}
