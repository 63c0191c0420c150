using XenSim.Guest.Cpu;
using XenSim.Guest.Memory;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Tests.Boot.Dom0;

/// <summary>Origin of every expectation: the console of the test kernel as dom0 on real Xen, modulo a renaming of machine frames.</summary>
public sealed class ConstructDom0Tests
{
    private const ulong ChunkPages = 0x400;

    public static TheoryData<string> Boots => [.. Dom0Boots.Names];

    [Theory]
    [MemberData(nameof(Boots))]
    public void The_initial_page_tables_are_those_that_real_Xen_wrote(string name)
    {
        string[] log = TestData.Lines($"Dom0TestKernel/{name}.log");
        using BootRun run = Dom0Boots.Run(name);
        Vcpu v = run.Xen.FindDomain(DomainId.Dom0)!.Vcpus[0];
        ulong stackEnd = v.Cpu[Gpr.Rsp];

        // The dump was taken by running code: its pushf at entry wrote the flags to the boot stack.
        Assert.True(v.Cpu.TryWrite(new LinearAddress(stackEnd - 4), BitConverter.GetBytes(0x202u), v.Domain.KernelRing, out _, out _));
        Dictionary<(ulong Table, int Slot), ulong> expected = TestKernelDump.Entries(log);
        Dictionary<(ulong Table, int Slot), ulong> actual =
            TestKernelDump.Entries(v, TestKernelDump.Value(log, "SI pt_base"), TestKernelDump.Value(log, "SI nr_pt_frames"));

        ulong theirs = TestKernelDump.P2m(log)[0];
        ulong ours = BitConverter.ToUInt32(TestKernelDump.Read(v, TestKernelDump.Value(log, "SI mfn_list"), 4));
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        foreach (((ulong table, int slot), ulong e) in expected)
        {
            ulong a = actual[(table, slot)];
            Assert.True(Renamed(e, theirs) == Renamed(a, ours), $"table {table:x} slot {slot:x}: real Xen {e:x16}, here {a:x16}");
        }
    }

    [Theory]
    [MemberData(nameof(Boots))]
    public void The_start_info_page_is_byte_for_byte_that_of_real_Xen(string name)
    {
        string[] log = TestData.Lines($"Dom0TestKernel/{name}.log");
        using BootRun run = Dom0Boots.Run(name);
        Domain d = run.Xen.FindDomain(DomainId.Dom0)!;
        byte[] expected = TestKernelDump.StartInfoPage(log);

        // shared_info is a machine address.
        BitConverter.TryWriteBytes(expected.AsSpan(36), (uint)d.SharedInfo.Frame.Address.Value);

        Assert.Equal(expected, TestKernelDump.Read(d.Vcpus[0], TestKernelDump.Value(log, "SI va"), 4096));
    }

    [Theory]
    [MemberData(nameof(Boots))]
    public void The_first_registers_are_those_that_the_kernel_printed(string name)
    {
        string[] log = TestData.Lines($"Dom0TestKernel/{name}.log");
        using BootRun run = Dom0Boots.Run(name);
        VirtualCpu cpu = run.Xen.FindDomain(DomainId.Dom0)!.Vcpus[0].Cpu;

        (string Name, ulong Value)[] actual =
        [
            ("ax", cpu[Gpr.Rax]), ("bx", cpu[Gpr.Rbx]), ("cx", cpu[Gpr.Rcx]), ("dx", cpu[Gpr.Rdx]), ("si", cpu[Gpr.Rsi]), ("di", cpu[Gpr.Rdi]),
            ("bp", cpu[Gpr.Rbp]), ("sp", cpu[Gpr.Rsp]), ("flags", cpu.Rflags), ("cs", cpu.GetSegment(SegmentName.Cs).Selector),
            ("ds", cpu.GetSegment(SegmentName.Ds).Selector), ("es", cpu.GetSegment(SegmentName.Es).Selector),
            ("fs", cpu.GetSegment(SegmentName.Fs).Selector), ("gs", cpu.GetSegment(SegmentName.Gs).Selector), ("ss", cpu.GetSegment(SegmentName.Ss).Selector),
        ];
        Assert.All(actual, r => Assert.Equal(TestKernelDump.Value(log, $"REG {r.Name}"), r.Value));
        Assert.Equal(0xC0100000ul, cpu.Rip);
    }

    [Theory]
    [InlineData("boot-4.0.4-x86_32-ring1", HypercallPageFlavour.Ring1, XenRelease.V4_0)]
    [InlineData("boot-4.0.4-x86_32-ring0", HypercallPageFlavour.Ring0, XenRelease.V4_0)]
    [InlineData("boot-4.0.4-x86_64-compat", HypercallPageFlavour.CompatRing1, XenRelease.V4_0)]
    [InlineData("boot-4.17-x86_64-compat", HypercallPageFlavour.CompatRing1, XenRelease.V4_17)]
    public void The_hypercall_page_is_where_the_note_wants_it(string name, HypercallPageFlavour flavour, XenRelease release)
    {
        using BootRun run = Dom0Boots.Run(name);
        Vcpu v = run.Xen.FindDomain(DomainId.Dom0)!.Vcpus[0];

        Assert.Equal(HypercallPage.Render(flavour, release), TestKernelDump.Read(v, 0xC0101000, 4096));
    }

    /// <summary>Frames are named by their place in dom0's initial allocation; others (Xen's own) only by their flags.</summary>
    private static (ulong Flags, ulong? Frame) Renamed(ulong entry, ulong chunk)
    {
        ulong frame = Pte.FrameOf(entry);
        return (entry & ~Pte.AddressMask, frame >= chunk && frame < chunk + ChunkPages ? frame - chunk : null);
    }
}
