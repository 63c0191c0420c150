using System.Buffers.Binary;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Toolstack.Libxc;

namespace XenSim.Toolstack.Tests.Libxc;

/// <summary>
/// The p2m of a guest that is looked at from outside. What a guest has to leave where: xen/include/public/arch-x86/xen.h, struct arch_shared_info; which frame stands for
/// which pfn is the tests' own choice.
/// </summary>
public sealed class CoreP2mTests
{
    private const ulong Root = 0x100, ListFrame = 0x200, Size = 1500;

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void By_the_tree_under_pfn_to_mfn_frame_list_list(int width)
    {
        Guest guest = new(width);
        for (ulong i = 0; i < Divide(Size, guest.PerPage); i++)
            guest.Set(0x101, i, ListFrame + (7 * i));
        guest.Set(Root, 0, 0x101);
        guest.Fill(i => ListFrame + (7 * (i / guest.PerPage)));
        guest.Check(guest.SharedInfo(0, 0, Root));
    }

    [Theory]
    [InlineData(8, 0xffffc90000000000)]
    [InlineData(4, 0xe0000000)]
    public void By_the_list_that_is_mapped_at_p2m_vaddr(int width, ulong start)
    {
        Guest guest = new(width);
        ulong cr3 = guest.MapList(start);
        guest.Fill(i => ListFrame + (7 * (i / guest.PerPage)));
        guest.Check(guest.SharedInfo(cr3, start, 0));
    }

    [Theory]
    [InlineData(8, 0xffff800000000000)]
    [InlineData(8, 0xffff87fffffff000)]
    [InlineData(8, 0x0000800000000000)]
    [InlineData(4, 0xf5800000)]
    [InlineData(4, 0xfffff000)]
    public void A_list_in_addresses_of_the_hypervisor_is_refused(int width, ulong start)
    {
        Guest guest = new(width);
        Assert.Equal(XenErrno.ERANGE, guest.Map(guest.SharedInfo(guest.MapList(start), start, 0)));
        Assert.Contains("Bad virtual p2m address range", guest.Said, StringComparison.Ordinal);
    }

