using System.Text;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>start_info_*, shared_info_* and the vcpu context: what a PV guest finds when it starts.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_x86.c; stable-4.17 tools/libs/guest/xg_dom_x86.c.</remarks>
internal static class StartOfDay
{
    private const int MaxGuestCmdline = 1024;
    private const int LegacyMaxVcpus = 32;

    /// <summary>Both releases throw the return value away, so a page that cannot be mapped goes unnoticed here.</summary>
    public static StageOutcome StartInfo64(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        dom.Log.Print("start_info_x86_64: called");
        if (dom.Windows.Map(dom.Layout.StartInfoPfn, 1) is not { } page)
            return StageOutcome.Fail(-1);
        Segment? p2m = dom.Layout.Find("phys2mach");
        StartInfo64 info = new()
        {
            NrPages = dom.Memory.TotalPages,
            SharedInfo = dom.SharedInfoMfn << 12,
            PtBase = dom.Layout.Find("page tables")?.VStart ?? 0,
            NrPtFrames = dom.Layout.PageTables?.Kernel.Total ?? 0,
            MfnList = p2m?.VStart ?? 0,
            Flags = dom.Layout.Flags,
            StoreMfn = dom.P2m(dom.Layout.XenstorePfn).Value,
            StoreEvtchn = build.Current.State.StorePort,
            ConsoleDomUMfn = dom.P2m(dom.Layout.ConsolePfn).Value,
            ConsoleDomUEvtchn = build.Current.State.ConsolePort,
            ModStart = dom.Layout.InitrdStart,
            ModLen = dom.Layout.InitrdLength,
            FirstP2mPfn = dom.Layout.P2mAtBase ? p2m!.Pfn : 0,
            NrP2mFrames = dom.Layout.P2mAtBase ? p2m!.Pages : 0,
        };
        Text(info.Magic, dom.Kernel!.GuestType);
        Text(info.CmdLine, dom.CommandLine);
        page.Write(0, WireMemory.AsBytes(ref info));
        return StageOutcome.Ok;
    }

    public static StageOutcome StartInfo32(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        dom.Log.Print("start_info_x86_32: called");
        if (dom.Windows.Map(dom.Layout.StartInfoPfn, 1) is not { } page)
            return StageOutcome.Fail(-1);
        StartInfo32 info = new()
        {
            NrPages = (uint)dom.Memory.TotalPages,
            SharedInfo = (uint)(dom.SharedInfoMfn << 12),
            PtBase = (uint)(dom.Layout.Find("page tables")?.VStart ?? 0),
            NrPtFrames = (uint)(dom.Layout.PageTables?.Kernel.Total ?? 0),
            MfnList = (uint)(dom.Layout.Find("phys2mach")?.VStart ?? 0),
            Flags = dom.Layout.Flags,
            StoreMfn = (uint)dom.P2m(dom.Layout.XenstorePfn).Value,
            StoreEvtchn = build.Current.State.StorePort,
            ConsoleDomUMfn = (uint)dom.P2m(dom.Layout.ConsolePfn).Value,
            ConsoleDomUEvtchn = build.Current.State.ConsolePort,
            ModStart = (uint)dom.Layout.InitrdStart,
            ModLen = (uint)dom.Layout.InitrdLength,
        };
        Text(info.Magic, dom.Kernel!.GuestType);
        Text(info.CmdLine, dom.CommandLine);
        page.Write(0, WireMemory.AsBytes(ref info));
        return StageOutcome.Ok;
    }

    /// <summary>evtchn_upcall_mask = 1 in all 32 vcpu_info, the rest of the structure zero. A slot has 64 bytes in both ABIs.</summary>
    public static byte[] SharedInfo(GuestArch arch, bool is40)
    {
        uint size = (arch.Is64Bit, is40) switch
        {
            (true, true) => WireMemory.SizeOf<SharedInfo64V40>(),
            (true, false) => WireMemory.SizeOf<SharedInfo64V417>(),
            (false, true) => WireMemory.SizeOf<SharedInfo32V40>(),
            (false, false) => WireMemory.SizeOf<SharedInfo32V417>(),
        };
        byte[] bytes = new byte[size];
        for (int i = 0; i < LegacyMaxVcpus; i++)
            bytes[(i * (int)WireMemory.SizeOf<VcpuInfo64>()) + 1] = 1;
        return bytes;
    }

    public static byte[] Vcpu64(DomImage dom, bool is40)
    {
        ulong stack = dom.Parms.VirtBase + ((dom.Layout.BootstackPfn + 1) << 12);
        ulong tables = dom.Layout.Find("page tables")!.Pfn, cr3 = dom.P2m(tables).Value;
        dom.Log.Print("vcpu_x86_64: called");
        dom.Log.Print($"vcpu_x86_64: cr3: pfn 0x{tables:x} mfn 0x{cr3:x}");
        VcpuGuestContext64 context = new()
        {
            Flags = (uint)(VcpuContextFlags.in_kernel | VcpuContextFlags.online),
            UserRegs = new()
            {
                Rip = dom.Parms.VirtEntry,
                Rsp = stack,
                Rsi = dom.Parms.VirtBase + (dom.Layout.StartInfoPfn << 12),
                Rflags = 1 << 9,
                Ss = 0xe02b,
                Cs = 0xe033,
            },
            KernelSs = 0xe02b,
            KernelSp = stack,
        };
        context.Ctrlreg[3] = cr3 << 12;
        if (!is40)
        {
            context.Debugreg[6] = 0xffff0ff0;
            context.Debugreg[7] = 0x400;
        }

        return WireMemory.AsBytes(ref context).ToArray();
    }

    public static byte[] Vcpu32(DomImage dom, bool is40)
    {
        uint stack = (uint)(dom.Parms.VirtBase + ((dom.Layout.BootstackPfn + 1) << 12));
        ulong tables = dom.Layout.Find("page tables")!.Pfn, cr3 = dom.P2m(tables).Value;
        dom.Log.Print("vcpu_x86_32: called");
        dom.Log.Print($"vcpu_x86_32: cr3: pfn 0x{tables:x} mfn 0x{cr3:x}");
        const ushort ds = 0xe021, cs = 0xe019;
        VcpuGuestContext32 context = new()
        {
            Flags = (uint)(VcpuContextFlags.in_kernel | VcpuContextFlags.online),
            UserRegs = new()
            {
                Eip = (uint)dom.Parms.VirtEntry,
                Esp = stack,
                Esi = (uint)(dom.Parms.VirtBase + (dom.Layout.StartInfoPfn << 12)),
                Eflags = 1 << 9,
                Ds = ds,
                Es = ds,
                Fs = ds,
                Gs = ds,
                Ss = ds,
                Cs = cs,
            },
            KernelSs = ds,
            KernelSp = stack,
            VmAssist = dom.Parms.Pae is Hypervisor.Public.Elf.PaeMode.ExtendedCr3 or Hypervisor.Public.Elf.PaeMode.Bimodal ? 1u << 3 : 0,
        };
        context.Ctrlreg[3] = (uint)((cr3 << 12) | (cr3 >> 20));
        if (!is40)
        {
            context.Debugreg[6] = 0xffff0ff0;
            context.Debugreg[7] = 0x400;
        }

        return WireMemory.AsBytes(ref context).ToArray();
    }

    /// <summary>strncpy and a NUL at the end.</summary>
    private static void Text(Span<byte> destination, string? text)
    {
        if (text is null)
            return;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int count = Math.Min(bytes.Length, Math.Min(destination.Length, MaxGuestCmdline) - 1);
        bytes.AsSpan(0, count).CopyTo(destination);
    }
}
