using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// callback.h, nmi.h, version.h.

[XenStruct("xen_callback", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct XenCallback
{
    [FieldOffset(0)] public uint Cs;
    [FieldOffset(4)] public uint Eip;
}

[XenStruct("callback_register", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 12)]
public struct CallbackRegister32
{
    [FieldOffset(0)] public ushort Type;
    [FieldOffset(2)] public ushort Flags;
    [FieldOffset(4)] public XenCallback Address;
}

[XenStruct("callback_register", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct CallbackRegister64
{
    [FieldOffset(0)] public ushort Type;
    [FieldOffset(2)] public ushort Flags;
    [FieldOffset(8)] public ulong Address;
}

[XenStruct("callback_unregister", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct CallbackUnregister
{
    [FieldOffset(0)] public ushort Type;
}

[XenStruct("xennmi_callback", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct XennmiCallback32
{
    [FieldOffset(0)] public uint HandlerAddress;
}

[XenStruct("xennmi_callback", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct XennmiCallback64
{
    [FieldOffset(0)] public ulong HandlerAddress;
}

[XenStruct("xen_compile_info", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 144)]
public struct CompileInfo
{
    [FieldOffset(0)] public Array64<byte> Compiler;
    [FieldOffset(64)] public Array16<byte> CompileBy;
    [FieldOffset(80)] public Array32<byte> CompileDomain;
    [FieldOffset(112)] public Array32<byte> CompileDate;
}

[XenStruct("xen_platform_parameters", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct PlatformParameters32
{
    [FieldOffset(0)] public uint VirtStart;
}

[XenStruct("xen_platform_parameters", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct PlatformParameters64
{
    [FieldOffset(0)] public ulong VirtStart;
}

[XenStruct("xen_feature_info", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 8)]
public struct FeatureInfo
{
    [FieldOffset(0)] public uint SubmapIdx;
    [FieldOffset(4)] public uint Submap;
}

[XenStruct("xen_build_id", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct BuildId
{
    [FieldOffset(0)] public uint Len;
}
