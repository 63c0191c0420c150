using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Memory;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>Last part of construct_dom0: Xen runs on dom0's page tables and fills what they map, then sets the first registers.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c: construct_dom0; stable-4.17 pv/dom0_build.c: dom0_construct_pv.</remarks>
internal static class Dom0Load
{
    private const int LegacyVcpus = SharedInfoLayout.LegacyVcpus;
    private const int UpcallMaskOffset = 1;
    private const int SupervisorModeFeature = 3; // XENFEAT_supervisor_mode_kernel
    private const ulong InterruptFlag = 1 << 9;

    // FLAT_KERNEL_* of the public headers: arch-x86/xen-x86_32.h and xen-x86_64.h.
    private const ushort KernelCs32 = 0xE019;
    private const ushort KernelDs32 = 0xE021;
    private const ushort KernelCs64 = 0xE033;
    private const ushort KernelSs64 = 0xE02B;

    /// <summary>The vCPU has its page table as soon as that is built, long before it is loaded.</summary>
    /// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c and RELEASE-4.17.0 xen/arch/x86/pv/dom0_build.c: v->arch.guest_table.</remarks>
    public static StageOutcome BuildTables(BootContext c)
    {
        Dom0PageTables.Build(c.Build!);
        c.Build!.Domain.Vcpus[0].GuestTable = c.Build.BaseTable;
        return StageOutcome.Ok;
    }

    /// <summary>Events stay masked in all 32 legacy slots; then the other vCPUs come into being, failures ignored.</summary>
    public static StageOutcome AllocateVcpus(BootContext c)
    {
        Domain d = c.Build!.Domain;
        for (int i = 0; i < LegacyVcpus; i++)
            d.SharedInfo.Bytes[(i * SharedInfoLayout.VcpuInfoSize) + UpcallMaskOffset] = 1;
        c.Print($"Dom0 has maximum {d.MaxVcpus} VCPUs");
        while (d.Vcpus.Count < d.MaxVcpus)
            d.AddVcpu();
        return StageOutcome.Ok;
    }

    public static StageOutcome UpdateCr3(BootContext c)
    {
        Dom0Build b = c.Build!;
        Vcpu v = b.Domain.Vcpus[0];
        if (v.Domain.ShowsM2pOnLoad)
            v.Domain.Xen.Mappings.ShowM2p(b.BaseTable);
        GuestTables.LoadCr3(v);
        return StageOutcome.Ok;
    }

    public static StageOutcome LoadBinary(BootContext c)
    {
        Dom0Build b = c.Build!;

        // The 32-bit hypervisor reads the module through identity mappings in dom0's first L2.
        if (b.Kernel.Kind == Dom0Kind.X86_32)
            c.Xen.PageTypes.WriteEntry(b.BaseTable, 0, c.Xen.PageTypes.ReadEntry(b.BaseTable, 0) | Pte.Accessed);
        Dom0Layout l = b.Layout;
        ulong room = c.Xen.Options.Release == XenRelease.V4_0 ? l.End - l.Kernel.Start : l.Kernel.End - l.Kernel.Start;
        ElfError? error = ElfLoader.LoadBinary(b.Kernel.Elf, l.Kernel.Start, room, new Destination(b));
        if (error is null)
        {
            if (b.Kernel.Elf.Broken is { } broken)
                c.Print($"Dom0 kernel broken ELF: {broken}", LogLevel.Warn);
            return StageOutcome.Ok;
        }

        c.Print("Failed to load the kernel binary");
        return StageOutcome.Fail(error.Code, message: error.Message);
    }

    /// <summary>Straight through dom0's virtual address: a range check, no alignment, no page type.</summary>
    public static StageOutcome InstallHypercallPage(BootContext c)
    {
        Dom0Build b = c.Build!;
        ulong va = b.Kernel.Parameters.VirtHypercall;
        XenRelease release = c.Xen.Options.Release;
        if (va < b.Layout.Start || va >= b.Layout.End)
        {
            const string invalid = "Invalid HYPERCALL_PAGE field in ELF notes.";
            c.Print(invalid);
            return release == XenRelease.V4_0 ? StageOutcome.Fail(-1, message: invalid) : StageOutcome.Fail(XenErrno.EINVAL, invalid);
        }

        HypercallPageFlavour flavour = c.Xen.PageSelectionFor(b.Domain).Flavour;
        if (!b.AddressSpace.TryWrite(va, HypercallPage.Render(flavour, release, c.Xen.Options.HypercallEntry)))
            return c.Panic($"FATAL PAGE FAULT: the hypercall page at {va:x} is not mapped writable");
        ReportPage(c, va, HypercallPage.WriterOf(flavour, release), "hypercall page");
        return StageOutcome.Ok;
    }

    /// <summary>4.0 copies the ramdisk behind the kernel.</summary>
    public static StageOutcome CopyRamdisk(BootContext c)
    {
        Dom0Build b = c.Build!;
        return b.AddressSpace.TryWrite(b.Layout.Initrd.Start, b.Image.Ramdisk.Span)
            ? StageOutcome.Ok
            : c.Panic("FATAL PAGE FAULT: the ramdisk is not mapped");
    }

