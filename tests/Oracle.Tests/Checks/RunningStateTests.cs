using System.Buffers.Binary;
using XenSim.Hypervisor;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Oracle.Tests.Comparison;
using XenSim.Oracle.Tests.Golden;
using XenSim.Oracle.Tests.Simulated;
using XenSim.Simulator.Session;

namespace XenSim.Oracle.Tests.Checks;

/// <summary>GRUB at its prompt, as it was recorded there: what it has made of its memory, and what Xen keeps for it.</summary>
public class RunningStateTests
{
    /// <summary>The prompt is there after some 30 million instructions; afterwards GRUB reads the console and the clock for ever.</summary>
    private const long AtThePrompt = 120_000_000;

    private const int GrantEntries = 512;
    private const ushort GrantInUse = 0x18;
    private const ulong StartInfoPfn = 0x654;
    private const int StartInfoMfnList = 104;

    // 64-bit shared_info: event bitmaps, then the wall clock.
    private const int VcpuInfo = 0, VcpuTime = 32, SecondVcpu = 64, Pending = 2048, Mask = 2560, WallClock = 3072, WallClockEnd = 3088;

    [Fact]
    public void GRUB_PV64_has_the_recorded_page_tables()
    {
        using var run = Run("grub-pv64");
        var (domain, xen) = (run.Session.FindSubject()!, run.Session.Xen);
        var list = GuestList(xen, domain);
        var pfns = new Dictionary<ulong, ulong>();
        for (int pfn = 0; pfn < list.Length; pfn++)
        {
            pfns[list[pfn]] = (ulong)pfn;
        }

        var ours = new HashSet<Mapped>();
        Walk(xen, ours, pfns, 4, domain.Vcpus[0].Cpu.Cr3 >> 12, 0);
        var golden = PageTableWalk.Parse(new GoldenFolder("grub-pv64").Lines("running/pagetables.txt"));
        Assert.True(golden.Count > 0x8000, $"{golden.Count} entries");
        Assert.Empty(golden.Except(ours).OrderByDescending(e => e.Level).ThenBy(e => e.Address).Take(8));
        Assert.Empty(ours.Except(golden).OrderByDescending(e => e.Level).ThenBy(e => e.Address).Take(8));
    }

    /// <summary>The list that the guest keeps: the two rings have changed places with its last two pages.</summary>
    [Fact]
    public void GRUB_PV64_has_the_recorded_p2m_list()
    {
        using var run = Run("grub-pv64");
        var ours = GuestList(run.Session.Xen, run.Session.FindSubject()!);
        ulong[] golden = PhysToMachine.Parse(new GoldenFolder("grub-pv64").Lines("running/p2m-extents.txt"));
        var before = PhysToMachine.Parse(new GoldenFolder("grub-pv64").Lines("paused/p2m-extents.txt"));
        Assert.Equal(4, golden.Zip(before).Count(p => p.First != p.Second));
        Assert.Equal(golden.Length, ours.Length);
        var frames = new Renaming();
        Assert.All(golden.Zip(ours), p => Assert.True(frames.Match(p.First, p.Second), $"0x{p.First:x} cannot be 0x{p.Second:x}"));

        // Xen's machine-to-phys table says the same: GRUB has told it, by four MMU_MACHPHYS_UPDATEs.
        var known = Frames(run.Session.Xen, run.Session.FindSubject()!);
        Assert.All(Enumerable.Range(0, ours.Length), pfn => Assert.Equal(ours[pfn], known[(ulong)pfn]));
    }

    [Theory]
    [InlineData("grub-pv64")]
    [InlineData("grub-pvh")]
    public void The_grant_entries_are_the_recorded_ones(string name)
    {
        using var run = Run(name);
        var (domain, xen) = (run.Session.FindSubject()!, run.Session.Xen);
        byte[] golden = new GoldenFolder(name).Bytes("running/grant-table-frame0.bin");
        byte[] ours = xen.Memory.Readable(domain.GrantTable.Frames[0].Value).ToArray();
        var frames = new Renaming();
        for (int i = 0; i < GrantEntries; i++)
        {
            var theirs = golden.AsSpan(i * 8, 8);
            var our = ours.AsSpan(i * 8, 8);
            Assert.Equal(Flags(theirs) & ~GrantInUse, Flags(our) & ~GrantInUse);
            Assert.Equal(BinaryPrimitives.ReadUInt16LittleEndian(theirs[2..]), BinaryPrimitives.ReadUInt16LittleEndian(our[2..]));
            uint frame = BinaryPrimitives.ReadUInt32LittleEndian(theirs[4..]), ourFrame = BinaryPrimitives.ReadUInt32LittleEndian(our[4..]);
            Assert.True(Flags(theirs) == 0 || (domain.IsHvm ? frame == ourFrame : frames.Match(frame, ourFrame)), $"grant {i}: 0x{frame:x}, ours 0x{ourFrame:x}");
        }
    }

