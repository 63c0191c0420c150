using System.Buffers.Binary;
using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;

namespace XenSim.Guest.Tests.Structure;

/// <summary>
/// A bare processor that takes its own exceptions: descriptor tables and TSS in low memory, linear = physical, and for every vector a
/// handler that is a HLT at an address of its own, so that the exit says which one was entered.
/// </summary>
internal sealed class SystemMachine : IDisposable
{
    public const ulong Code = 0x10000, Data = 0x20000, UserStack = 0x38000, KernelStack = 0x48000, Gdt = 0x1000, Idt = 0x2000, Tss = 0x3000, Ldt = 0x3800, Handlers = 0x8000, Pml4 = 0x5000, Ist1 = 0x4C000;
    public const ushort KernelCode = 0x08, KernelData = 0x10, UserCode = 0x1B, UserData = 0x23, TaskSelector = 0x28, LdtSelector = 0x38, Free = 0x48;

    /// <summary>Access bytes: present, and the type. SDM vol. 3A, 3.4.5.1 and 3.5.</summary>
    public const int Kernel = 0x9B, KernelDataType = 0x93, User = 0xFB, UserDataType = 0xF3, Tss32 = 0x8B, LdtType = 0x82;

    public SystemMachine(int bits = 32, int cpl = 0, ICpuPolicy? policy = null)
    {
        Memory = new PhysicalMemory(1024);
        Cpu = new VirtualCpu(Memory, policy ?? new Support.EveryFeaturePolicy(), Intercepts.None);
        Bits = bits;
        if (bits != 16)
            Enter(bits == 64, cpl);
        else
            Real();
    }

    public PhysicalMemory Memory { get; }

    public VirtualCpu Cpu { get; }

    public int Bits { get; }

    public ulong this[Gpr register] { get => Cpu[register]; set => Cpu[register] = value; }

    public static ulong HandlerOf(int vector) => Handlers + ((ulong)vector * 16);

    /// <summary>Puts code at <see cref="Code"/>, followed by HLT, and points RIP at it.</summary>
    public SystemMachine Program(params ReadOnlySpan<byte> bytes)
    {
        Write(Code, bytes);
        Write(Code + (ulong)bytes.Length, [0xF4]);
        Cpu.Rip = Code;
        return this;
    }

    /// <summary>Runs to the next HLT and says at which RIP it stands.</summary>
    public ulong ToHalt(int budget = 1000)
    {
        CpuExit exit = Cpu.Run(budget);
        Assert.True(exit.Reason == ExitReason.Halt, $"{exit.Reason} vector {exit.Vector} at {Cpu.Rip:x} {Cpu.UnimplementedText}");
        return Cpu.Rip;
    }

    /// <summary>Runs into the handler of a vector; any other end fails.</summary>
    public void ToVector(int vector, int budget = 1000)
    {
        ulong rip = ToHalt(budget);
        Assert.True(rip == HandlerOf(vector), $"halted at {rip:x}, vector {(long)(rip - Handlers) / 16}, not in the handler of {vector}");
    }

    /// <summary>The n-th slot of the stack from its top, in the size of a frame of this mode.</summary>
    public ulong Stacked(int n) => Bits == 64 ? Read64(Cpu[Gpr.Rsp] + ((ulong)n * 8)) : Read32(Cpu.GetSegment(SegmentName.Ss).Base + Cpu[Gpr.Rsp] + ((ulong)n * 4));

    public void Descriptor(int selector, ulong @base, uint limit, int access, int flags, bool local = false)
    {
        ulong table = local ? Ldt : Gdt;
        if ((flags & 8) != 0)
            limit >>= 12;
        ulong raw = (limit & 0xFFFF) | ((@base & 0xFF_FFFF) << 16) | ((ulong)access << 40) | ((ulong)((limit >> 16) & 15) << 48) | ((ulong)flags << 52) | ((@base >> 24 & 0xFF) << 56);
        Write64(table + (ulong)(selector & ~7), raw);
    }

    /// <summary>A call, interrupt, trap or task gate. Access: present, DPL, type.</summary>
    public void Gate(ulong address, ushort selector, ulong offset, int access, int low = 0)
    {
        Write64(address, (offset & 0xFFFF) | ((ulong)selector << 16) | ((ulong)low << 32) | ((ulong)access << 40) | ((offset & 0xFFFF_0000) << 32));
        if (Bits == 64)
            Write64(address + 8, offset >> 32);
    }

    public void Vector(int vector, int access, ushort selector = KernelCode, int ist = 0) =>
        Gate(Idt + (ulong)(vector * (Bits == 64 ? 16 : 8)), selector, HandlerOf(vector), access, ist);

    public void Write(ulong address, ReadOnlySpan<byte> bytes) => Assert.True(Memory.TryWrite(new PhysicalAddress(address), bytes));

    public void Write64(ulong address, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Write(address, bytes);
    }

    public void Write32(ulong address, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Write(address, bytes);
    }

