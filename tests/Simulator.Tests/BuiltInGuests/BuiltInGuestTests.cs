using System.Runtime.InteropServices;
using System.Security.Cryptography;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Simulator.BuiltInGuests;

namespace XenSim.Simulator.Tests.BuiltInGuests;

/// <summary>The images are ELF kernels that the parser of both loaders understands. What they do when run: see the scenarios and Oracle.Tests.</summary>
public class BuiltInGuestTests
{
    public static TheoryData<string> Names => [.. BuiltInGuest.All.Select(g => g.Name)];

    [Fact]
    public void There_is_a_guest_for_every_way_into_Xen() =>
        Assert.Equal(["pv64", "pv32", "pv32-supervisor", "hvm"], BuiltInGuest.All.Select(g => g.Name));

    // The wire structures are compared with the public headers, compiled, in Hypervisor.Tests.
    [Theory]
    [InlineData(nameof(StartInfoField.NrPages), nameof(StartInfo64.NrPages))]
    [InlineData(nameof(StartInfoField.SharedInfo), nameof(StartInfo64.SharedInfo))]
    [InlineData(nameof(StartInfoField.Flags), nameof(StartInfo64.Flags))]
    [InlineData(nameof(StartInfoField.StoreMfn), nameof(StartInfo64.StoreMfn))]
    [InlineData(nameof(StartInfoField.StoreEvtchn), nameof(StartInfo64.StoreEvtchn))]
    [InlineData(nameof(StartInfoField.ConsoleMfn), nameof(StartInfo64.ConsoleDomUMfn))]
    [InlineData(nameof(StartInfoField.ConsoleEvtchn), nameof(StartInfo64.ConsoleDomUEvtchn))]
    [InlineData(nameof(StartInfoField.PtBase), nameof(StartInfo64.PtBase))]
    [InlineData(nameof(StartInfoField.MfnList), nameof(StartInfo64.MfnList))]
    public void They_find_the_fields_of_start_info_where_the_ABI_has_them(string field, string wire)
    {
        var used = (StartInfoField)typeof(StartInfoField).GetProperty(field)!.GetValue(null)!;
        Assert.Equal(((int)Marshal.OffsetOf<StartInfo64>(wire), (int)Marshal.OffsetOf<StartInfo32>(wire)), (used.Wide, used.Narrow));
    }

    [Fact]
    public void An_unknown_name_is_no_guest() => Assert.Null(BuiltInGuest.Find("pv16"));

    [Theory]
    [InlineData("pv64", true)]
    [InlineData("pv32", false)]
    [InlineData("pv32-supervisor", false)]
    public void The_same_options_give_the_same_bytes(string name, bool wide)
    {
        var options = name switch
        {
            "pv64" => BuiltInGuest.Pv64Options,
            "pv32" => BuiltInGuest.Pv32Options,
            _ => BuiltInGuest.Pv32SupervisorOptions,
        };
        Assert.Equal(wide, options.Wide);
        Assert.Equal(SHA256.HashData(BuiltInGuest.Find(name)!.Image.Span), SHA256.HashData(PvGuest.Build(options)));
    }

    // e_ident, e_machine and e_entry: System V ABI; the addresses: the guest's own layout, 1 MiB above its base.
    [Theory]
    [InlineData("pv64", 2, 62, 0xffffffff80100000)]
    [InlineData("pv32", 1, 3, 0xc0100000)]
    [InlineData("pv32-supervisor", 1, 3, 0xc0100000)]
    [InlineData("hvm", 1, 3, 0x100000)]
    public void The_header_names_class_machine_and_entry(string name, byte elfClass, ushort machine, ulong entry)
    {
        var image = BuiltInGuest.Find(name)!.Image.Span;
        Assert.Equal("\u007fELF"u8, image[..4]);
        Assert.Equal(elfClass, image[4]);
        Assert.Equal(machine, BitConverter.ToUInt16(image[18..]));
        Assert.Equal(entry, elfClass == 2 ? BitConverter.ToUInt64(image[24..]) : BitConverter.ToUInt32(image[24..]));
    }

    public static TheoryData<GuestNote?> ChangedNotes =>
    [
        new TheoryDataRow<GuestNote?>((GuestNote?)null),
        new GuestNote(ElfNote.HYPERCALL_PAGE),
        new GuestNote(ElfNote.HYPERCALL_PAGE, Number: 0xffffffff90000000),
        new GuestNote(ElfNote.FEATURES, Text: "!writable_page_tables"),
    ];

    [Theory]
    [MemberData(nameof(ChangedNotes))]
    public void A_variant_differs_from_the_guest_in_its_notes_only(GuestNote? changed)
    {
        byte[] variant = BuiltInGuest.Find("pv64")!.Build(new GuestVariant { Notes = changed is null ? [] : [changed] });
        var guest = BuiltInGuest.Find("pv64")!.Image.Span;
        const int loaded = 0x7000; // headers, text and data: the notes follow
        Assert.Equal(guest[0x1000..loaded], variant.AsSpan(0x1000, loaded - 0x1000));
        Assert.Equal(changed is null, guest.SequenceEqual(variant));
    }

    /// <summary>Whatever it is asked to try has to fit its pages.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void A_guest_can_try_everything_that_it_says_it_can(string name)
    {
        BuiltInGuest guest = BuiltInGuest.Find(name)!;
        Assert.NotEmpty(guest.Build(new GuestVariant { Tries = guest.Trials }));
        foreach (GuestTrial other in Enum.GetValues<GuestTrial>().Except(guest.Trials))
            Assert.Throws<ArgumentOutOfRangeException>(() => guest.Build(new GuestVariant { Tries = [other] }));
    }

    [Fact]
    public void An_image_that_does_not_fit_its_pages_is_refused_when_it_is_built()
    {
        var data = new GuestData(0x1000, 8);
        Assert.Equal(0x1000ul, data.Text("12345678"));
        Assert.Equal(0x1000ul, data.Text("12345678"));
        Assert.Throws<InvalidOperationException>(() => data.Text("9"));
    }
}
