using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Grants;

/// <summary>Who uses a grant entry at the moment: struct active_grant_entry.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/grant_table.c: struct active_grant_entry, GNTPIN_*.</remarks>
public struct ActiveGrant
{
    // GNTPIN_*: four counters of eight bits.
    internal const uint HostWrite = 1;
    internal const uint HostRead = 1 << 8;
    internal const uint DeviceWrite = 1 << 16;
    internal const uint DeviceRead = 1 << 24;
    internal const uint WriteMask = 0x00FF_00FF;

    // The highest bit of each counter: one more use might wrap it.
    internal const uint OverflowMask = 0x8080_8080;

    /// <summary>Uses, four counts in one word: host writable, host read-only, device writable, device read-only, from the lowest byte on.</summary>
    public uint Pin;

    /// <summary>The domain that uses it; of meaning while <see cref="Pin"/> is not 0, like all below.</summary>
    public DomainId Domain;

    /// <summary>The frame granted.</summary>
    public Mfn Frame;

    /// <summary>Part of the page, of a sub-page grant. Unit: bytes.</summary>
    public ushort Start;
    public uint Length;

    /// <summary>A part of a page, or a grant passed on (transitive): to be copied only, not mapped.</summary>
    public bool IsSubPage;

    /// <summary>Where a transitive grant leads; otherwise the entry itself.</summary>
    public DomainId TransDomain;
    public uint TransReference;

    /// <summary>What <see cref="Pin"/> gains by one mapping.</summary>
    internal static uint PinOf(bool host, bool device, bool readOnly)
        => (host ? readOnly ? HostRead : HostWrite : 0) + (device ? readOnly ? DeviceRead : DeviceWrite : 0);
}
