using SharpCompress.Compressors.LZMA;
using SharpCompress.Compressors.Xz;

namespace XenSim.Toolstack.Images.Decompression;

internal static class LzmaDecoders
{
    public static DecodeResult Xz(ReadOnlyMemory<byte> input, OutputBuffer output)
        => StreamDecoders.Run(() => new XZStream(StreamDecoders.Wrap(input)), output);

    public static DecodeResult Alone(ReadOnlyMemory<byte> input, OutputBuffer output)
        => StreamDecoders.Run(() => LzmaStream.Create(input[..5].ToArray(), StreamDecoders.Wrap(input[13..]), false), output);
}