    public ulong Read64(ulong address)
    {
        Span<byte> bytes = stackalloc byte[8];
        Assert.True(Memory.TryRead(new PhysicalAddress(address), bytes));
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    public uint Read32(ulong address) => (uint)Read64(address);

    public ushort Read16(ulong address) => (ushort)Read64(address);

    /// <summary>Identity-maps the first 2 MiB by 4 KiB pages with PAE; the page table is at 0x7000.</summary>
    public void PagingPae(ulong flags = 7)
    {
        Write64(Pml4, 0x6001);
        Write64(0x6000, 0x7007);
        for (ulong i = 0; i < 512; i++)
            Write64(0x7000 + (i * 8), (i << 12) | flags);
        Cpu.Cr4 |= 0x20;
        Cpu.Efer |= 0x800;
        Cpu.Cr3 = Pml4;
        Cpu.Cr0 |= 0x8001_0000;
    }

    /// <summary>Leaf entry of a page below 2 MiB.</summary>
    public void Page(ulong linear, ulong entry)
    {
        Write64((Bits == 64 ? 0xA000ul : 0x7000ul) + (linear >> 12 << 3), entry);
        Cpu.FlushTlb();
    }

    public void Dispose()
    {
        Cpu.Dispose();
        Memory.Dispose();
    }

    private void Real()
    {
        for (int v = 0; v < 256; v++)
        {
            Write32((ulong)v * 4, (uint)HandlerOf(v));
            Write(HandlerOf(v), [0xF4]);
        }

        foreach (SegmentName name in new[] { SegmentName.Cs, SegmentName.Ss, SegmentName.Ds, SegmentName.Es })
            Cpu.SetSegment(name, new SegmentRegister(0, 0, 0xFFFF, (ushort)(name == SegmentName.Cs ? 0x9B : 0x93)));
        Cpu.Idtr = new DescriptorTableRegister(0, 0x3FF);
        Cpu[Gpr.Rsp] = 0x7000;
        Cpu.Rflags = 2;
    }

    private void Enter(bool longMode, int cpl)
    {
        int code = longMode ? 0xA : 0xC;
        Descriptor(KernelCode, 0, 0xFFFFFFFF, Kernel, code);
        Descriptor(KernelData, 0, 0xFFFFFFFF, KernelDataType, 0xC);
        Descriptor(UserCode, 0, 0xFFFFFFFF, User, code);
        Descriptor(UserData, 0, 0xFFFFFFFF, UserDataType, 0xC);
        Descriptor(TaskSelector, Tss, 0x67, Tss32, 0);
        Descriptor(LdtSelector, Ldt, 0xFF, LdtType, 0);
        for (int v = 0; v < 256; v++)
        {
            Vector(v, v is 3 or 4 or 0x80 ? 0xEE : 0x8E);
            Write(HandlerOf(v), [0xF4]);
        }

        // The I/O permission map begins beyond the limit: no port is allowed by it.
        Write32(Tss + 0x64, 0x68u << 16);
        if (longMode)
        {
            Write64(Tss + 4, KernelStack);
            Write64(Tss + 0x24, Ist1);
            Write64(Pml4, 0x6007);
            Write64(0x6000, 0x9007);
            Write64(0x9000, 0xA007);
            for (ulong i = 0; i < 512; i++)
                Write64(0xA000 + (i * 8), (i << 12) | 7);
            Cpu.Cr4 = 0x20;
            Cpu.Efer = 0xD01;
            Cpu.Cr3 = Pml4;
        }
        else
        {
            Write32(Tss + 4, (uint)KernelStack);
            Write32(Tss + 8, KernelData);
        }

        Cpu.Cr0 = longMode ? 0x8001_0011 : 0x11u;
        Cpu.Gdtr = new DescriptorTableRegister(Gdt, 0xFF);
        Cpu.Idtr = new DescriptorTableRegister(Idt, 0xFFF);
        Cpu.SetSegment(SegmentName.Tr, new SegmentRegister(TaskSelector, Tss, 0x67, Tss32));
        Cpu.SetSegment(SegmentName.Ldtr, new SegmentRegister(LdtSelector, Ldt, 0xFF, LdtType));
        Level(cpl);
        Cpu.Rflags = 2;
    }

    /// <summary>Flat segments of a privilege level.</summary>
    private void Level(int cpl)
    {
        ushort code = (ushort)((Bits == 64 ? 0xA000 : 0xC000) | (cpl == 3 ? User : Kernel));
        ushort data = (ushort)(0xC000 | (cpl == 3 ? UserDataType : KernelDataType));
        Cpu.SetSegment(SegmentName.Cs, new SegmentRegister(cpl == 3 ? UserCode : KernelCode, 0, uint.MaxValue, code));
        foreach (SegmentName name in new[] { SegmentName.Ss, SegmentName.Ds, SegmentName.Es, SegmentName.Fs, SegmentName.Gs })
            Cpu.SetSegment(name, new SegmentRegister(cpl == 3 ? UserData : KernelData, 0, uint.MaxValue, data));
        Cpu.Cpl = cpl;
        Cpu[Gpr.Rsp] = cpl == 3 ? UserStack : KernelStack - 0x800;
    }
}
