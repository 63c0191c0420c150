using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Tests.Hvm;

/// <summary>Origin: wrmsr_hypervisor_regs of RELEASE-4.0.4 and guest_wrmsr_xen of stable-4.17, traps.c, with their callers.</summary>
public sealed class HypervisorMsrsTests
{
    /// <summary>Seen: a PVH guest of real 4.17.7 wrote 0x11d000 and its page is gfn 0x11d.</summary>
    [Fact]
    public void The_frame_is_the_value_without_its_low_12_bits()
        => Assert.Equal(new HypercallMsrWrite(new Gfn(0x11D), null), HypervisorMsrs.Decode(XenRelease.V4_17, 0x11D000));

    [Theory]
    [InlineData(XenRelease.V4_0, "Out of range index 20 to MSR 40000000")]
    [InlineData(XenRelease.V4_17, "wrmsr hypercall page index 0x14 unsupported")]
    public void A_page_index_is_refused_in_the_release_s_words(XenRelease release, string line)
        => Assert.Equal(line, HypervisorMsrs.Decode(release, 0x11D014).Refusal);

    [Theory]
    [InlineData(XenRelease.V4_0, "Bad GMFN 11d (MFN ffffffffffffffff) to MSR 40000000")]
    [InlineData(XenRelease.V4_17, "Bad GMFN 11d (MFN 0xffffffffffffffff) to MSR 40000000")]
    public void A_frame_that_is_not_there_is_refused_in_the_release_s_words(XenRelease release, string line)
        => Assert.Equal(line, HypervisorMsrs.BadFrameLine(release, new Gfn(0x11D), Mfn.Invalid, viridian: false));

    [Theory]
    [InlineData(XenRelease.V4_0, true, MsrEffect.Ignored)]
    [InlineData(XenRelease.V4_0, false, MsrEffect.Unknown)]
    [InlineData(XenRelease.V4_17, true, MsrEffect.GeneralProtection)]
    [InlineData(XenRelease.V4_17, false, MsrEffect.GeneralProtection)]
    public void A_refused_write_is_silent_in_4_0_and_faults_in_4_17(XenRelease release, bool isHvm, MsrEffect effect)
        => Assert.Equal(effect, HypervisorMsrs.Refused(release, isHvm));

    [Fact]
    public void The_MSR_reads_as_zero_and_its_neighbour_is_refused()
    {
        Assert.Equal(MsrEffect.Done, HypervisorMsrs.Read(XenRelease.V4_17, true, viridian: false, 0x40000000, out ulong value));
        Assert.Equal(0ul, value);
        Assert.Equal(MsrEffect.GeneralProtection, HypervisorMsrs.Read(XenRelease.V4_17, true, viridian: false, 0x40000001, out _));
        Assert.Equal(MsrEffect.Done, HypervisorMsrs.Read(XenRelease.V4_0, true, viridian: true, 0x40000200, out _));
    }

    [Theory]
    [InlineData(0x40000000, false, true)]
    [InlineData(0x40000000, true, false)]
    [InlineData(0x40000200, true, true)]
    [InlineData(0x40000300, true, false)]
    public void Release_4_17_gives_Viridian_the_first_range(uint index, bool viridian, bool xens)
        => Assert.Equal(xens, HypervisorMsrs.IsXens(XenRelease.V4_17, index, viridian));

    [Theory]
    [InlineData(XenRelease.V4_0, HvmGuestMode.Real, 0, true)]
    [InlineData(XenRelease.V4_0, HvmGuestMode.Virtual8086, 3, false)]
    [InlineData(XenRelease.V4_0, HvmGuestMode.Long, 1, true)]
    [InlineData(XenRelease.V4_0, HvmGuestMode.Long, 3, false)]
    [InlineData(XenRelease.V4_17, HvmGuestMode.Protected32, 1, false)]
    [InlineData(XenRelease.V4_17, HvmGuestMode.Protected32, 0, true)]
    public void Who_may_call_depends_on_mode_and_privilege(XenRelease release, HvmGuestMode mode, int privilege, bool may)
        => Assert.Equal(may, HvmHypercallRules.MayCall(release, mode, privilege));

    [Fact]
    public void Release_4_17_reads_all_of_RAX_in_long_mode()
    {
        Assert.Equal(0x1_0000_0011ul, HvmHypercallRules.Number(XenRelease.V4_17, HvmGuestMode.Long, 0x1_0000_0011));
        Assert.Equal(0x11ul, HvmHypercallRules.Number(XenRelease.V4_0, HvmGuestMode.Long, 0x1_0000_0011));
        Assert.False(HvmHypercallRules.InTable(64));
    }

    [Fact]
    public void Only_the_guest_itself_latches_the_layout_of_its_shared_info()
    {
        Assert.False(HvmHypercallRules.LatchShinfoSize(true, isSelf: true, HvmGuestMode.Long));
        Assert.True(HvmHypercallRules.LatchShinfoSize(false, isSelf: true, HvmGuestMode.Protected32));
        Assert.False(HvmHypercallRules.LatchShinfoSize(false, isSelf: false, HvmGuestMode.Protected32));
    }

    [Fact]
    public void The_argument_registers_follow_the_mode()
    {
        Assert.Equal([Gpr.Rdi, Gpr.Rsi, Gpr.Rdx, Gpr.R10, Gpr.R8], HvmHypercallRules.ArgumentRegisters(HvmGuestMode.Long).ToArray());
        Assert.Equal([Gpr.Rbx, Gpr.Rcx, Gpr.Rdx, Gpr.Rsi, Gpr.Rdi], HvmHypercallRules.ArgumentRegisters(HvmGuestMode.Real).ToArray());
    }
}
