using System.Buffers.Binary;

namespace XenSim.Toolstack.Images.Decompression;

/// <summary>The two containers of liblzma that libxc uses: <c>.lzma</c> (lzma_alone_decoder) and <c>.xz</c> (lzma_stream_decoder).</summary>
/// <remarks>Format of .xz: "The .xz File Format" 1.0.4 (tukaani.org). Limits as libxc gives them to liblzma.</remarks>
internal static class LzmaDecoders
{
    private const ulong FilterLzma2 = 0x21;
    private const ulong FilterX86 = 0x04;

    public static DecodeResult Alone(ReadOnlyMemory<byte> file, OutputBuffer output)
    {
        const int headerSize = 13;
        ReadOnlySpan<byte> input = file.Span;
        if (input.Length < headerSize)
            return DecodeResult.Failed(DecodeFault.Truncated);
        var decoder = new LzmaDecoder(output);
        if (!decoder.TrySetProperties(input[0]))
            return DecodeResult.Failed(DecodeFault.BadFormat);
        if (BinaryPrimitives.ReadUInt32LittleEndian(input[1..]) >= DecodeLimits.LzmaMemory)
            return DecodeResult.Failed(DecodeFault.MemoryLimit);
        ulong size = BinaryPrimitives.ReadUInt64LittleEndian(input[5..]);
        if (size != ulong.MaxValue && size >> 38 != 0)
            return DecodeResult.Failed(DecodeFault.BadFormat); // liblzma takes no file of 256 GiB for a real one
        decoder.ResetState();
        DecodeFault fault = decoder.Run(input[headerSize..], size == ulong.MaxValue ? -1 : (long)size, endMarkAllowed: true, out int consumed, out bool ended);
        ended |= fault == DecodeFault.None && (ulong)decoder.Written == size;
        return new DecodeResult(decoder.Written, ended && fault == DecodeFault.None, input.Length - headerSize - consumed, fault);
    }

    public static DecodeResult Xz(ReadOnlyMemory<byte> file, OutputBuffer output)
    {
        const int streamHeaderSize = 12;
        ReadOnlySpan<byte> input = file.Span;
        if (input.Length < streamHeaderSize)
            return DecodeResult.Failed(DecodeFault.Truncated);
        if (!input.StartsWith((ReadOnlySpan<byte>)[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]))
            return DecodeResult.Failed(DecodeFault.BadFormat);
        if (Crc32.Of(input.Slice(6, 2)) != BinaryPrimitives.ReadUInt32LittleEndian(input[8..]))
            return DecodeResult.Failed(DecodeFault.Corrupt);
        if (input[6] != 0 || input[7] > 15)
            return DecodeResult.Failed(DecodeFault.BadOptions);
        int check = input[7];
        int at = streamHeaderSize;
        var decoder = new LzmaDecoder(output);
        while (true)
        {
            if (at >= input.Length)
                return new DecodeResult(decoder.Written, false, 0, DecodeFault.Truncated);
            if (input[at] == 0)
                return Finish(input, at, decoder.Written);
            DecodeFault fault = Block(input, ref at, check, decoder, output, out bool full);
            if (fault != DecodeFault.None || full)
                return new DecodeResult(decoder.Written, false, 0, fault);
        }
    }

    /// <summary>The index (skipped over) and the stream footer.</summary>
    private static DecodeResult Finish(ReadOnlySpan<byte> input, int at, int written)
    {
        const int footerSize = 12;
        int index = at++;
        ulong pairs = Number(input, ref at);
        for (ulong i = 0; i < pairs * 2 && at < input.Length; i++)
            Number(input, ref at);
        int end = index + ((at - index + 3) & ~3) + 4;
        if (end + footerSize > input.Length)
            return new DecodeResult(written, false, 0, DecodeFault.Truncated);
        bool sound = Crc32.Of(input[index..(end - 4)]) == BinaryPrimitives.ReadUInt32LittleEndian(input[(end - 4)..])
            && input.Slice(end + 10, 2).SequenceEqual("YZ"u8)
            && Crc32.Of(input.Slice(end + 4, 6)) == BinaryPrimitives.ReadUInt32LittleEndian(input[end..]);
        return new DecodeResult(written, sound, input.Length - end - footerSize, sound ? DecodeFault.None : DecodeFault.Corrupt);
    }

    private static DecodeFault Block(ReadOnlySpan<byte> input, ref int at, int check, LzmaDecoder decoder, OutputBuffer output, out bool full)
    {
        full = false;
        int headerSize = (input[at] + 1) * 4;
        if (headerSize > input.Length - at)
            return DecodeFault.Truncated;
        DecodeFault fault = BlockHeader(input.Slice(at, headerSize), out bool x86);
        if (fault != DecodeFault.None)
            return fault;
        int start = at + headerSize;
        int first = decoder.Written;
        at = start;
        fault = Chunks(input, ref at, decoder, out full);
        if (x86)
            BcjX86.Decode(output.Bytes.AsSpan(first, decoder.Written - first));
        if (fault != DecodeFault.None || full)
            return fault;
        at = start + ((at - start + 3) & ~3);
        int checkSize = check == 0 ? 0 : 4 << ((check - 1) / 3);
        if (checkSize > input.Length - at)
            return DecodeFault.Truncated;

        // Of the checks only the one that kernels bear is looked at; the others are skipped over.
        const int crc32 = 1;
        if (check == crc32 && Crc32.Of(output.Bytes.AsSpan(first, decoder.Written - first)) != BinaryPrimitives.ReadUInt32LittleEndian(input[at..]))
            return DecodeFault.Corrupt;
        at += checkSize;
        return DecodeFault.None;
    }