    public static StageOutcome WriteStartInfo(BootContext c)
    {
        Dom0Build b = c.Build!;
        ulong chunk = b.Allocation.End.Value - b.Allocation.First.Value + b.Allocation.InitrdPages;
        byte[] page = Dom0StartInfo.Render(b, CommandLine(c), chunk, (ulong)b.PhysmapFrames.Count);
        if (!b.AddressSpace.TryWrite(b.Layout.StartInfo.Start, page))
            return c.Panic("FATAL PAGE FAULT: the start info page is not mapped");
        ReportPage(c, b.Layout.StartInfo.Start, "construct_dom0", "start_info");
        return StageOutcome.Ok;
    }

    /// <summary>The module's string without the image's name, and what follows " -- " on Xen's own line.</summary>
    private static string? CommandLine(BootContext c)
    {
        bool hasString = c.Image!.Name.Length > 0 || c.Image.CommandLine.Length > 0;
        return hasString || c.CommandLine.Dom0Extra is not null ? c.Image.CommandLine + c.CommandLine.Dom0Extra : null;
    }

    public static StageOutcome SetRegisters(BootContext c)
    {
        Dom0Build b = c.Build!;
        Vcpu v = b.Domain.Vcpus[0];
        bool native = b.Kernel.Kind == Dom0Kind.Native;
        ushort rpl = c.Xen.Options.SupervisorModeKernel ? (ushort)3 : (ushort)0;
        ushort ds = (ushort)((native ? 0 : KernelDs32) & ~rpl);
        ushort ss = (ushort)((native ? KernelSs64 : KernelDs32) & ~rpl);

        // CS keeps its RPL in the frame; Xen's way out to ring 0 drops it.
        ushort cs = (ushort)((native ? KernelCs64 : KernelCs32) & ~rpl);
        v.KernelSs = ss;
        v.KernelSp = b.Layout.Stack.End;
        v.ControlRegisters[0] = VcpuContext.PvCr0;
        v.ControlRegisters[4] = VcpuContext.PvCr4;
        if (!native)
        {
            v.EventCallback = v.EventCallback with { Cs = cs };
            v.FailsafeCallback = v.FailsafeCallback with { Cs = cs };
        }

        VcpuGuestContext context = new();
        context.UserRegs = new CpuUserRegs
        {
            Rip = b.Kernel.Parameters.VirtEntry,
            Rsp = b.Layout.Stack.End,
            Rsi = b.Layout.StartInfo.Start,
            Rflags = InterruptFlag,
            Cs = cs,
            Ss = ss,
            Ds = ds,
            Es = ds,
            Fs = ds,
            Gs = ds,
        };
        VcpuContext.LoadProcessor(v, context);
        GuestTime.UpdateWallClock(b.Domain);
        v.IsInitialised = true;
        v.BringUp();
        return StageOutcome.Ok;
    }

    /// <summary>A ring-0 build needs a kernel that can, every other build one that need not.</summary>
    public static StageOutcome CheckSupervisorMode(BootContext c)
    {
        XenElfParameters parms = c.Build!.Kernel.Parameters;
        if (!c.Xen.Options.SupervisorModeKernel)
        {
            return parms.Requires(SupervisorModeFeature) && c.Xen.Options.Release == XenRelease.V4_0
                ? c.Panic("Dom0 requires supervisor-mode execution")
                : StageOutcome.Ok;
        }

        c.Print("Dom0 runs in ring 0 (supervisor mode)");
        return parms.Supports(SupervisorModeFeature) ? StageOutcome.Ok : c.Panic("Dom0 does not support supervisor-mode execution");
    }

    public static StageOutcome SetPermissions(BootContext c)
    {
        c.Permissions = Dom0Permissions.For(c.Host, c.Xen.Profile.Release, c.MemoryMap, c.CommandLine.Option("dom0_ioports_disable"), line => c.Print(line));
        IoCapabilities io = c.Dom0!.Io;
        foreach (IoRange denied in c.Permissions.DeniedPorts)
            io.Ports.Remove(denied.First, denied.Last);
        foreach (IoRange denied in c.Permissions.DeniedFrames)
            io.Frames.Remove(denied.First, denied.Last);

        // ioapic_init_mappings.
        ulong ioApic = c.Host.Firmware.IoApicAddress >> 12;
        if (c.Xen.Profile.Release != XenRelease.V4_0)
            c.Xen.ReadOnlyMmio.Add(ioApic, ioApic);
        return StageOutcome.Ok;
    }

    private static void ReportPage(BootContext c, ulong va, string writer, string what)
    {
        Dom0Build b = c.Build!;
        ulong pfn = (va - b.Layout.Start) >> 12;
        c.Xen.Events.Emit(new PageWritten(b.Domain.Id, b.Allocation.MappedFrame(pfn), new Pfn(pfn), writer, what));
    }

    /// <summary>dom0's memory from the kernel's first byte on.</summary>
    private sealed class Destination(Dom0Build build) : IElfDestination
    {
        public bool Copy(ulong offset, ReadOnlySpan<byte> bytes) => build.AddressSpace.TryWrite(build.Layout.Kernel.Start + offset, bytes);

        public bool Clear(ulong offset, ulong count) => build.AddressSpace.TryClear(build.Layout.Kernel.Start + offset, count);
    }
}
