using XenSim.Hypervisor.Domctl;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>First part of construct_dom0: what the kernel is, whether this Xen can run it, and how much memory it gets.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c: construct_dom0; stable-4.17 pv/dom0_build.c: dom0_construct_pv.</remarks>
internal static class Dom0Parse
{
    private const int ExtendedCr3Assist = 3; // VMASST_TYPE_pae_extended_cr3
    private const int Dom0Feature = 11; // XENFEAT_dom0
    private const ulong CompatVirtStart = 0xF5800000; // __HYPERVISOR_COMPAT_VIRT_START, and HYPERVISOR_VIRT_START of the 32-bit build
    private const ulong HypervisorVirtStart = 0xFFFF_8000_0000_0000;
    private const ulong HypervisorVirtEnd = 0xFFFF_8880_0000_0000;
    private const ulong LowestGigabyte = 1ul << 30;
    private const ulong L2Mask = (1ul << 21) - 1;

    /// <summary>get_order_from_bytes(sizeof(struct vcpu)): above 4 KiB in both releases' 64-bit builds.</summary>
    private const int VcpuOrder = 1;

    public static StageOutcome Begin(BootContext c)
    {
        RefuseOtherKinds(c);
        c.Print(c.Xen.Options.Release == XenRelease.V4_0 ? "*** LOADING DOMAIN 0 ***" : "*** Building a PV Dom0 ***");
        c.Build = new Dom0Build(c.Dom0!, c.Image!);
        c.Dom0!.MaxPages = uint.MaxValue;
        return StageOutcome.Ok;
    }

    /// <summary>A dom0 in a hardware virtual machine, or on shadow tables, is not built here.</summary>
    /// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c: opt_dom0_shadow; stable-4.17 xen/arch/x86/dom0_build.c: parse_dom0_param.</remarks>
    private static void RefuseOtherKinds(BootContext c)
    {
        if (c.Xen.Options.Release == XenRelease.V4_0)
        {
            if (c.CommandLine.Flag("dom0_shadow"))
                c.Xen.NotImplemented("dom0_shadow", "dom0 runs on its own page tables only", ours: true);
            return;
        }

        string[] words = c.CommandLine.Option("dom0")?.Split(',') ?? [];
        if (words.LastOrDefault(w => w is "pv" or "pvh") == "pvh")
            c.Xen.NotImplemented("dom0=pvh", "dom0_construct_pvh is not simulated", ours: true);
        if (words.LastOrDefault(w => w.TrimStart('n', 'o', '-').StartsWith("shadow", StringComparison.Ordinal)) is "shadow" or "shadow=1" or "shadow=yes" or "shadow=true" or "shadow=on" or "shadow=enable")
            c.Xen.NotImplemented("dom0=shadow", "dom0 runs on its own page tables only", ours: true);
    }

    public static StageOutcome ElfInit(BootContext c)
    {
        c.Build!.Elf = ElfImage.Init(c.Xen.Options.Release, c.Build!.KernelFile, line => Log(c, line), out ElfError? error);
        return Outcome(error);
    }

    public static StageOutcome ElfParseBinary(BootContext c)
    {
        c.Build!.Elf!.ParseBinary();
        return StageOutcome.Ok;
    }

    public static StageOutcome ElfXenParse(BootContext c)
    {
        ElfImage elf = c.Build!.Elf!;
        XenElfParameters parms = XenNotes.Parse(elf, hvm: false, out ElfError? error);
        Dom0Kind kind = elf.Is64Bit ? Dom0Kind.Native : c.Xen.Options.Host64 ? Dom0Kind.Compat : Dom0Kind.X86_32;
        c.Build.Parsed = new Dom0Kernel(elf, parms, kind);
        return Outcome(error);
    }

    /// <summary>The check in construct_dom0's own body, with the two lines about the kernels.</summary>
    public static StageOutcome Compatibility(BootContext c)
    {
        Dom0Build b = c.Build!;
        Dom0Kernel kernel = b.Kernel;
        XenOptions options = c.Xen.Options;
        bool modern = options.Release != XenRelease.V4_0;
        c.Print($" Xen  kernel: {(!options.Host64 ? "32-bit, PAE, lsb" : !modern || options.Pv32 ? "64-bit, lsb, compat32" : "64-bit, lsb")}");
        if (modern && !kernel.Elf.Is64Bit && !options.Pv32)
        {
            c.Print("Found 32-bit PV kernel, but CONFIG_PV32 missing");
            return StageOutcome.Fail(XenErrno.EOPNOTSUPP, "Found 32-bit PV kernel, but CONFIG_PV32 missing");
        }

        bool pae = kernel.Parameters.Pae != PaeMode.No;
        if (!kernel.Elf.Is64Bit && kernel.Parameters.Pae == PaeMode.Bimodal)
            b.Parsed = kernel = kernel with { Parameters = kernel.Parameters with { Pae = PaeMode.ExtendedCr3 } };
        c.Print($" Dom0 kernel: {(kernel.Elf.Is64Bit ? "64" : "32")}-bit{(pae ? ", PAE" : "")}, {(kernel.Elf.IsBigEndian ? "msb" : "lsb")}, "
            + $"paddr 0x{kernel.Elf.PhysicalStart:x} -> 0x{kernel.Elf.PhysicalEnd:x}");
        if (kernel.Elf.BsdSymtabStart != 0)
            c.Print($" Dom0 symbol map 0x{kernel.Elf.BsdSymtabStart:x} -> 0x{kernel.Elf.BsdSymtabEnd:x}");
        bool compatible = kernel.Elf.Is64Bit
            ? options.Host64 && kernel.Elf.Machine == ElfMachine.EM_X86_64
            : pae && kernel.Elf.Machine == ElfMachine.EM_386;
        if (!compatible || (modern && kernel.Elf.IsBigEndian))
            return Refuse(c, XenErrno.EINVAL, "Mismatch between Xen and DOM0 kernel");
        bool listsFeatures = kernel.Parameters.Notes.ContainsKey(ElfNote.SUPPORTED_FEATURES);
        return modern && listsFeatures && !kernel.Parameters.Supports(Dom0Feature)
            ? Refuse(c, XenErrno.EINVAL, "Kernel does not support Dom0 operation")
            : StageOutcome.Ok;
    }

