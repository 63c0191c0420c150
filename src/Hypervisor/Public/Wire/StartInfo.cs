using System.Runtime.InteropServices;

namespace XenSim.Hypervisor.Public.Wire;

// xen.h, arch-x86/xen.h: what a PV kernel finds in its start_info page.

[XenStruct("start_info", Abis.X32, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 1112)]
public struct StartInfo32
{
    [FieldOffset(0)] public Array32<byte> Magic;
    [FieldOffset(32)] public uint NrPages;
    [FieldOffset(36)] public uint SharedInfo;
    [FieldOffset(40)] public uint Flags;
    [FieldOffset(44)] public uint StoreMfn;
    [FieldOffset(48)] public uint StoreEvtchn;
    [FieldOffset(52)] public uint ConsoleDomUMfn;
    [FieldOffset(56)] public uint ConsoleDomUEvtchn;
    [FieldOffset(52)] public uint ConsoleDom0InfoOff;
    [FieldOffset(56)] public uint ConsoleDom0InfoSize;
    [FieldOffset(60)] public uint PtBase;
    [FieldOffset(64)] public uint NrPtFrames;
    [FieldOffset(68)] public uint MfnList;
    [FieldOffset(72)] public uint ModStart;
    [FieldOffset(76)] public uint ModLen;
    [FieldOffset(80)] public Array1024<byte> CmdLine;
    [FieldOffset(1104)] public uint FirstP2mPfn;
    [FieldOffset(1108)] public uint NrP2mFrames;
}

[XenStruct("start_info", Abis.X64, Releases.Both)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 1168)]
public struct StartInfo64
{
    [FieldOffset(0)] public Array32<byte> Magic;
    [FieldOffset(32)] public ulong NrPages;
    [FieldOffset(40)] public ulong SharedInfo;
    [FieldOffset(48)] public uint Flags;
    [FieldOffset(56)] public ulong StoreMfn;
    [FieldOffset(64)] public uint StoreEvtchn;
    [FieldOffset(72)] public ulong ConsoleDomUMfn;
    [FieldOffset(80)] public uint ConsoleDomUEvtchn;
    [FieldOffset(72)] public uint ConsoleDom0InfoOff;
    [FieldOffset(76)] public uint ConsoleDom0InfoSize;
    [FieldOffset(88)] public ulong PtBase;
    [FieldOffset(96)] public ulong NrPtFrames;
    [FieldOffset(104)] public ulong MfnList;
    [FieldOffset(112)] public ulong ModStart;
    [FieldOffset(120)] public ulong ModLen;
    [FieldOffset(128)] public Array1024<byte> CmdLine;
    [FieldOffset(1152)] public ulong FirstP2mPfn;
    [FieldOffset(1160)] public ulong NrP2mFrames;
}

[XenStruct("dom0_vga_console_info", Abis.Both, Releases.V4_0)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 36)]
public struct Dom0VgaConsoleInfoV40
{
    [FieldOffset(0)] public byte VideoType;
    [FieldOffset(4)] public ushort TextMode3FontHeight;
    [FieldOffset(6)] public ushort TextMode3CursorX;
    [FieldOffset(8)] public ushort TextMode3CursorY;
    [FieldOffset(10)] public ushort TextMode3Rows;
    [FieldOffset(12)] public ushort TextMode3Columns;
    [FieldOffset(4)] public ushort VesaLfbWidth;
    [FieldOffset(6)] public ushort VesaLfbHeight;
    [FieldOffset(8)] public ushort VesaLfbBytesPerLine;
    [FieldOffset(10)] public ushort VesaLfbBitsPerPixel;
    [FieldOffset(12)] public uint VesaLfbLfbBase;
    [FieldOffset(16)] public uint VesaLfbLfbSize;
    [FieldOffset(20)] public byte VesaLfbRedPos;
    [FieldOffset(21)] public byte VesaLfbRedSize;
    [FieldOffset(22)] public byte VesaLfbGreenPos;
    [FieldOffset(23)] public byte VesaLfbGreenSize;
    [FieldOffset(24)] public byte VesaLfbBluePos;
    [FieldOffset(25)] public byte VesaLfbBlueSize;
    [FieldOffset(26)] public byte VesaLfbRsvdPos;
    [FieldOffset(27)] public byte VesaLfbRsvdSize;
    [FieldOffset(28)] public uint VesaLfbGblCaps;
    [FieldOffset(32)] public ushort VesaLfbModeAttrs;
}

[XenStruct("dom0_vga_console_info", Abis.Both, Releases.V4_17)]
[StructLayout(LayoutKind.Explicit, Pack = 1, Size = 40)]
public struct Dom0VgaConsoleInfoV417
{
    [FieldOffset(0)] public Dom0VgaConsoleInfoV40 Common;
    [FieldOffset(36)] public uint VesaLfbExtLfbBase;
}