    /// <summary>The address is said without its sign, as the mask of 48 bits leaves it.</summary>
    [Fact]
    public void A_hole_in_the_guests_tables_is_named()
    {
        Guest guest = new(8);
        ulong cr3 = guest.MapList(0xffffc90000000000, missing: 1);
        Assert.Equal(XenErrno.ERANGE, guest.Map(guest.SharedInfo(cr3, 0xffffc90000000000, 0)));
        Assert.Contains("Bad mfn 0 during page table walk for vaddr 0xc90000001000 at level 1 of p2m list (34 = ", guest.Said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tree_that_cannot_be_mapped_is_an_error()
    {
        Guest guest = new(8);
        Assert.Equal(XenErrno.EINVAL, guest.Map(guest.SharedInfo(0, 0, 0xbad)));
        Assert.Contains("Couldn't map p2m_frame_list_list (errno 22)", guest.Said, StringComparison.Ordinal);
    }

    /// <summary>The guest writes the size itself (max_pfn); xg_core_x86.c's malloc fails with one that is large enough, and its errno is ENOMEM.</summary>
    [Theory]
    [InlineData(ulong.MaxValue >> 1)]
    [InlineData(1ul << 40)]
    [InlineData(1ul << 28)]
    public void A_size_beyond_reason_is_an_error(ulong maxPfn)
    {
        Guest guest = new(8) { MaximumGpfn = maxPfn };
        guest.Set(Root, 0, 0x101);
        Assert.Equal(XenErrno.ENOMEM, guest.Map(guest.SharedInfo(0, 0, Root)));
        Assert.Equal(XenErrno.ENOMEM, guest.Map(guest.SharedInfo(guest.MapList(0xffffc90000000000), 0xffffc90000000000, 0)));
    }

    [Fact]
    public void Less_room_than_pages_is_an_error()
    {
        Guest guest = new(8) { MaximumGpfn = 0 };
        Assert.NotEqual(XenErrno.None, guest.Map(guest.SharedInfo(0, 0, Root)));
        Assert.Contains("p2m_size < nr_pages -1 (1 < 5db", guest.Said, StringComparison.Ordinal);
    }

    private static ulong Divide(ulong value, ulong by) => (value + by - 1) / by;

    /// <summary>Its frames, and what of Xen the walk asks.</summary>
    private sealed class Guest(int width) : IHypercallChannel, IForeignMemory, IEventSink
    {
        private readonly Dictionary<ulong, byte[]> _frames = [];
        private readonly List<string> _said = [];

        public ulong PerPage => 4096 / (ulong)width;

        public ulong MaximumGpfn { get; init; } = Size - 1;

        public string Said => string.Join('\n', _said);

        public Abi ToolAbi => Abi.X64;

        public void Set(ulong frame, ulong index, ulong value, int? size = null)
        {
            byte[] page = _frames.TryGetValue(frame, out byte[]? known) ? known : _frames[frame] = new byte[4096];
            if ((size ?? width) == 8)
                BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan((int)(index * 8)), value);
            else
                BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan((int)(index * 4)), (uint)value);
        }

        /// <summary>Entry pfn is 3 pfn + 5, every ninth has no frame.</summary>
        public void Fill(Func<ulong, ulong> listFrame)
        {
            for (ulong pfn = 0; pfn < Size; pfn++)
                Set(listFrame(pfn), pfn % PerPage, Entry(pfn));
        }

        /// <summary>Page tables for the list; CR3 as such a guest has it.</summary>
        /// <param name="missing">A page of the list that is not mapped.</param>
        public ulong MapList(ulong start, ulong? missing = null)
        {
            const ulong present = 0x67;
            int levels = width == 8 ? 4 : 3;
            for (ulong page = 0; page < Divide(Size, PerPage); page++)
            {
                ulong va = start + (page * 4096), frame = Root;
                for (int level = levels; level > 0; level--)
                {
                    ulong index = va >> ((9 * level) + 3) & (level == 3 && width == 4 ? 3ul : 511), next = level == 1 ? ListFrame + (7 * page) : 0x1000 + ((ulong)level * 0x100) + (va >> ((9 * level) + 3) & 0xFF);
                    Set(frame, index, level == 1 && page == missing ? 0 : (next << 12) | present, 8);
                    frame = next;
                }
            }

            return width == 8 ? Root << 12 : (uint)(Root << 12);
        }

        public byte[] SharedInfo(ulong cr3, ulong start, ulong lists)
        {
            byte[] page = new byte[4096];
            if (width == 8)
            {
                SharedInfo64V417 wide = default;
                (wide.Arch.P2mCr3, wide.Arch.P2mVaddr, wide.Arch.PfnToMfnFrameListList) = (cr3, start, lists);
                ((Span<byte>)page).WriteStruct(in wide);
            }
            else
            {
                SharedInfo32V417 narrow = default;
                (narrow.Arch.P2mCr3, narrow.Arch.P2mVaddr, narrow.Arch.PfnToMfnFrameListList) = ((uint)cr3, (uint)start, (uint)lists);
                ((Span<byte>)page).WriteStruct(in narrow);
            }

            return page;
        }

        public XenErrno Map(byte[] sharedInfo) => Walk().Map(sharedInfo, Size);

        public void Check(byte[] sharedInfo)
        {
            CoreP2m p2m = Walk();
            Assert.Equal(XenErrno.None, p2m.Map(sharedInfo, Size));
            Assert.Equal(Size, p2m.Size);
            for (ulong pfn = 0; pfn < Size; pfn++)
                Assert.Equal(Entry(pfn) == ulong.MaxValue ? p2m.Invalid : Entry(pfn), p2m[pfn]);
            p2m.Unmap();
            Assert.Empty(Said);
        }

        public long Hypercall(HypercallNumber number, ICallerMemory memory, ulong a1 = 0, ulong a2 = 0, ulong a3 = 0, ulong a4 = 0, ulong a5 = 0)
            => (number, (MemoryOpCommand)a1) == (HypercallNumber.memory_op, MemoryOpCommand.maximum_gpfn) ? (long)MaximumGpfn : throw new InvalidOperationException($"{number} {a1}");

        public IForeignMapping Map(DomainId domain, ReadOnlySpan<Gfn> gfns, bool writable) => new Pages([.. gfns.ToArray().Select(g => _frames.GetValueOrDefault(g.Value))]);

        public IForeignMapping MapResource(DomainId domain, uint type, uint id, ulong frame, uint count) => throw new InvalidOperationException();

        public bool Wants<TEvent>()
            where TEvent : XenEvent
            => true;

        public void Emit(XenEvent e) => _said.Add(((LogLine)e).Rendered);

        private static ulong Entry(ulong pfn) => pfn % 9 == 4 ? ulong.MaxValue : (3 * pfn) + 5;

        private CoreP2m Walk()
        {
            ToolLog log = new(this, XenRelease.V4_17);
            return new CoreP2m(new XenControl(new ToolstackOptions { Release = XenRelease.V4_17, Channel = this, Foreign = this, Store = null!, Events = this }, log), log, 1, width);
        }
    }

    private sealed class Pages(byte[]?[] frames) : IForeignMapping
    {
        public int Count => frames.Length;

        public XenErrno Error => frames.Contains(null) ? XenErrno.EINVAL : XenErrno.None;

        public Span<byte> Page(int index) => frames[index];

        public void Write(ulong offset, ReadOnlySpan<byte> bytes) => throw new InvalidOperationException();

        public void Read(ulong offset, Span<byte> bytes) => throw new InvalidOperationException();

        public void Dispose()
        {
        }
    }
}
