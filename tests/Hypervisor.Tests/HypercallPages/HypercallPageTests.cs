using System.Security.Cryptography;
using XenSim.Hypervisor.HypercallPages;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Tests.HypercallPages;

public sealed class HypercallPageTests
{
    /// <summary>Origin: the fill functions of RELEASE-4.0.4 and stable-4.17, compiled and run on a page of 0xCC.</summary>
    [Theory]
    [InlineData(HypercallPageFlavour.Ring1, XenRelease.V4_0, "190ab1068f63784514fb7c55201b9bf160e04d07d37c49d58d5f214e1c581320")]
    [InlineData(HypercallPageFlavour.CompatRing1, XenRelease.V4_0, "190ab1068f63784514fb7c55201b9bf160e04d07d37c49d58d5f214e1c581320")]
    [InlineData(HypercallPageFlavour.CompatRing1, XenRelease.V4_17, "190ab1068f63784514fb7c55201b9bf160e04d07d37c49d58d5f214e1c581320")]
    [InlineData(HypercallPageFlavour.Ring3, XenRelease.V4_0, "85899f17fc8ec6e52cd831a6d0eaf468389b979eded05b268e97d462c10d043b")]
    [InlineData(HypercallPageFlavour.Ring3, XenRelease.V4_17, "cf2dbe4e176b44c72efe0aa2bc8176f2b8d083f6fe205597ed6500ed7a27a78b")]
    [InlineData(HypercallPageFlavour.Vmx, XenRelease.V4_0, "cddfcafd1e72c7c789d838092a8f01ff717245126d01e3f98a72e6e50cd1a85d")]
    [InlineData(HypercallPageFlavour.Vmx, XenRelease.V4_17, "3b653908851d17d123d23a332650f52ec4f9dde070d6e26bf47d4ad45bbc5781")]
    [InlineData(HypercallPageFlavour.Svm, XenRelease.V4_0, "01d0f37075abd43f1f11aa96e9bdc0daca906ba3d35026b76fe7a9512e3738aa")]
    [InlineData(HypercallPageFlavour.Svm, XenRelease.V4_17, "ce96b2646f3bcf09db7e62e8c83f9bff5c7fdda3481b51068f5586859817b61f")]
    public void A_page_has_the_digest_of_the_real_writer(HypercallPageFlavour flavour, XenRelease release, string sha256)
        => Assert.Equal(sha256, Digest(HypercallPage.Render(flavour, release)));

    [Theory]
    [InlineData(0xFF1234A0, "beca6c4845a14c576930034ce236cf8e15192f69ee5cabdd6dfeaf9646fedfe5")]
    [InlineData(0xFF1DDAB0, "8139441df8154d874767a03fd69ef0ce188abd6586620a27b064a4dcd474e525")]
    public void The_ring_0_page_holds_the_address_of_the_hypercall_entry(ulong entry, string sha256)
        => Assert.Equal(sha256, Digest(HypercallPage.Render(HypercallPageFlavour.Ring0, XenRelease.V4_0, entry)));

    [Theory]
    [InlineData(HypercallPageFlavour.Ring0, XenRelease.V4_0, "4.0.4-x86_32-ring0")]
    [InlineData(HypercallPageFlavour.Ring1, XenRelease.V4_0, "4.0.4-x86_32-ring1")]
    [InlineData(HypercallPageFlavour.Ring3, XenRelease.V4_0, "4.0.4-x86_64-ring3")]
    [InlineData(HypercallPageFlavour.Ring3, XenRelease.V4_17, "4.17-x86_64-ring3")]
    [InlineData(HypercallPageFlavour.Svm, XenRelease.V4_17, "4.17-svm")]
    public void A_page_equals_what_a_guest_of_real_Xen_read(HypercallPageFlavour flavour, XenRelease release, string file)
        => Assert.Equal(
            TestData.Bytes($"HypercallPages/hypercall-page-{file}.bin"),
            HypercallPage.Render(flavour, release, 0xFF1DDAB0));

    [Theory]
    [InlineData(HypercallPageFlavour.Ring3, "51415350b8170000000f055b59c3cccc", "51415350b8170000000f05cccccccccc")]
    [InlineData(HypercallPageFlavour.Vmx, "0f0b0000000f01c1c3cccccccccccccc", "0f0bcccccccccccccccccccccccccccc")]
    [InlineData(HypercallPageFlavour.Svm, "0f0b0000000f01d9c3cccccccccccccc", "0f0bcccccccccccccccccccccccccccc")]
    public void The_iret_slot_of_4_0_shows_the_tail_of_the_ordinary_stub(HypercallPageFlavour flavour, string old, string clean)
    {
        Assert.Equal(old, Slot(flavour, XenRelease.V4_0, 23)[..32]);
        Assert.Equal(clean, Slot(flavour, XenRelease.V4_17, 23)[..32]);
    }

    [Theory]
    [InlineData(HypercallPageFlavour.Ring0)]
    [InlineData(HypercallPageFlavour.Ring1)]
    public void The_32_bit_hypervisor_s_flavours_are_refused_for_4_17(HypercallPageFlavour flavour)
    {
        Assert.False(HypercallPage.Exists(flavour, XenRelease.V4_17));
        Assert.Throws<ArgumentException>(() => HypercallPage.Render(flavour, XenRelease.V4_17));
    }

    private static string Slot(HypercallPageFlavour flavour, XenRelease release, int slot)
        => Convert.ToHexStringLower(HypercallPage.Render(flavour, release).AsSpan(slot * HypercallPage.SlotSize, HypercallPage.SlotSize));

    private static string Digest(byte[] page) => Convert.ToHexStringLower(SHA256.HashData(page));
}
