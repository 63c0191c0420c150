using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;
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
        GuestPages? mapped = dom.Windows.Map(dom.Layout.StartInfoPfn, 1);
        dom.Log.Print("start_info_x86_64: called");
        if (mapped is not { } page)
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
        GuestPages? mapped = dom.Windows.Map(dom.Layout.StartInfoPfn, 1);
        dom.Log.Print("start_info_x86_32: called");
        if (mapped is not { } page)
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

    /// <summary>vcpu_x86_64 and vcpu_x86_32: 5168 or 2800 bytes. Debug registers are set from 4.12 on.</summary>
    public static byte[] Vcpu(DomImage dom, bool is40)
    {
        bool is64 = dom.Arch!.Is64Bit;
        string function = is64 ? "vcpu_x86_64" : "vcpu_x86_32";
        ulong tables = dom.Layout.Find("page tables")!.Pfn, cr3 = dom.P2m(tables).Value;
        dom.Log.Print($"{function}: called");
        dom.Log.Print($"{function}: cr3: pfn 0x{tables:x} mfn 0x{cr3:x}");
        ushort stackSegment = (ushort)(is64 ? FlatSelector.RING3_SS64 : FlatSelector.RING1_SS);
        ushort data = (ushort)(is64 ? FlatSelector.RING3_DS64 : FlatSelector.RING1_DS);
        ulong stack = dom.Parms.VirtBase + ((dom.Layout.BootstackPfn + 1) << 12);
        VcpuGuestContext context = new()
        {
            Flags = (uint)(VcpuContextFlags.in_kernel | VcpuContextFlags.online),
            UserRegs = new()
            {
                Rip = dom.Parms.VirtEntry,
                Rsp = stack,
                Rsi = dom.Parms.VirtBase + (dom.Layout.StartInfoPfn << 12),
                Rflags = 1 << 9,
                Cs = (ushort)(is64 ? FlatSelector.RING3_CS64 : FlatSelector.RING1_CS),
                Ss = stackSegment,
                Ds = data,
                Es = data,
                Fs = data,
                Gs = data,
            },
            KernelSs = stackSegment,
            KernelSp = stack,
            VmAssist = !is64 && dom.Parms.Pae is (PaeMode.ExtendedCr3 or PaeMode.Bimodal) ? 1u << (int)VmAssistType.pae_extended_cr3 : 0,
        };
        context.Ctrlreg[3] = is64 ? cr3 << 12 : (uint)((cr3 << 12) | (cr3 >> 20));
        if (!is40)
        {
            context.Debugreg[6] = 0xffff0ff0;
            context.Debugreg[7] = 0x400;
        }

        return WireRecord.ToBytes(context, is64 ? Abi.X64 : Abi.X32);
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
