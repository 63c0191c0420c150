using Iced.Intel;
using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Scheduling;
using XenSim.Hypervisor.Tests.Core;

namespace XenSim.Hypervisor.Tests.Hvm;

/// <summary>A translated domain with a megabyte of memory and 32-bit code in it, without paging: GDT at 0x800, IDT at 0x2000, stack below 0x9000.</summary>
internal sealed class HvmMachine : IDisposable
{
    public const uint Code = 0x1000, Idt = 0x2000, Handler = 0x3000, Other = 0x4000, Data = 0x5000, Stack = 0x9000;
    private const ulong Gdt = 0x800;
    private const int Pages = 256;

    public const EmulationFlags Pvh = EmulationFlags.LAPIC;
    public const EmulationFlags Hvm = EmulationFlags.LAPIC | EmulationFlags.HPET | EmulationFlags.PM | EmulationFlags.RTC | EmulationFlags.IOAPIC | EmulationFlags.PIC
        | EmulationFlags.VGA | EmulationFlags.IOMMU | EmulationFlags.PIT | EmulationFlags.USE_PIRQ;

    private readonly Host _host;

    public HvmMachine(EmulationFlags emulation, XenRelease release = XenRelease.V4_17, int vcpus = 1, string xenCommandLine = "")
    {
        _host = new Host(release, xenCommandLine: xenCommandLine);
        _host.Xen.Hvm = new HvmFunctionTable { Name = "SVM", Flavour = HypercallPageFlavour.Svm, HapSupported = true };
        Domain = _host.Xen.CreateDomain(new DomainId(5), new DomainKind { IsHvm = true, IsHap = true, MaxVcpus = (uint)vcpus, EmulationFlags = (uint)emulation, MaxEvtchnPort = 1023 });
        Domain.MaxPages = Pages;
        for (int i = 0; i < vcpus; i++)
            Domain.AddVcpu();
        _host.Populate(Domain, 0, Pages);
        ReadOnlySpan<ulong> descriptors =
        [
            0, 0x00CF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF, // flat ring 0
            0x00CF_FB00_0000_FFFF, 0x00CF_F300_0000_FFFF, // flat ring 3
        ];
        for (int i = 0; i < descriptors.Length; i++)
            Write(Gdt + (8 * (ulong)i), BitConverter.GetBytes(descriptors[i]));
    }

    public Domain Domain { get; }

    public Vcpu Vcpu => Domain.Vcpus[0];

    public VirtualCpu Cpu => Vcpu.Cpu;

    public Xen Xen => _host.Xen;

    public IEnumerable<string> Log => _host.Recorder.Events.OfType<LogLine>().Select(l => l.Text);

    public string DebugPort => string.Concat(_host.Recorder.Events.OfType<ConsoleOutput>().Select(c => System.Text.Encoding.ASCII.GetString(c.Bytes)));

    public HvmMachine Assemble(uint at, Action<Assembler> write, int bits = 32)
    {
        Assembler a = new(bits);
        write(a);
        using MemoryStream stream = new();
        a.Assemble(new StreamCodeWriter(stream), bits == 16 ? 0 : at);
        Write(at, stream.ToArray());
        return this;
    }

    /// <summary>A present 32-bit interrupt gate to ring 0's code.</summary>
    public HvmMachine Gate(byte vector, uint handler)
    {
        Write(Idt + (8ul * vector), BitConverter.GetBytes((handler & 0xFFFF) | 0x8u << 16 | 0x8E00ul << 32 | (ulong)(handler & 0xFFFF_0000) << 32));
        return this;
    }

    public void Write(ulong address, ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            ulong at = address + (ulong)i;
            Xen.Memory.Writable(Domain.GfnToMfn(new Gfn(at >> 12)).Value)[(int)(at & 0xFFF)] = bytes[i];
        }
    }

    public uint Read(ulong address) => BitConverter.ToUInt32(Xen.Memory.Readable(Domain.GfnToMfn(new Gfn(address >> 12)).Value)[(int)(address & 0xFFF)..]);

    /// <summary>Runs from <see cref="Code"/> until the domain ends or the budget is spent.</summary>
    public RunStop Run(long instructions = 200_000, ulong nanoseconds = 1_000_000_000)
    {
        HvmVcpuState.Construct(Cpu);
        Cpu.SetSegment(SegmentName.Cs, new SegmentRegister(0x08, 0, uint.MaxValue, 0xC09B));
        foreach (SegmentName name in (SegmentName[])[SegmentName.Ds, SegmentName.Es, SegmentName.Ss, SegmentName.Fs, SegmentName.Gs])
            Cpu.SetSegment(name, new SegmentRegister(0x10, 0, uint.MaxValue, 0xC093));
        Cpu.Gdtr = new DescriptorTableRegister(Gdt, 0xFF);
        Cpu.Idtr = new DescriptorTableRegister(Idt, 0x7FF);
        Cpu.Rip = Code;
        Cpu[Gpr.Rsp] = Stack;
        Vcpu.IsInitialised = true;
        Vcpu.BringUp();
        Domain.UnpauseByController();
        return Xen.Run(new RunLimits { Instructions = instructions, UntilNanoseconds = Xen.VirtualNanoseconds + nanoseconds });
    }

    public void Dispose() => _host.Dispose();
}
