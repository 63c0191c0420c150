using System.Buffers.Binary;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Domains;

/// <summary>Where the fields of shared_info and vcpu_info are, by width of the guest's long. Unit: bytes.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/include/public/xen.h, compiled; equal in both releases for these fields.</remarks>
public sealed record SharedInfoLayout(
    int Bits, int EvtchnPending, int EvtchnMask, int WcVersion, int ArchMaxPfn, int PendingSel, int Cr2, int WcSecHi)
{
    public const int VcpuInfoSize = 64;

    /// <summary>vcpu_info slots that lie in shared_info (XEN_LEGACY_MAX_VCPUS).</summary>
    public const int LegacyVcpus = 32;

    public const int TimeOffset = 32;

    public static readonly SharedInfoLayout X64 = new(64, 2048, 2560, 3072, 3088, 8, 16, 3084);
    public static readonly SharedInfoLayout X32 = new(32, 2048, 2176, 2304, 2316, 4, 8, 2340);

    /// <summary>NR_EVENT_CHANNELS of the two-level ABI: one bit for each bit of each selector word.</summary>
    public int EventChannels => Bits * Bits;
}

/// <summary>A domain's shared_info page and its vcpu_info structures, read and written as the guest lays them out.</summary>
public sealed class SharedInfo
{
    private readonly PhysicalMemory _memory;

    internal SharedInfo(PhysicalMemory memory, Mfn frame, SharedInfoLayout layout)
    {
        _memory = memory;
        Frame = frame;
        Layout = layout;
    }

    public Mfn Frame { get; }

    /// <summary>Follows the guest's ABI: set_address_size changes it.</summary>
    public SharedInfoLayout Layout { get; internal set; }

    public Span<byte> Bytes => _memory.Writable(Frame.Value);

    public bool IsPending(uint port) => TestBit(Layout.EvtchnPending, port);

    public bool IsMasked(uint port) => TestBit(Layout.EvtchnMask, port);

    /// <summary>Sets the pending bit; false if it was set already.</summary>
    internal bool TrySetPending(uint port) => TrySetBit(Layout.EvtchnPending, port);

    internal void ClearPending(uint port) => TryClearBit(Layout.EvtchnPending, port);

    /// <summary>Clears the mask bit; false if it was clear already.</summary>
    internal bool TryUnmask(uint port) => TryClearBit(Layout.EvtchnMask, port);

    internal void Mask(uint port) => TrySetBit(Layout.EvtchnMask, port);

    private bool TestBit(int start, uint bit) => (Bytes[start + (int)(bit >> 3)] >> (int)(bit & 7) & 1) != 0;

    private bool TrySetBit(int start, uint bit)
    {
        ref byte b = ref Bytes[start + (int)(bit >> 3)];
        byte mask = (byte)(1 << (int)(bit & 7));
        bool changed = (b & mask) == 0;
        b |= mask;
        return changed;
    }

    private bool TryClearBit(int start, uint bit)
    {
        ref byte b = ref Bytes[start + (int)(bit >> 3)];
        byte mask = (byte)(1 << (int)(bit & 7));
        bool changed = (b & mask) != 0;
        b &= (byte)~mask;
        return changed;
    }
}

/// <summary>One vCPU's vcpu_info: in shared_info, or where VCPUOP_register_vcpu_info put it.</summary>
internal readonly struct VcpuInfo(PhysicalMemory memory, Mfn frame, int offset)
{
    public Mfn Frame { get; } = frame;

    public int Offset { get; } = offset;

    /// <summary>False: a vCPU beyond slot 31 without a registered vcpu_info.</summary>
    public bool Exists => memory is not null;

    public Span<byte> Bytes => memory.Writable(Frame.Value).Slice(Offset, SharedInfoLayout.VcpuInfoSize);

    public bool UpcallPending => Bytes[0] != 0;

    public bool UpcallMask
    {
        get => Bytes[1] != 0;
        set => Bytes[1] = value ? (byte)1 : (byte)0;
    }

    /// <summary>vcpu_mark_events_pending: true if it was not marked before.</summary>
    public bool MarkPending()
    {
        Span<byte> b = Bytes;
        bool changed = b[0] == 0;
        b[0] = 1;
        return changed;
    }

    /// <summary>Sets the selector bit; true if it was clear.</summary>
    public bool SetSelector(SharedInfoLayout layout, uint port)
    {
        int word = (int)port / layout.Bits;
        ref byte b = ref Bytes[layout.PendingSel + (word >> 3)];
        byte mask = (byte)(1 << (word & 7));
        bool changed = (b & mask) == 0;
        b |= mask;
        return changed;
    }

    public void SetCr2(SharedInfoLayout layout, ulong value)
    {
        Span<byte> cr2 = Bytes[layout.Cr2..];
        if (layout.Bits == 64)
            BinaryPrimitives.WriteUInt64LittleEndian(cr2, value);
        else
            BinaryPrimitives.WriteUInt32LittleEndian(cr2, (uint)value);
    }
}