    /// <summary>
    /// Time stamps, the TSC's scale and the wall clock are those of another day and another machine; version counts updates, one a second of running. Everything else is equal: both ports have
    /// an event that GRUB, which polls, never clears.
    /// </summary>
    [Fact]
    public void The_shared_info_of_GRUB_PV64_is_the_recorded_one()
    {
        using var run = Run("grub-pv64");
        byte[] golden = new GoldenFolder("grub-pv64").Bytes("running/shared_info-page.bin");
        byte[] ours = run.Session.FindSubject()!.SharedInfo.Bytes.ToArray();
        Assert.Equal(golden[VcpuInfo..VcpuTime], ours[VcpuInfo..VcpuTime]);
        Assert.Equal(golden[(VcpuTime + 28)..SecondVcpu], ours[(VcpuTime + 28)..SecondVcpu]); // shift, flags
        Assert.Equal(golden[SecondVcpu..Pending], ours[SecondVcpu..Pending]);
        Assert.Equal(golden[Pending..Mask], ours[Pending..Mask]);
        Assert.Equal(golden[Mask..WallClock], ours[Mask..WallClock]);
        Assert.Equal(golden[WallClockEnd..], ours[WallClockEnd..]);
    }

    // Ports of lsevtchn: 1 is xenstored's, 2 xenconsoled's, both connected; there are no others.
    [Fact]
    public void The_event_channels_of_GRUB_PV64_are_the_recorded_ones()
    {
        using var run = Run("grub-pv64");
        var channels = run.Session.FindSubject()!.EventChannels;
        Assert.Equal([EventChannelState.Interdomain, EventChannelState.Interdomain], [channels[1].State, channels[2].State]);
        Assert.All(Enumerable.Range(3, 60), port => Assert.Equal(EventChannelState.Closed, channels[(uint)port].State));
    }

    /// <summary>GRUB writes the MSR with 0x11d000; the page is SVM's, byte for byte.</summary>
    [Fact]
    public void The_hypercall_page_of_GRUB_PVH_is_the_recorded_one()
    {
        using var run = Run("grub-pvh");
        var domain = run.Session.FindSubject()!;
        Assert.Equal(new GoldenFolder("grub-pvh").Bytes("running/hypercall-page-pfn11d.bin"), Page(run.Session.Xen, domain, 0x11d));
    }

    /// <summary>The page with hvm_start_info as the tools built it: memory map, RSDP and all; GRUB does not change it.</summary>
    [Theory]
    [InlineData("paused")]
    [InlineData("running")]
    public void The_start_info_of_GRUB_PVH_is_the_recorded_one(string state)
    {
        using var run = Run("grub-pvh");
        Assert.Equal(new GoldenFolder("grub-pvh").Bytes($"{state}/hvm_start_info-page-pfn298.bin"), Page(run.Session.Xen, run.Session.FindSubject()!, 0x298));
    }

    /// <summary>Each record of the save stream of the paused domain, and the platform's ones at the prompt. The CPU's TSC is another day's.</summary>
    [Theory]
    [InlineData("paused", true)]
    [InlineData("running", false)]
    public void The_HVM_context_of_GRUB_PVH_is_the_recorded_one(string state, bool paused)
    {
        const int header = 1, cpu = 2, tsc = 1008;
        using var run = Simulation.Run(RecordedDomain.Options("grub-pvh", out bool recorded) with { Paused = paused, Limits = Limits });
        Assert.SkipUnless(recorded, "another version of GRUB");
        var golden = Records(new GoldenFolder("grub-pvh").Bytes($"{state}/hvm-context.bin"));
        var ours = Records(Save(run.Session.Xen, run.Session.FindSubject()!));
        Assert.Equal(golden.Select(r => (r.Type, r.Instance, r.Body.Length)), ours.Select(r => (r.Type, r.Instance, r.Body.Length)));
        foreach (var (theirs, our) in golden.Zip(ours))
        {
            if (theirs.Type == header)
            {
                theirs.Body.AsSpan(20, 4).Clear(); // the machine's clock rate
                our.Body.AsSpan(20, 4).Clear();
            }

            if (theirs.Type == cpu)
            {
                theirs.Body.AsSpan(tsc, 8).Clear();
                our.Body.AsSpan(tsc, 8).Clear();
                if (!paused)
                {
                    continue; // wherever in its loop GRUB was
                }
            }

            Assert.Equal((theirs.Type, Convert.ToHexString(theirs.Body)), (our.Type, Convert.ToHexString(our.Body)));
        }
    }

