namespace XenSim.Guest.Memory;

/// <summary>Byte address after segmentation, before paging. Unit: bytes. SDM vol. 3A, 3.1.</summary>
public readonly record struct LinearAddress(ulong Value)
{
    public override string ToString() => $"linear 0x{Value:x}";
}

/// <summary>Byte address after paging, as the machine's memory bus sees it. Unit: bytes.</summary>
public readonly record struct PhysicalAddress(ulong Value)
{
    public ulong Frame => Value >> 12;

    public override string ToString() => $"physical 0x{Value:x}";
}
