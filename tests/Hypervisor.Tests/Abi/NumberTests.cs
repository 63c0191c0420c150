using System.Reflection;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.PublicAbi;

/// <summary>Expected values: Data/constants.txt, printed from Xen's compiled public headers (Data/ORIGIN.md).</summary>
public sealed class NumberTests
{
    private static readonly Assembly s_public = typeof(XenPrefixAttribute).Assembly;
    private readonly AbiTable _table = AbiTable.Load();
    private readonly NumberChecker _checker;

    public NumberTests() => _checker = new NumberChecker(_table);

    public static TheoryData<string> Enums
        => [.. s_public.GetTypes().Where(t => t.IsDefined(typeof(XenPrefixAttribute)) && t != typeof(E820Type)).Select(t => t.FullName!)];

    [Theory]
    [MemberData(nameof(Enums))]
    public void Every_member_has_the_value_that_the_headers_give_its_name(string type)
        => Assert.Empty(_checker.Check(s_public.GetType(type, throwOnError: true)!));

    [Fact]
    public void Every_hypercall_number_is_that_of_the_headers()
        => Assert.Empty(Enum.GetValues<HypercallNumber>().SelectMany(number => _checker.Compare("__HYPERVISOR_" + NameOf(number), (uint)number)));

    [Fact]
    public void Every_errno_is_that_of_the_headers()
    {
        // stable-4.17 xen/include/public/errno.h hides these two from everybody but Xen itself (#ifdef __XEN__): 4 and 85.
        Assert.Equal((4, 85), ((int)XenErrno.EINTR, (int)XenErrno.ERESTART));
        Assert.Empty(Enum.GetValues<XenErrno>()
            .Where(e => e is not (XenErrno.None or XenErrno.EINTR or XenErrno.ERESTART))
            .SelectMany(e => _checker.Compare($"XEN_{e}", (uint)e)));
    }

    [Fact]
    public void Every_special_domain_number_is_that_of_the_headers()
    {
        (string Name, DomainId Id)[] special =
        [
            ("FIRST_RESERVED", DomainId.FirstReserved), ("SELF", DomainId.Self), ("IO", DomainId.Io), ("XEN", DomainId.Xen),
            ("COW", DomainId.Cow), ("INVALID", DomainId.Invalid), ("IDLE", DomainId.Idle),
        ];
        Assert.Empty(special.SelectMany(s => _checker.Compare("DOMID_" + s.Name, s.Id.Value)));
    }

    [Fact]
    public void Every_single_constant_is_that_of_the_4_17_headers()
    {
        Column column = new(Releases.V4_17, Abis.X64);
        Assert.Empty(typeof(XenConstants).GetFields(BindingFlags.Static | BindingFlags.Public)
            .SelectMany(f => _checker.Compare(f.Name, NumberChecker.Bits(f.GetRawConstantValue()!), column)));
    }

    [Theory]
    [InlineData(XenRelease.V4_0, Releases.V4_0)]
    [InlineData(XenRelease.V4_17, Releases.V4_17)]
    public void Interface_versions_are_those_of_the_release(XenRelease release, Releases column)
    {
        Column x64 = new(column, Abis.X64);
        Assert.Empty(_checker.Compare("XEN_DOMCTL_INTERFACE_VERSION", InterfaceVersions.Domctl(release), x64));
        Assert.Empty(_checker.Compare("XEN_SYSCTL_INTERFACE_VERSION", InterfaceVersions.Sysctl(release), x64));
    }

    /// <summary>Source: XENVER_version and XENVER_extraversion that dom0 read on real Xen 4.0.4 and 4.17.7.</summary>
    [Theory]
    [InlineData(XenRelease.V4_0, 0x00040000, ".4")]
    [InlineData(XenRelease.V4_17, 0x00040011, ".7")]
    public void Versions_are_what_dom0_read_on_real_Xen(XenRelease release, uint version, string extraVersion)
    {
        Assert.Equal(version, InterfaceVersions.XenVersion(release));
        Assert.Equal(extraVersion, InterfaceVersions.ExtraVersion(release));
    }

