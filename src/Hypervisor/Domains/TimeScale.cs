namespace XenSim.Hypervisor.Domains;

/// <summary>The factors of the guests' clock: ns = ((ticks &lt;&lt; shift) * mul) &gt;&gt; 32.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/time.c: set_time_scale.</remarks>
public static class TimeScale
{
    private const ulong Billion = 1_000_000_000;

    /// <param name="frequency">Unit: Hz.</param>
    public static (uint Mul, sbyte Shift) For(ulong frequency)
    {
        sbyte shift = 0;
        while (frequency > 2 * Billion)
        {
            frequency >>= 1;
            shift--;
        }

        while (frequency <= Billion)
        {
            frequency <<= 1;
            shift++;
        }

        return ((uint)((Billion << 32) / frequency), shift);
    }
}
