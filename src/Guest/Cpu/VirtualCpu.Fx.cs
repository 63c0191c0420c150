using System.Buffers.Binary;
using XenSim.Guest.Cpu.Instructions.SystemLevel;

namespace XenSim.Guest.Cpu;

// SAFETY: _s lives until Dispose.
public sealed unsafe partial class VirtualCpu
{
    private CpuFeatures? _features;

    /// <summary>XCR0. Set unchecked; what XSETBV would refuse is <see cref="TrySetXcr0"/>'s business.</summary>
    public ulong Xcr0 { get => _s->Xcr0; set => _s->Xcr0 = value; }

    /// <summary>PKRU: the rights of each protection key, two bits a key. SDM vol. 3A, 4.6.2.</summary>
    public uint Pkru { get => _s->Pkru; set => ProtectionKeys.Set(_s, value); }

    internal CpuFeatures Features => _features ??= CpuFeatures.Of(Policy);

    /// <summary>XSETBV of <paramref name="index"/> as the processor checks it; false: #GP(0). SDM vol. 1, 13.3.</summary>
    public bool TrySetXcr0(uint index, ulong value)
    {
        bool ymmWithoutXmm = (value & (CpuFeatures.Sse | CpuFeatures.Avx)) == CpuFeatures.Avx;
        if (index != 0 || (value & CpuFeatures.X87) == 0 || ymmWithoutXmm || (value & ~Features.Xcr0Mask) != 0)
            return false;
        _s->Xcr0 = value;
        return true;
    }

    /// <summary>Bits 255:128 of YMM0-15, 16 bytes each: component 2 of XSAVE's standard format.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image is shorter than 256 bytes.</exception>
    public void SaveYmmHigh(Span<byte> image)
    {
        for (int i = 0; i < 32; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(image[(8 * i)..], _s->YmmHigh[i]);
    }

    /// <summary>The inverse of <see cref="SaveYmmHigh"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image is shorter than 256 bytes.</exception>
    public void LoadYmmHigh(ReadOnlySpan<byte> image)
    {
        for (int i = 0; i < 32; i++)
            _s->YmmHigh[i] = BinaryPrimitives.ReadUInt64LittleEndian(image[(8 * i)..]);
    }

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
            FxImage.Save(_s, p, true, true);
            *(uint*)(p + 28) = Features.MxcsrMask;
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
            FxImage.Load(_s, p, true, true);
        _s->Mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(image[24..]) & Features.MxcsrMask;
    }
}