    /// <summary>hvm_start_info's memory map uses the numbers of E820 (arch-x86/hvm/start_info.h says so).</summary>
    [Fact]
    public void E820_types_are_those_of_the_hvm_memory_map()
        => Assert.Empty(Enum.GetValues<E820Type>().SelectMany(type => _checker.Compare($"XEN_HVM_MEMMAP_TYPE_{type}", (uint)type)));

    /// <summary>DECLARE_HVM_SAVE_TYPE makes a structure whose member c is an array of as many bytes as the record's code.</summary>
    [Theory]
    [InlineData(Releases.V4_0)]
    [InlineData(Releases.V4_17)]
    public void Save_record_codes_are_those_of_the_headers(Releases release)
    {
        Column column = new(release, Abis.X64);
        int seen = 0;
        foreach (HvmSaveCode code in Enum.GetValues<HvmSaveCode>())
        {
            if (_table.Struct($"__HVM_SAVE_TYPE_{code}", column) is not { } declared)
                continue;
            seen++;
            Assert.Equal(declared.Fields["c"].Size, (int)code);
        }

        // 4.0 declares 0-15; 4.17 0-14, 15 as VIRIDIAN_DOMAIN, 17-19 (16 and 20 have a variable length and no declaration).
        Assert.Equal(release == Releases.V4_0 ? 16 : 18, seen);
        if (release == Releases.V4_17)
            Assert.Equal((int)HvmSaveCode.VIRIDIAN, _table.Struct("__HVM_SAVE_TYPE_VIRIDIAN_DOMAIN", column)!.Fields["c"].Size);
        Assert.Empty(_checker.Compare("CPU_XSAVE_CODE", (ulong)HvmSaveCode.CPU_XSAVE).Concat(_checker.Compare("CPU_MSR_CODE", (ulong)HvmSaveCode.CPU_MSR)));
    }

    [Fact]
    public void Events_show_Xens_own_names()
    {
        Assert.Equal("XEN_DOMCTL_hypercall_init", XenNames.Domctl(22));
        Assert.Equal("XEN_SYSCTL_getdomaininfolist", XenNames.Sysctl(6));
        Assert.Equal("XENMEM_populate_physmap", XenNames.MemoryOp((7UL << MemoryOpArgument.MEMOP_EXTENT_SHIFT) | 6));
        Assert.Equal("MMUEXT_PIN_L4_TABLE", XenNames.Mmuext(3));
        Assert.Equal("EVTCHNOP_alloc_unbound", XenNames.EventChannelOp(6));
        Assert.Equal("VMASST_TYPE_4gb_segments", XenNames.Of(VmAssistType._4gb_segments));
        Assert.Equal("XEN_DOMCTL_99", XenNames.Domctl(99));
    }

    [Fact]
    public void A_wrong_or_unknown_number_is_rejected()
    {
        Assert.Contains(_checker.Check(typeof(Broken)), c => c.StartsWith("MMUEXT_PIN_L1_TABLE is 0x7", StringComparison.Ordinal));
        Assert.Contains("MMUEXT_no_such_command is in no header", _checker.Check(typeof(Broken)));
        Assert.DoesNotContain(_checker.Check(typeof(Broken)), c => c.Contains("PIN_L2_TABLE", StringComparison.Ordinal));
    }

    private static string NameOf(HypercallNumber number) => number switch
    {
        // xen/include/hypercall-defs.c: Xen's own continuation, under the number of arch_1.
        HypercallNumber.paging_domctl_cont => "arch_1",
        _ => number.ToString(),
    };

    [XenPrefix("MMUEXT_")]
    private enum Broken
    {
        PIN_L1_TABLE = 7,
        PIN_L2_TABLE = 1,
        no_such_command = 99,
    }
}