    /// <summary>The domain becomes a 32-bit one: switch_compat in 4.17, a few assignments in 4.0.</summary>
    public static StageOutcome SwitchCompat(BootContext c)
    {
        XenErrno errno = AddressSize.Switch(c.Dom0!, compat: true);
        return errno == XenErrno.None
            ? StageOutcome.Ok
            : Refuse(c, errno, $"Dom0 failed to switch to compat: {errno.ToResult()}");
    }

    public static StageOutcome ComputePages(BootContext c)
    {
        Dom0Build b = c.Build!;
        Dom0MemoryOption option = Dom0MemoryOption.Parse(c.Xen.Options.Release, c.CommandLine.Option("dom0_mem"));
        Dom0MemoryFacts facts = new(
            c.Xen.Options.Release, b.Kernel.Kind, c.Xen.Frames.Allocator.FreeCount + BootMemory.ImagePages(c), b.Domain.MaxVcpus, VcpuOrder, (ulong)b.Image.Ramdisk.Length);
        Dom0MemoryPlan plan = Dom0MemoryPlan.Compute(facts, option, b.Kernel.Parameters);
        if (plan.Clipped)
            c.Print($"Dom0 memory clipped to {plan.Pages} pages");
        b.Pages = plan.Pages;
        if (c.Xen.Options.Release != XenRelease.V4_0)
            b.Domain.MaxPages = Math.Min(option.Max.Resolve(facts.Available), uint.MaxValue);
        return StageOutcome.Ok;
    }

    /// <summary>Options of the kernel's notes, and the search for a layout that holds its own page tables.</summary>
    public static StageOutcome LayOut(BootContext c)
    {
        Dom0Build b = c.Build!;
        XenElfParameters parms = b.Kernel.Parameters;
        bool is40 = c.Xen.Options.Release == XenRelease.V4_0;
        if (parms.Pae == PaeMode.ExtendedCr3)
            b.Domain.VmAssist |= 1ul << ExtendedCr3Assist;
        if (b.Kernel.Kind != Dom0Kind.Native)
        {
            bool tooHigh = parms.VirtHvStartLow != XenElfParameters.Unset && ((parms.VirtHvStartLow + L2Mask) & ~L2Mask) > CompatVirtStart;
            if (tooHigh && is40)
                return c.Panic("Domain 0 expects too high a hypervisor start address.");
            if (tooHigh)
                return Refuse(c, XenErrno.ERANGE, "Dom0 expects too high a hypervisor start address");
            if (parms.HasInitP2m)
            {
                c.Print("P2M table base ignored", LogLevel.Warn);
                parms = parms with { P2mBase = XenElfParameters.Unset };
                b.Parsed = b.Kernel with { Parameters = parms };
            }
        }

        b.LaidOut = Dom0Layout.Compute(c.Xen.Options.Release, b.Kernel.Kind, parms, (ulong)b.Image.Ramdisk.Length, b.Pages);
        return b.LaidOut is null ? c.Panic($"Domain 0 allocation is too small for kernel image{(is40 ? "." : "")}") : StageOutcome.Ok;
    }

    /// <summary>Ranges that no kernel may lie in, looked at after the arrangement has been printed.</summary>
    public static StageOutcome CheckRange(BootContext c)
    {
        Dom0Layout l = c.Build!.Layout;
        switch (l.Kind)
        {
            case Dom0Kind.X86_32 when l.Start < LowestGigabyte:
                return Refuse(c, XenErrno.EINVAL, "Initial loading isn't allowed to lowest 1GB of memory.");

            // Xen does not look here: it would overwrite its own mappings in the last L2 and die.
            case Dom0Kind.X86_32 when l.End > CompatVirtStart:
                return c.Panic("FATAL PAGE FAULT: the dom0 image reaches into the hypervisor's part of the address space");
            case Dom0Kind.Compat when l.End > CompatVirtStart:
            case Dom0Kind.Native when l.Start < HypervisorVirtEnd && l.End > HypervisorVirtStart:
                return Refuse(c, XenErrno.EINVAL, "DOM0 image overlaps with Xen private area.");
            default:
                return StageOutcome.Ok;
        }
    }

    internal static StageOutcome Refuse(BootContext c, XenErrno errno, string message)
    {
        c.Print(message);
        return StageOutcome.Fail(errno, message);
    }

    /// <summary>libelf's messages are compiled out of 4.0.4 and depend on a debug build in 4.17; its errors are always printed.</summary>
    internal static void Log(BootContext c, ElfLogLine line)
    {
        bool verbose = c.Xen.Options.Release != XenRelease.V4_0 && (c.Xen.Options.DebugBuild || c.CommandLine.Option("dom0")?.Contains("verbose", StringComparison.Ordinal) == true);
        if (line.IsError || verbose)
            c.Print(line.Text, line.IsError ? LogLevel.Error : LogLevel.Info);
    }

    private static StageOutcome Outcome(ElfError? error)
        => error is null ? StageOutcome.Ok : StageOutcome.Fail(error.Code, message: error.Message);
}
