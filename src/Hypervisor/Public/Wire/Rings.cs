using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// io/console.h, io/xs_wire.h: the rings shared with xenconsoled and xenstored.

[XenStruct("xencons_interface", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 3088)]
public struct XenconsInterface
{
    [FieldOffset(0)] public Array1024<byte> In;
    [FieldOffset(1024)] public Array2048<byte> Out;
    [FieldOffset(3072)] public uint InCons;
    [FieldOffset(3076)] public uint InProd;
    [FieldOffset(3080)] public uint OutCons;
    [FieldOffset(3084)] public uint OutProd;
}

[XenStruct("xenstore_domain_interface", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 2064)]
public struct XenstoreDomainInterfaceV40
{
    [FieldOffset(0)] public Array1024<byte> Req;
    [FieldOffset(1024)] public Array1024<byte> Rsp;
    [FieldOffset(2048)] public uint ReqCons;
    [FieldOffset(2052)] public uint ReqProd;
    [FieldOffset(2056)] public uint RspCons;
    [FieldOffset(2060)] public uint RspProd;
}

[XenStruct("xenstore_domain_interface", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 2076)]
public struct XenstoreDomainInterfaceV417
{
    [FieldOffset(0)] public XenstoreDomainInterfaceV40 Common;
    [FieldOffset(2064)] public uint ServerFeatures;
    [FieldOffset(2068)] public uint Connection;
    [FieldOffset(2072)] public uint Error;
}

[XenStruct("xsd_sockmsg", Abis.Both, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 16)]
public struct XsdSockmsg
{
    [FieldOffset(0)] public uint Type;
    [FieldOffset(4)] public uint ReqId;
    [FieldOffset(8)] public uint TxId;
    [FieldOffset(12)] public uint Len;
}
