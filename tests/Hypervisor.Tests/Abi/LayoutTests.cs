using System.Reflection;
using System.Runtime.InteropServices;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.PublicAbi;

/// <summary>Expected values: Data/structs.txt, printed from Xen's compiled public headers (Data/ORIGIN.md).</summary>
public sealed class LayoutTests
{
    private static readonly Assembly s_public = typeof(XenStructAttribute).Assembly;
    private readonly LayoutChecker _checker = new(AbiTable.Load());

    public static TheoryData<string> XenStructs => [.. s_public.GetTypes().Where(t => t.IsDefined(typeof(XenStructAttribute))).Select(t => t.FullName!)];

    [Theory]
    [MemberData(nameof(XenStructs))]
    public void Every_field_and_the_size_are_those_of_the_compiled_headers(string type)
        => Assert.Empty(_checker.Check(s_public.GetType(type, throwOnError: true)!));

    [Fact]
    public void Every_type_with_an_explicit_layout_or_a_wire_codec_says_which_struct_it_mirrors()
    {
        var silent = s_public.GetTypes()
            .Where(t => t.Namespace == typeof(IWireRecord).Namespace)
            .Where(t => t.IsExplicitLayout || (typeof(IWireRecord).IsAssignableFrom(t) && !t.IsInterface))
            .Where(t => !t.IsDefined(typeof(XenStructAttribute)) && t != typeof(E820Entry) && t != typeof(PhysdevMapPirqHead));
        Assert.Empty(silent);
    }

    /// <summary>Source: stable-4.17 tools/include/xenctrl.h, struct e820entry, __attribute__((packed)); atlas value 20 bytes.</summary>
    [Fact]
    public void An_e820_entry_is_packed_to_20_bytes()
    {
        Assert.Equal(20u, WireMemory.SizeOf<E820Entry>());
        Span<byte> bytes = stackalloc byte[20];
        bytes.WriteStruct(new E820Entry { Addr = 0x1111_1111_1111_1111, Size = 0x2222_2222_2222_2222, Type = 0x3333_3333 });
        Assert.Equal("1111111111111111222222222222222233333333", Convert.ToHexString(bytes));
    }

    [Theory]
    [InlineData(typeof(MisplacedField), "NrPages at")]
    [InlineData(typeof(WrongSize), "the header says 1168")]
    [InlineData(typeof(UnknownField), "Nonsense is no field of the header")]
    [InlineData(typeof(MissingField), "remote_dom at")]
    [InlineData(typeof(UnknownStruct), "has no struct no_such_struct")]
    [InlineData(typeof(NotInThatRelease), "V4_0-X64 has no struct hvm_start_info")]
    [InlineData(typeof(RecordOutOfOrder), "ExtentOrder at")]
    [InlineData(typeof(Unmarked), "bears no XenStruct")]
    public void A_wrong_mirror_is_rejected(Type broken, string complaint)
        => Assert.Contains(_checker.Check(broken), c => c.Contains(complaint, StringComparison.Ordinal));

    [XenStruct("start_info", Abis.X64, Releases.Both)]
    [StructLayout(LayoutKind.Explicit, Size = 1168)]
    private struct MisplacedField
    {
        [FieldOffset(40)] public ulong NrPages;
    }

    [XenStruct("start_info", Abis.X64, Releases.Both)]
    [StructLayout(LayoutKind.Explicit, Size = 1164)]
    private struct WrongSize
    {
        [FieldOffset(0)] public uint Magic;
    }

    [XenStruct("evtchn_close", Abis.Both, Releases.Both)]
    [StructLayout(LayoutKind.Explicit, Size = 4)]
    private struct UnknownField
    {
        [FieldOffset(0)] public uint Nonsense;
    }

    [XenStruct("evtchn_alloc_unbound", Abis.Both, Releases.Both)]
    [StructLayout(LayoutKind.Explicit, Size = 8)]
    private struct MissingField
    {
        [FieldOffset(0)] public ushort Dom;
    }

    [XenStruct("no_such_struct", Abis.X64, Releases.V4_17)]
    private struct UnknownStruct
    {
        public uint Field { get; init; }
    }

    [XenStruct("hvm_start_info", Abis.X64, Releases.V4_0)]
    private struct NotInThatRelease
    {
        public uint Field { get; init; }
    }

    private struct Unmarked
    {
        public uint Field { get; init; }
    }

    [XenStruct("xen_memory_reservation", Abis.Both, Releases.Both)]
    private record struct RecordOutOfOrder : IWireRecord
    {
        public ulong ExtentStart;
        public ulong NrExtents;
        public uint ExtentOrder;
        public uint MemFlags;
        public ushort Domid;

        public void Visit(ref WireCursor cursor)
        {
            cursor.Long(ref ExtentStart);
            cursor.Long(ref NrExtents);
            cursor.U32(ref MemFlags);
            cursor.U32(ref ExtentOrder);
            cursor.U16(ref Domid);
        }
    }
}
