using System.Buffers.Binary;
using XenSim.Guest.Cpu;

namespace XenSim.Simulator.Debugging.Gdb;

/// <summary>The registers of one vCPU at one moment, those of x87, SSE and AVX as the images in which the manuals lay them out.</summary>
internal sealed class RegisterView(VirtualCpu cpu)
{
    private byte[]? _fx, _ymm;

    public VirtualCpu Cpu => cpu;

    /// <summary>The FXSAVE image.</summary>
    public ReadOnlySpan<byte> Fx => _fx ??= ImageChange.Image(cpu, false);

    /// <summary>The upper halves of the YMM registers.</summary>
    public ReadOnlySpan<byte> Ymm => _ymm ??= ImageChange.Image(cpu, true);

    /// <summary>x87's tag word, two bits a physical register, of which the image has one bit. SDM vol. 1, 8.1.7 and table 10-3.</summary>
    public ushort TagWord
    {
        get
        {
            int top = (BinaryPrimitives.ReadUInt16LittleEndian(Fx[2..]) >> 11) & 7;
            int word = 0;
            for (int physical = 0; physical < 8; physical++)
            {
                int tag = (Fx[4] >> physical & 1) == 0 ? 3 : TagOf(Fx.Slice(32 + (16 * ((physical - top) & 7)), 10));
                word |= tag << (2 * physical);
            }

            return (ushort)word;
        }
    }

    /// <summary>The image's bits of a tag word.</summary>
    public static byte AbridgedTags(ushort tagWord)
    {
        int kept = 0;
        for (int physical = 0; physical < 8; physical++)
            kept |= ((tagWord >> (2 * physical)) & 3) != 3 ? 1 << physical : 0;
        return (byte)kept;
    }

    /// <summary>0: valid, 1: zero, 2: special.</summary>
    private static int TagOf(ReadOnlySpan<byte> value)
    {
        ulong significand = BinaryPrimitives.ReadUInt64LittleEndian(value);
        int exponent = BinaryPrimitives.ReadUInt16LittleEndian(value[8..]) & 0x7FFF;
        if (exponent == 0)
            return significand == 0 ? 1 : 2;
        return exponent == 0x7FFF || significand >> 63 == 0 ? 2 : 0;
    }
}
