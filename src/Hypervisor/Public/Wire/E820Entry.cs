using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

/// <summary>
/// Entry of the maps that memory_op moves, packed to 20 bytes in every ABI. The headers leave the buffer's type open;
/// source: stable-4.17 tools/include/xenctrl.h, struct e820entry.
/// </summary>
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 20)]
public struct E820Entry
{
    [FieldOffset(0)] public ulong Addr;
    [FieldOffset(8)] public ulong Size;
    [FieldOffset(16)] public uint Type;
}
