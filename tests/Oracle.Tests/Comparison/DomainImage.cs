using XenSim.Oracle.Tests.Golden;

namespace XenSim.Oracle.Tests.Comparison;

/// <summary>A paused, freshly built 64-bit PV domain as data: recorded from real Xen, or read out of the simulator.</summary>
internal sealed record DomainImage
{
    /// <summary>Machine frame of each pfn.</summary>
    public required ulong[] P2m { get; init; }

    /// <summary>Machine frame of shared_info.</summary>
    public required ulong SharedInfoFrame { get; init; }

    public required byte[] StartInfo { get; init; }

    public required byte[] SharedInfo { get; init; }

    /// <summary>vcpu_guest_context as XEN_DOMCTL_getvcpucontext returns it.</summary>
    public required byte[] VcpuContext { get; init; }

    public required byte[] GrantFrame { get; init; }

    public required HashSet<Mapped> PageTables { get; init; }

    /// <summary>The frames named by the list that the guest itself finds at start_info.mfn_list; null where it was not recorded.</summary>
    public ulong[]? GuestP2m { get; init; }

    /// <summary>The page that the kernel's HYPERCALL_PAGE note names; null without the note.</summary>
    public byte[]? HypercallPage { get; init; }

    /// <summary>Reads a recorded domain.</summary>
    public static DomainImage Load(GoldenFolder folder)
    {
        string summary = folder.Text("paused/summary.txt");
        string frame = System.Text.RegularExpressions.Regex.Match(summary, "shared_info_frame ([0-9a-f]+)").Groups[1].Value;
        return new()
        {
            P2m = PhysToMachine.Parse(folder.Lines("paused/p2m-extents.txt")),
            SharedInfoFrame = Convert.ToUInt64(frame, 16),
            StartInfo = folder.Bytes("paused/start_info-page.bin"),
            SharedInfo = folder.Bytes("paused/shared_info-page.bin"),
            VcpuContext = folder.Bytes("paused/vcpu0-context.bin"),
            GrantFrame = folder.Bytes("paused/grant-table-frame0.bin"),
            PageTables = PageTableWalk.Parse(folder.Lines("paused/pagetables.txt")),
            HypercallPage = folder.Name == "linux-5.10-pv" ? folder.Bytes("paused/hypercall-page-pfn1002.bin") : null,
        };
    }
}
