using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>Does a hypercall; the result is the result register's value.</summary>
public delegate long HypercallHandler(HypercallCall call);

/// <summary>Says what a call is about, without side effects.</summary>
public delegate CallDescription HypercallDescriber(HypercallCall call);

/// <summary>One hypercall: a row of the table.</summary>
public sealed record HypercallRow
{
    public required uint Number { get; init; }

    /// <summary>Xen's name without <c>__HYPERVISOR_</c>; holes are <c>hole11</c>, <c>arch_2</c> …</summary>
    public required string Name { get; init; }

    /// <summary>Handlers by <see cref="CallerKind"/>; null = -ENOSYS, as for an unknown number.</summary>
    public required IReadOnlyList<HypercallHandler?> Handlers { get; init; }

    /// <summary>Declared number of arguments by width of the caller (32, 64): what a debug build clobbers.</summary>
    public required (int X32, int X64) ArgumentCount { get; init; }

    public HypercallDescriber Describe { get; init; } = static _ => CallDescription.None;
}

/// <summary>The hypercall table of one release: number × kind of caller, every row present, holes too.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 xen/arch/x86/x86_32/entry.S, x86_64/entry.S, x86_64/compat/entry.S: hypercall_table and
/// hypercall_args_table, hvm/hvm.c: hvm_hypercall32_table, hvm_hypercall64_table; stable-4.17 xen/include/hypercall-defs.c.
/// </remarks>
public sealed class HypercallTable
{
    /// <summary>NR_hypercalls.</summary>
    public const uint Count = 64;

    private readonly HypercallRow[] _rows = new HypercallRow[Count];

    private HypercallTable(XenRelease release, bool host64)
    {
        for (uint n = 0; n < Count; n++)
            _rows[n] = Hole(n);
        foreach (HypercallRow row in release == XenRelease.V4_0 ? HypercallRows.Of40(host64) : HypercallRows.Of417())
            _rows[row.Number] = row;
    }

    public IReadOnlyList<HypercallRow> Rows => _rows;

    /// <summary>The row of a number below <see cref="Count"/>.</summary>
    public HypercallRow this[uint number] => _rows[number];

    public static HypercallTable For(XenRelease release, bool host64) => new(release, host64);

    private static HypercallRow Hole(uint number) => new()
    {
        Number = number,
        Name = number is >= 48 and <= 55 ? $"arch_{number - 48}" : $"hole{number}",
        Handlers = [null, null, null, null],
        ArgumentCount = (0, 0),
    };
}
