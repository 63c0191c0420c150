using System.Buffers.Binary;

namespace XenSim.Guest.Cpu;

public sealed unsafe partial class VirtualCpu
{
    /// <summary>The 512-byte FXSAVE image of x87, MMX and SSE state. SDM vol. 1, table 10-2 (64-bit layout).</summary>
    /// <exception cref="ArgumentException">The image is shorter than 512 bytes.</exception>
    public void SaveFx(Span<byte> image)
    {
        if (image.Length < 512)
            throw new ArgumentException("an FXSAVE image has 512 bytes", nameof(image));
        // SAFETY: the span is at least 512 bytes and pinned while written.
        fixed (byte* p = image)
        {
            image[..512].Clear();
            FxImage.Save(_s, p, true);
        }
    }

    /// <summary>The inverse of <see cref="SaveFx"/>. Reserved bits of MXCSR are dropped.</summary>
    /// <exception cref="ArgumentException">The image is shorter than 512 bytes.</exception>
    public void LoadFx(ReadOnlySpan<byte> image)
    {
        if (image.Length < 512)
            throw new ArgumentException("an FXSAVE image has 512 bytes", nameof(image));
        // SAFETY: as in SaveFx.
        fixed (byte* p = image)
            FxImage.Load(_s, p, true);
        _s->Mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(image[24..]) & FxImage.MxcsrMask;
    }
}

/// <summary>The FXSAVE layout. SDM vol. 1, 10.5.1.</summary>
internal static unsafe class FxImage
{
    public const uint MxcsrMask = 0xFFFF;

    /// <param name="wide">64-bit instruction and data pointers, and XMM8-15.</param>
    public static void Save(CpuState* s, byte* p, bool wide)
    {
        *(ushort*)p = s->X87Control;
        *(ushort*)(p + 2) = s->X87Status;
        p[4] = (byte)s->X87Tags;
        *(ushort*)(p + 6) = s->X87Opcode;
        *(ulong*)(p + 8) = s->X87InstructionPointer;
        *(ulong*)(p + 16) = s->X87DataPointer;
        *(uint*)(p + 24) = s->Mxcsr;
        *(uint*)(p + 28) = MxcsrMask;
        // ST(0) first: physical register TOP. Each takes 16 bytes of which 10 count.
        int top = (s->X87Status >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            int r = (top + i) & 7;
            *(ulong*)(p + 32 + (i * 16)) = s->X87[r * 2];
            *(ulong*)(p + 40 + (i * 16)) = (ushort)s->X87[(r * 2) + 1];
        }

        for (int i = 0; i < (wide ? 32 : 16); i++)
            *(ulong*)(p + 160 + (i * 8)) = s->Xmm[i];
    }

    public static void Load(CpuState* s, byte* p, bool wide)
    {
        s->X87Control = *(ushort*)p;
        s->X87Status = *(ushort*)(p + 2);
        s->X87Tags = p[4];
        s->X87Opcode = (ushort)(*(ushort*)(p + 6) & 0x7FF);
        s->X87InstructionPointer = *(ulong*)(p + 8);
        s->X87DataPointer = *(ulong*)(p + 16);
        s->Mxcsr = *(uint*)(p + 24);
        int top = (s->X87Status >> 11) & 7;
        for (int i = 0; i < 8; i++)
        {
            int r = (top + i) & 7;
            s->X87[r * 2] = *(ulong*)(p + 32 + (i * 16));
            s->X87[(r * 2) + 1] = *(ushort*)(p + 40 + (i * 16));
        }

        for (int i = 0; i < (wide ? 32 : 16); i++)
            s->Xmm[i] = *(ulong*)(p + 160 + (i * 8));
    }
}
