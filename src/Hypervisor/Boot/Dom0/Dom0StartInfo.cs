using System.Text;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Boot.Dom0;

/// <summary>dom0's start-info page: start_info, and right behind it what Xen knows of the display.</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domain_build.c: construct_dom0; xen/drivers/video/vga.c: fill_console_start_info.</remarks>
internal static class Dom0StartInfo
{
    private const uint SifPrivileged = 1 << 0;
    private const uint SifInitDomain = 1 << 1;
    private const uint SifModStartPfn = 1 << 3;

    /// <summary>xen_processor_pmbits with default options: Px, and Cx because of cpuidle.</summary>
    private const uint PmBits = 3 << 8;

    private const int CommandLineSize = 1024;
    private const byte TextMode3 = 3;

    /// <summary>The 4096 bytes as Xen leaves them.</summary>
    /// <param name="commandLine">Null: no module string and nothing to append.</param>
    /// <param name="firstP2mPfn">Frames of the initial allocation.</param>
    /// <param name="p2mFrames">Frames taken for an INIT_P2M table.</param>
    public static byte[] Render(Dom0Build build, string? commandLine, ulong firstP2mPfn, ulong p2mFrames)
    {
        Dom0Layout layout = build.Layout;
        XenRelease release = build.Domain.Xen.Options.Release;
        byte[] page = new byte[4096];
        StartInfo64 si = Fill(build, commandLine, firstP2mPfn, p2mFrames);
        if (layout.Kind != Dom0Kind.X86_32)
            page.AsSpan().WriteStruct(si);

        // A compat kernel's structure is made in place: the tail of the longer native one stays visible behind it.
        if (layout.Kind != Dom0Kind.Native)
            page.AsSpan().WriteStruct(Narrow(si));
        WriteVga(page.AsSpan((int)Dom0Layout.StartInfoSize(layout.Kind)));
        return page;
    }

    private static StartInfo64 Fill(Dom0Build build, string? commandLine, ulong firstP2mPfn, ulong p2mFrames)
    {
        Dom0Layout layout = build.Layout;
        XenRelease release = build.Domain.Xen.Options.Release;
        ulong ramdisk = (ulong)build.Image.Ramdisk.Length;
        bool unmapped = ramdisk != 0 && layout.Initrd.Start == 0;
        XenElfParameters parms = build.Kernel.Parameters;
        StartInfo64 si = new()
        {
            NrPages = build.Pages,
            SharedInfo = build.Domain.SharedInfo.Frame.Address.Value,
            Flags = SifPrivileged | SifInitDomain | PmBits | (unmapped ? SifModStartPfn : 0),
            PtBase = layout.PageTables.Start + (layout.Kind == Dom0Kind.Compat && release == XenRelease.V4_0 ? 2 * 4096u : 0),
            NrPtFrames = layout.TablePages,
            MfnList = layout.Physmap.Start,
            ModStart = ramdisk == 0 ? 0 : unmapped ? build.Allocation.InitrdPfn.Value : layout.Initrd.Start,
            ModLen = ramdisk,
            ConsoleDom0InfoOff = (uint)Dom0Layout.StartInfoSize(layout.Kind),
            ConsoleDom0InfoSize = (uint)Dom0Layout.VgaInfoSize(release),
            FirstP2mPfn = firstP2mPfn,
            NrP2mFrames = p2mFrames,
        };
        string magic = $"xen-3.0-x86_{(build.Kernel.Elf.Is64Bit ? 64 : 32)}{(parms.Pae == PaeMode.No ? "" : "p")}";
        Copy(magic, WireMemory.AsBytes(ref si.Magic));
        Copy(commandLine ?? "", WireMemory.AsBytes(ref si.CmdLine)[..(CommandLineSize - 1)]);
        return si;
    }

    private static StartInfo32 Narrow(in StartInfo64 si) => new()
    {
        Magic = si.Magic,
        NrPages = (uint)si.NrPages,
        SharedInfo = (uint)si.SharedInfo,
        Flags = si.Flags,
        ConsoleDom0InfoOff = si.ConsoleDom0InfoOff,
        ConsoleDom0InfoSize = si.ConsoleDom0InfoSize,
        PtBase = (uint)si.PtBase,
        NrPtFrames = (uint)si.NrPtFrames,
        MfnList = (uint)si.MfnList,
        ModStart = (uint)si.ModStart,
        ModLen = (uint)si.ModLen,
        CmdLine = si.CmdLine,
        FirstP2mPfn = (uint)si.FirstP2mPfn,
        NrP2mFrames = (uint)si.NrP2mFrames,
    };

    /// <summary>The display that every host model has: VGA text mode, 80 x 25 characters of 16 lines.</summary>
    private static void WriteVga(Span<byte> at)
        => at.WriteStruct(new Dom0VgaConsoleInfoV40 { VideoType = TextMode3, TextMode3FontHeight = 16, TextMode3Rows = 25, TextMode3Columns = 80 });

    private static void Copy(string text, Span<byte> destination)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        bytes.AsSpan(0, Math.Min(bytes.Length, destination.Length)).CopyTo(destination);
    }
}
