using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// callback.h, nmi.h, version.h.

[XenStruct("callback_unregister", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 4)]
public struct CallbackUnregister
{
    [FieldOffset(0)] public ushort Type;
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
