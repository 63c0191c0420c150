using System.Runtime.InteropServices;

namespace XenSim.Benchmarks.Compare;

/// <summary>Unicorn 2 in 64-bit mode. It delivers no exceptions to the guest: the system workloads are left out.</summary>
public sealed unsafe partial class UnicornEngine : IEmulator
{
    private const string Library = "libunicorn.so.2";
    private const int ArchitectureX86 = 4;
    private const int Mode64 = 1 << 3;
    private const int AllPermissions = 7;
    private const int HookInstruction = 2;
    private const int InstructionOut = 500;
    private const ulong MemoryBytes = 64 << 20;

    public string Name => "Unicorn";

    public double?[] Run(byte[] image)
    {
        Marks marks = new();
        GCHandle handle = GCHandle.Alloc(marks);
        Check(Open(ArchitectureX86, Mode64, out nint engine));
        try
        {
            Check(MapMemory(engine, 0, MemoryBytes, AllPermissions));
            byte[] payload = image[Workload.SectorSize..];
            Check(WriteMemory(engine, Workload.LoadAddress, payload, (ulong)payload.Length));
            Check(AddHook(engine, out _, HookInstruction, &Mark, GCHandle.ToIntPtr(handle), 1, 0, InstructionOut));
            Check(Start(engine, Workload.PlainEntry, 0, 0, 0));
            return marks.Times;
        }
        finally
        {
            _ = Close(engine);
            handle.Free();
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static void Mark(nint engine, uint port, int size, uint value, nint user)
    {
        if (port == Workload.MarkPort && Workload.TryMark((byte)value, out int number, out bool ends))
            ((Marks)GCHandle.FromIntPtr(user).Target!).At(number, ends);
    }

    private static void Check(int error)
    {
        if (error != 0)
            throw new InvalidOperationException($"Unicorn refuses with error {error}");
    }

    [LibraryImport(Library, EntryPoint = "uc_open")]
    private static partial int Open(int architecture, int mode, out nint engine);

    [LibraryImport(Library, EntryPoint = "uc_close")]
    private static partial int Close(nint engine);

    [LibraryImport(Library, EntryPoint = "uc_mem_map")]
    private static partial int MapMemory(nint engine, ulong address, ulong size, uint permissions);

    [LibraryImport(Library, EntryPoint = "uc_mem_write")]
    private static partial int WriteMemory(nint engine, ulong address, byte[] bytes, ulong size);

    [LibraryImport(Library, EntryPoint = "uc_hook_add")]
    private static partial int AddHook(
        nint engine, out nint hook, int type, delegate* unmanaged[Cdecl]<nint, uint, int, uint, nint, void> callback, nint user, ulong begin, ulong end, int instruction);

    [LibraryImport(Library, EntryPoint = "uc_emu_start")]
    private static partial int Start(nint engine, ulong begin, ulong until, ulong timeout, nuint count);

    private sealed class Marks
    {
        private double _begun;

        public double?[] Times { get; } = new double?[Workload.All.Count];

        public void At(int number, bool ends)
        {
            double now = ProcessorTime.OfThisThread();
            if (ends)
                Times[number] = now - _begun;
            else
                _begun = now;
        }
    }
}