    private static SessionLimits Limits => new() { Instructions = AtThePrompt };

    private static Simulation Run(string name)
    {
        var options = RecordedDomain.Options(name, out bool recorded);
        Assert.SkipUnless(recorded, "another version of GRUB");
        var run = Simulation.Run(options with { Limits = Limits });
        Assert.Equal(SessionEnd.LimitReached, run.Outcome.End);
        return run;
    }

    private static ushort Flags(ReadOnlySpan<byte> entry) => BinaryPrimitives.ReadUInt16LittleEndian(entry);

    private static byte[] Page(Xen xen, Domain domain, ulong gfn) => xen.Memory.Readable(domain.GfnToMfn(new Gfn(gfn)).Value).ToArray();

    /// <summary>Machine frame of each pfn, from Xen's own table: shared_info and grant frames have none.</summary>
    private static Dictionary<ulong, ulong> Frames(Xen xen, Domain domain)
        => xen.Frames.OwnedBy(domain).Where(f => xen.M2p.Get(f) != Pfn.Invalid).ToDictionary(f => xen.M2p.Get(f).Value, f => f.Value);

    /// <summary>The list that start_info names; GRUB maps its memory at its pseudo-physical address.</summary>
    private static ulong[] GuestList(Xen xen, Domain domain)
    {
        var frames = Frames(xen, domain);
        ulong list = BinaryPrimitives.ReadUInt64LittleEndian(xen.Memory.Readable(frames[StartInfoPfn])[StartInfoMfnList..]);
        var p2m = new ulong[domain.TotPages];
        for (int i = 0; i < p2m.Length; i++)
        {
            ulong at = list + ((ulong)i * 8);
            p2m[i] = BinaryPrimitives.ReadUInt64LittleEndian(xen.Memory.Readable(frames[at >> 12])[(int)(at & 0xfff)..]);
        }

        return p2m;
    }

    private static void Walk(Xen xen, HashSet<Mapped> to, Dictionary<ulong, ulong> pfns, int level, ulong table, ulong address)
    {
        const ulong frameBits = 0x000ffffffffff000;
        byte[] entries = xen.Memory.Readable(table).ToArray();
        for (int slot = 0; slot < 512; slot++)
        {
            ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(entries.AsSpan(slot * 8));
            if ((entry & 1) == 0 || (level == 4 && PageTableWalk.IsXens(slot)))
            {
                continue;
            }

            ulong below = address | ((ulong)slot << (12 + (9 * (level - 1)))), frame = (entry & frameBits) >> 12;
            to.Add(new(level, below, pfns.GetValueOrDefault(frame, ulong.MaxValue), entry & ~frameBits));
            if (level > 1)
            {
                Walk(xen, to, pfns, level - 1, frame, below);
            }
        }
    }

    private static List<(int Type, int Instance, byte[] Body)> Records(byte[] stream)
    {
        List<(int, int, byte[])> records = [];
        for (int at = 0; at + 8 <= stream.Length;)
        {
            int length = BitConverter.ToInt32(stream, at + 4);
            records.Add((BitConverter.ToUInt16(stream, at), BitConverter.ToUInt16(stream, at + 2), stream[(at + 8)..(at + 8 + length)]));
            at += 8 + length;
        }

        return records;
    }

    private static byte[] Save(Xen xen, Domain domain)
    {
        const ulong domctl = 0x1000, context = 0x2000;
        var memory = new CallerBuffers(domctl, new byte[144], context, new byte[8192]);
        var command = memory.At(domctl);
        BinaryPrimitives.WriteUInt32LittleEndian(command, 33); // XEN_DOMCTL_gethvmcontext
        BinaryPrimitives.WriteUInt32LittleEndian(command[4..], 0x15); // XEN_DOMCTL_INTERFACE_VERSION of 4.17
        BinaryPrimitives.WriteUInt16LittleEndian(command[8..], domain.Id.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(command[16..], 8192);
        BinaryPrimitives.WriteUInt64LittleEndian(command[24..], context);
        Assert.Equal(0, xen.ToolChannel.Hypercall(HypercallNumber.domctl, memory, domctl));
        return memory.At(context)[..BinaryPrimitives.ReadInt32LittleEndian(command[16..])].ToArray();
    }
}
