using System.Runtime.InteropServices;
using System.Text;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Simulator.Session;

/// <summary>start_info by its public field names, from the page of either ABI. Source: xen/include/public/xen.h: struct start_info.</summary>
public static class StartInfoFields
{
    public const string Magic = "magic";
    public const string CommandLine = "cmd_line";

    private static readonly (string Name, Func<StartInfo32, ulong> Narrow, Func<StartInfo64, ulong> Wide)[] s_numbers =
    [
        ("nr_pages", s => s.NrPages, s => s.NrPages),
        ("shared_info", s => s.SharedInfo, s => s.SharedInfo),
        ("flags", s => s.Flags, s => s.Flags),
        ("store_mfn", s => s.StoreMfn, s => s.StoreMfn),
        ("store_evtchn", s => s.StoreEvtchn, s => s.StoreEvtchn),
        ("console.domU.mfn", s => s.ConsoleDomUMfn, s => s.ConsoleDomUMfn),
        ("console.domU.evtchn", s => s.ConsoleDomUEvtchn, s => s.ConsoleDomUEvtchn),
        ("console.dom0.info_off", s => s.ConsoleDom0InfoOff, s => s.ConsoleDom0InfoOff),
        ("console.dom0.info_size", s => s.ConsoleDom0InfoSize, s => s.ConsoleDom0InfoSize),
        ("pt_base", s => s.PtBase, s => s.PtBase),
        ("nr_pt_frames", s => s.NrPtFrames, s => s.NrPtFrames),
        ("mfn_list", s => s.MfnList, s => s.MfnList),
        ("mod_start", s => s.ModStart, s => s.ModStart),
        ("mod_len", s => s.ModLen, s => s.ModLen),
        ("first_p2m_pfn", s => s.FirstP2mPfn, s => s.FirstP2mPfn),
        ("nr_p2m_frames", s => s.NrP2mFrames, s => s.NrP2mFrames),
    ];

    public static IEnumerable<string> NumberNames => s_numbers.Select(n => n.Name);

    /// <param name="page">At least the structure's size.</param>
    public static ulong Number(string name, ReadOnlySpan<byte> page, bool wide)
    {
        (_, Func<StartInfo32, ulong> narrow, Func<StartInfo64, ulong> full) = s_numbers.First(n => n.Name == name);
        return wide ? full(MemoryMarshal.Read<StartInfo64>(page)) : narrow(MemoryMarshal.Read<StartInfo32>(page));
    }

    /// <summary>magic or cmd_line, up to its NUL.</summary>
    public static string Text(string name, ReadOnlySpan<byte> page, bool wide)
    {
        ReadOnlySpan<byte> field = name == Magic ? page[..32] : page.Slice(wide ? 128 : 80, 1024);
        int end = field.IndexOf((byte)0);
        return Encoding.Latin1.GetString(end < 0 ? field : field[..end]);
    }
}
