using System.Buffers.Binary;
using XenSim.Hypervisor;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Oracle.Tests.Comparison;
using XenSim.Oracle.Tests.Golden;

namespace XenSim.Oracle.Tests.Simulated;

/// <summary>
/// Reads a 64-bit PV domain of the simulator the way the recorder read the real one: registers by XEN_DOMCTL_getvcpucontext, memory through
/// its page tables, which are walked here and not by the code under test.
/// </summary>
internal sealed class SimulatedDomain(Xen xen, Domain domain)
{
    private const int PageSize = 4096;
    private const ulong FrameBits = 0x000ffffffffff000;
    private const int ContextSize = 5168;
    private const int ContextCr3 = 4984 + 3 * 8;
    private const int ContextRsi = 520 + 104;
    private const int StartInfoMfnList = 104;

    public DomainImage Read(ulong? hypercallPage = null)
    {
        byte[] context = VcpuContext();
        ulong cr3 = BinaryPrimitives.ReadUInt64LittleEndian(context.AsSpan(ContextCr3)) >> 12;
        ulong startInfoAddress = BinaryPrimitives.ReadUInt64LittleEndian(context.AsSpan(ContextRsi));
        byte[] startInfo = Page(cr3, startInfoAddress);
        ulong[] guestList = GuestP2m(cr3, BinaryPrimitives.ReadUInt64LittleEndian(startInfo.AsSpan(StartInfoMfnList)), (int)domain.TotPages);
        var pfns = new Dictionary<ulong, ulong>();
        for (int pfn = 0; pfn < guestList.Length; pfn++)
        {
            pfns[guestList[pfn]] = (ulong)pfn;
        }

        var tables = new HashSet<Mapped>();
        Walk(tables, pfns, 4, cr3, 0);
        return new()
        {
            P2m = P2m(guestList.Length),
            GuestP2m = guestList,
            SharedInfoFrame = domain.SharedInfo.Frame.Value,
            StartInfo = startInfo,
            SharedInfo = Frame(domain.SharedInfo.Frame.Value),
            VcpuContext = context,
            GrantFrame = Frame(domain.GrantTable.Frames[0].Value),
            PageTables = tables,
            HypercallPage = hypercallPage is { } va ? Page(cr3, va) : null,
        };
    }

    /// <summary>From Xen's own machine-to-phys table, not from the guest's list.</summary>
    private ulong[] P2m(int count)
    {
        var p2m = new ulong[count];
        foreach (var mfn in xen.Frames.OwnedBy(domain))
        {
            ulong pfn = xen.M2p.Get(mfn).Value;
            if (pfn < (ulong)count)
            {
                p2m[pfn] = mfn.Value;
            }
        }

        return p2m;
    }

    private ulong[] GuestP2m(ulong cr3, ulong list, int count)
    {
        var frames = new ulong[count];
        for (int i = 0; i < count; i += PageSize / 8)
        {
            var page = Page(cr3, list + (ulong)i * 8);
            for (int j = 0; j < PageSize / 8 && i + j < count; j++)
            {
                frames[i + j] = BinaryPrimitives.ReadUInt64LittleEndian(page.AsSpan(j * 8));
            }
        }

        return frames;
    }

    private void Walk(HashSet<Mapped> to, Dictionary<ulong, ulong> pfns, int level, ulong table, ulong address)
    {
        byte[] entries = Frame(table);
        for (int slot = 0; slot < 512; slot++)
        {
            ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(entries.AsSpan(slot * 8));
            if ((entry & 1) == 0 || level == 4 && PageTableWalk.IsXens(slot))
            {
                continue;
            }

            ulong below = address | (ulong)slot << (12 + 9 * (level - 1));
            if (level == 4 && slot >= 256)
            {
                below |= 0xffff000000000000;
            }

            ulong frame = (entry & FrameBits) >> 12;
            to.Add(new(level, below, pfns.GetValueOrDefault(frame, ulong.MaxValue), entry & ~FrameBits));
            if (level > 1)
            {
                Walk(to, pfns, level - 1, frame, below);
            }
        }
    }

    private byte[] Page(ulong cr3, ulong address)
    {
        ulong frame = cr3;
        for (int level = 4; level >= 1; level--)
        {
            int slot = (int)(address >> (12 + 9 * (level - 1))) & 511;
            ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(xen.Memory.Readable(frame)[(slot * 8)..]);
            Assert.True((entry & 1) != 0, $"0x{address:x} is not mapped at level {level}");
            frame = (entry & FrameBits) >> 12;
        }

        return Frame(frame);
    }

    private byte[] Frame(ulong frame) => xen.Memory.Readable(frame).ToArray();

    private byte[] VcpuContext()
    {
        const ulong domctl = 0x1000, context = 0x2000;
        var memory = new CallerBuffers(domctl, new byte[144], context, new byte[ContextSize]);
        var command = memory.At(domctl);
        BinaryPrimitives.WriteUInt32LittleEndian(command, 13); // XEN_DOMCTL_getvcpucontext
        BinaryPrimitives.WriteUInt32LittleEndian(command[4..], 0x15); // XEN_DOMCTL_INTERFACE_VERSION of 4.17
        BinaryPrimitives.WriteUInt16LittleEndian(command[8..], domain.Id.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(command[24..], context);
        Assert.Equal(0, xen.ToolChannel.Hypercall(HypercallNumber.domctl, memory, domctl));
        return memory.At(context).ToArray();
    }
}
