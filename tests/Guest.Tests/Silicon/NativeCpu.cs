using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace XenSim.Guest.Tests.Silicon;

/// <summary>What an instruction sees and leaves: registers, flags, the FXSAVE image and a window of memory.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SiliconState
{
    public Words16 Gpr;
    public ulong Rip;
    public ulong Rflags;
    public Bytes512 Fx;

    /// <summary>Bits 255:128 of YMM0-15; zero where the host has no AVX.</summary>
    public Bytes256 Ymm;
    public Bytes1024 Data;
}

[InlineArray(16)]
internal struct Words16
{
    private ulong _first;
}

[InlineArray(512)]
internal struct Bytes512
{
    private byte _first;
}

[InlineArray(256)]
internal struct Bytes256
{
    private byte _first;
}

[InlineArray(1024)]
internal struct Bytes1024
{
    private byte _first;
}

[InlineArray(16)]
internal struct Bytes16
{
    private byte _first;
}

[StructLayout(LayoutKind.Sequential)]
internal struct SiliconRequest
{
    public uint Length;

    /// <summary>64; 32 or 16 for code in compatibility mode.</summary>
    public int Bits;
    public Bytes16 Code;
    public SiliconState In;
}

[StructLayout(LayoutKind.Sequential)]
internal struct SiliconReply
{
    /// <summary>-1: the instruction completed; else the CPU's exception vector.</summary>
    public int Trap;
    public int Pad;
    public ulong Error;
    public ulong Address;
    public SiliconState Out;
}

/// <summary>The host's own CPU, through a small C program that catches faults: the oracle for unprivileged instructions.</summary>
internal static class NativeCpu
{
    public const ulong CodeAddress = 0x4000_0000;
    public const ulong DataPage = 0x2000_0000;

    /// <summary>Offset of <see cref="SiliconState.Data"/> in the data page.</summary>
    public const int Window = 0x800;

    /// <summary>The code page in its code segment: the segments of 16-bit code begin at the pages.</summary>
    public static ulong CodeOffset(int bits) => bits == 16 ? 0 : CodeAddress;

    /// <summary>The window in its data segment.</summary>
    public static ulong WindowAddress(int bits) => (bits == 16 ? 0 : DataPage) + Window;

    private static readonly Lazy<string?> Program = new(Compile);

    /// <summary>Null when the harness can run here; else why not.</summary>
    public static string? Unavailable
        => RuntimeInformation.ProcessArchitecture != Architecture.X64 || !OperatingSystem.IsLinux() ? "needs an x86-64 Linux host"
            : Program.Value is null ? "needs gcc to build native.c" : null;

    /// <summary>Bits of XCR0, and so of EDX:EAX of XSAVE and XRSTOR, that the host may have set beyond x87, SSE and AVX. SDM vol. 2A, CPUID leaf 0DH.</summary>
    public static uint ComponentsBeyondAvx
        => X86Base.CpuId(0, 0).Eax >= 0xD ? (uint)X86Base.CpuId(0xD, 0).Eax & ~7u : 0;

    public static SiliconReply[] Run(ReadOnlySpan<SiliconRequest> requests)
    {
        ProcessStartInfo start = new(Program.Value!) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        byte[] input = MemoryMarshal.AsBytes(requests).ToArray();
        Task write = Task.Run(() =>
        {
            using Stream stdin = process.StandardInput.BaseStream;
            stdin.Write(input);
        });
        Task<string> complaint = process.StandardError.ReadToEndAsync();
        SiliconReply[] replies = new SiliconReply[requests.Length];
        Span<byte> output = MemoryMarshal.AsBytes(replies.AsSpan());
        int received = process.StandardOutput.BaseStream.ReadAtLeast(output, output.Length, throwOnEndOfStream: false);
        process.WaitForExit();
        if (received != output.Length || process.ExitCode != 0)
            throw new InvalidOperationException($"native.c answered {received} of {output.Length} bytes, ended with {process.ExitCode}: {complaint.Result}");
        write.Wait();
        return replies;
    }

    private static string? Compile()
    {
        string directory = Directory.CreateTempSubdirectory("silicon").FullName;
        string output = Path.Combine(directory, "native");
        string source = Path.Combine(AppContext.BaseDirectory, "Silicon", "native.c");
        try
        {
            using Process gcc = Process.Start("gcc", ["-O1", "-static-pie", "-o", output, source]);
            gcc.WaitForExit();
            return gcc.ExitCode == 0 ? output : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
