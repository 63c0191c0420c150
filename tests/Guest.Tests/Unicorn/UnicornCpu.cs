using System.Runtime.InteropServices;

namespace XenSim.Guest.Tests.Unicorn;

/// <summary>
/// Debian's libunicorn2 as a second witness. It is derived from QEMU, not from a processor: segment limits are not checked by it, and
/// exceptions end the run instead of being delivered.
/// </summary>
internal sealed unsafe partial class UnicornCpu : IDisposable
{
    /// <summary>Register numbers of unicorn/x86.h, version 2.0.</summary>
    public const int Eflags = 25, Eip = 26, Cr0 = 50, Cr2 = 52, Cr3 = 53, Cr4 = 54, Msr = 248;

    /// <summary>AX to DI in encoding order.</summary>
    public static readonly int[] General = [19, 22, 24, 21, 30, 20, 29, 23];

    /// <summary>ES, CS, SS, DS, FS, GS.</summary>
    public static readonly int[] Segments = [28, 11, 49, 17, 32, 33];

    private const string Library = "libunicorn.so.2";
    private const int X86 = 4, All = 7;

    private static readonly Lazy<bool> Loadable = new(() => NativeLibrary.TryLoad(Library, out _));

    private readonly nint _engine;
    private readonly byte* _memory;

    /// <param name="bits">16, 32 or 64.</param>
    /// <param name="size">Memory from address 0. Unit: bytes.</param>
    public UnicornCpu(int bits, int size)
    {
        Size = size;
        Assert.Equal(0, Open(X86, bits / 8, out _engine));
        // SAFETY: page-aligned as the library demands, and unmapped by Close before it is freed.
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)size, 4096);
        NativeMemory.Clear(_memory, (nuint)size);
        Assert.Equal(0, MapPointer(_engine, 0, (nuint)size, All, _memory));
    }

    /// <summary>Why it cannot be used here, or null.</summary>
    public static string? Unavailable => Loadable.Value ? null : "needs Debian's libunicorn2 (apt-get install libunicorn2)";

    public int Size { get; }

    public Span<byte> Memory => new(_memory, Size);

    public ulong this[int register]
    {
        get
        {
            ulong value = 0;
            Assert.Equal(0, ReadRegister(_engine, register, &value));
            return value;
        }

        set => Assert.Equal(0, WriteRegister(_engine, register, &value));
    }

    public void WriteMsr(uint number, ulong value)
    {
        // struct uc_x86_msr { uint32_t rid; uint64_t value; }
        ulong* message = stackalloc ulong[2];
        (message[0], message[1]) = (number, value);
        Assert.Equal(0, WriteRegister(_engine, Msr, message));
    }

    /// <summary>Runs one instruction, or with a count of 0 to the address <paramref name="until"/>; 0, or the library's error.</summary>
    public int Run(ulong begin, ulong until, int count) => Start(_engine, begin, until, 0, (nuint)count);

    /// <summary>Drops the translation of 16 bytes of code that were written behind the library's back.</summary>
    public void Forget(ulong address)
    {
        // UC_CTL_WRITE(UC_CTL_TB_REMOVE_CACHE, 2): variadic, but without floating-point arguments.
        const uint removeCache = 0x4800_0009;
        _ = Control(_engine, removeCache, address, address + 16);
    }

    public void Dispose()
    {
        _ = Close(_engine);
        NativeMemory.AlignedFree(_memory);
    }

    [LibraryImport(Library, EntryPoint = "uc_open")]
    private static partial int Open(int arch, int mode, out nint engine);

    [LibraryImport(Library, EntryPoint = "uc_close")]
    private static partial int Close(nint engine);

    [LibraryImport(Library, EntryPoint = "uc_mem_map_ptr")]
    private static partial int MapPointer(nint engine, ulong address, nuint size, uint permissions, void* memory);

    [LibraryImport(Library, EntryPoint = "uc_ctl")]
    private static partial int Control(nint engine, uint control, ulong first, ulong second);

    [LibraryImport(Library, EntryPoint = "uc_reg_read")]
    private static partial int ReadRegister(nint engine, int register, void* value);

    [LibraryImport(Library, EntryPoint = "uc_reg_write")]
    private static partial int WriteRegister(nint engine, int register, void* value);

    [LibraryImport(Library, EntryPoint = "uc_emu_start")]
    private static partial int Start(nint engine, ulong begin, ulong until, ulong timeout, nuint count);
}