    private static DecodeFault BlockHeader(ReadOnlySpan<byte> header, out bool x86)
    {
        x86 = false;
        if (Crc32.Of(header[..^4]) != BinaryPrimitives.ReadUInt32LittleEndian(header[^4..]))
            return DecodeFault.Corrupt;
        int flags = header[1];
        if ((flags & 0x3c) != 0)
            return DecodeFault.BadOptions;
        int at = 2;
        if ((flags & 0x40) != 0)
            Number(header, ref at);
        if ((flags & 0x80) != 0)
            Number(header, ref at);
        for (int filter = 0; filter <= (flags & 3); filter++)
        {
            ulong id = Number(header, ref at);
            ulong size = Number(header, ref at);
            if (size > (ulong)(header.Length - 4) || at + (int)size > header.Length - 4)
                return DecodeFault.Corrupt;
            bool last = filter == (flags & 3);
            if (last && id == FilterLzma2 && size == 1)
            {
                int bits = header[at];
                if (bits > 40)
                    return DecodeFault.BadOptions;
                if ((2L | (uint)(bits & 1)) << ((bits / 2) + 11) >= DecodeLimits.LzmaMemory)
                    return DecodeFault.MemoryLimit;
            }
            else if (!last && !x86 && id == FilterX86 && size == 0)
            {
                x86 = true;
            }
            else
            {
                return DecodeFault.BadOptions;
            }

            at += (int)size;
        }

        return DecodeFault.None;
    }

    /// <summary>LZMA2: chunks until the zero control byte.</summary>
    private static DecodeFault Chunks(ReadOnlySpan<byte> input, ref int at, LzmaDecoder decoder, out bool full)
    {
        full = false;
        bool needDictionary = true;
        bool needProperties = true;
        while (at < input.Length)
        {
            int control = input[at++];
            if (control == 0)
                return DecodeFault.None;
            if (control is 1 or >= 0xe0)
            {
                decoder.DictionaryStart = decoder.Written;
                needDictionary = false;
            }

            if (needDictionary || (control > 2 && control < 0x80))
                return DecodeFault.Corrupt;
            DecodeFault fault = control < 0x80
                ? Stored(input, ref at, decoder, out full)
                : Packed(input, ref at, control, decoder, ref needProperties, out full);
            if (fault != DecodeFault.None || full)
                return fault;
        }

        return DecodeFault.Truncated;
    }

    private static DecodeFault Stored(ReadOnlySpan<byte> input, ref int at, LzmaDecoder decoder, out bool full)
    {
        full = false;
        if (input.Length - at < 2)
            return DecodeFault.Truncated;
        int size = BinaryPrimitives.ReadUInt16BigEndian(input[at..]) + 1;
        at += 2;
        if (size > input.Length - at)
            return DecodeFault.Truncated;
        full = !decoder.Append(input.Slice(at, size));
        at += size;
        return DecodeFault.None;
    }

    private static DecodeFault Packed(ReadOnlySpan<byte> input, ref int at, int control, LzmaDecoder decoder, ref bool needProperties, out bool full)
    {
        full = false;
        bool withProperties = control >= 0xc0;
        if (input.Length - at < (withProperties ? 5 : 4))
            return DecodeFault.Truncated;
        int unpacked = ((control & 0x1f) << 16) + BinaryPrimitives.ReadUInt16BigEndian(input[at..]) + 1;
        int packed = BinaryPrimitives.ReadUInt16BigEndian(input[(at + 2)..]) + 1;
        at += 4;
        if (withProperties)
        {
            // LZMA2 allows at most four literal context and position bits together.
            byte properties = input[at++];
            if (properties % 9 + (properties / 9 % 5) > 4 || !decoder.TrySetProperties(properties))
                return DecodeFault.Corrupt;
            needProperties = false;
        }

        if (needProperties)
            return DecodeFault.Corrupt;
        if (control >= 0xa0)
            decoder.ResetState();
        int before = decoder.Written;
        ReadOnlySpan<byte> chunk = input[at..Math.Min(input.Length, at + packed)];
        DecodeFault fault = decoder.Run(chunk, unpacked, endMarkAllowed: false, out int consumed, out _);
        if (fault != DecodeFault.None)
            return chunk.Length < packed ? DecodeFault.Truncated : DecodeFault.Corrupt;
        full = decoder.Written - before < unpacked;
        if (!full && consumed != packed)
            return DecodeFault.Corrupt;
        at += packed;
        return DecodeFault.None;
    }

    /// <summary>A number of 7 bits per byte, at most nine bytes; behind the end it reads as 0.</summary>
    private static ulong Number(ReadOnlySpan<byte> input, ref int at)
    {
        ulong value = 0;
        for (int shift = 0; shift < 63 && at < input.Length; shift += 7)
        {
            byte b = input[at++];
            value |= (ulong)(b & 0x7f) << shift;
            if ((b & 0x80) == 0)
                break;
        }

        return value;
    }
}
