using System.Buffers.Binary;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>bzimage_headroom and bzimage_parse: room to unpack the kernel module, and the unpacking.</summary>
/// <remarks>Source: xen/arch/x86/bzimage.c of RELEASE-4.0.4 and stable-4.17. 4.17 also takes a compressed ELF file that is no bzImage.</remarks>
internal static class Dom0BzImage
{
    /// <summary>sizeof(struct setup_header): up to and with payload_length. Source: Linux Documentation/arch/x86/boot.rst.</summary>
    private const int HeaderSize = 0x250;

    private const int OldestVersion = 0x208;

    public static void Headroom(BootContext c)
    {
        ReadOnlyMemory<byte> module = c.Image!.Kernel;
        int check = Check(c, module.Span);
        if (check < 0 || Payload(c, module, check) is not { Length: >= 4 } payload || TakenAsItIs(c, payload.Span))
            return;
        ulong output = BinaryPrimitives.ReadUInt32LittleEndian(payload.Span[^4..]);
        ulong headroom = payload.Span.StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b])
            ? output + (output >> 12) + 32768 + 18
            : output + (ulong)payload.Length;

        // 4.0 keeps it in an int.
        headroom = BootMemory.PageUp(headroom);
        c.ModulesHeadroom = c.Xen.Options.Release == XenRelease.V4_0 ? (ulong)(int)(uint)headroom : headroom;
    }

    public static StageOutcome Parse(BootContext c)
    {
        Dom0Build b = c.Build!;
        int check = Check(c, b.KernelFile.Span);
        if (check < 0)
            return StageOutcome.Fail(XenErrno.EINVAL, "the boot protocol of the bzImage is too old");
        if (Payload(c, b.KernelFile, check) is not { } payload)
            return check > 0 ? Unreadable(c) : StageOutcome.Ok;
        UnpackedKernel unpacked = b.Image.Unpack?.Invoke(payload) ?? default;
        if (unpacked.Error is { } error)
        {
            c.Print(error, Public.Events.LogLevel.Error);
            return StageOutcome.Fail(-1, message: error);
        }

        // A compression that decompress() does not know is no error: the ELF parser gets what there is.
        b.KernelFile = unpacked.Bytes ?? payload;
        return StageOutcome.Ok;
    }

    /// <summary>bzimage_check: 1 for a bzImage, 0 for something else, negative for one that is too old.</summary>
    private static int Check(BootContext c, ReadOnlySpan<byte> file)
    {
        if (file.Length < HeaderSize || !file[0x202..0x206].SequenceEqual("HdrS"u8))
            return 0;
        int version = BinaryPrimitives.ReadUInt16LittleEndian(file[0x206..]);
        if (version >= OldestVersion)
            return 1;
        c.Print($"Cannot load bzImage v{version >> 8}.{version & 0xff:d2} at least v2.08 is required");
        return -1;
    }

    /// <summary>What there is to unpack; null: nothing.</summary>
    private static ReadOnlyMemory<byte>? Payload(BootContext c, ReadOnlyMemory<byte> file, int check)
    {
        if (check > 0)
        {
            ulong start = ((file.Span[0x1f1] + 1ul) * 512) + BinaryPrimitives.ReadUInt32LittleEndian(file.Span[0x248..]);
            ulong length = BinaryPrimitives.ReadUInt32LittleEndian(file.Span[0x24c..]);
            if (start + length > (ulong)file.Length)
                return null;
            file = file.Slice((int)start, (int)length);
        }
        else if (c.Xen.Options.Release == XenRelease.V4_0)
        {
            return null;
        }

        return check == 0 && TakenAsItIs(c, file.Span) ? (ReadOnlyMemory<byte>?)null : file;
    }

    private static bool TakenAsItIs(BootContext c, ReadOnlySpan<byte> payload)
        => c.Xen.Options.Release != XenRelease.V4_0 && payload.StartsWith((ReadOnlySpan<byte>)[0x7f, (byte)'E', (byte)'L', (byte)'F']);

    /// <summary>Real Xen reads on behind the module.</summary>
    private static StageOutcome Unreadable(BootContext c)
    {
        const string message = "the payload that the bzImage's header names lies outside the file";
        c.Print(message, Public.Events.LogLevel.Error);
        return StageOutcome.Fail(XenErrno.EINVAL, message);
    }
}
