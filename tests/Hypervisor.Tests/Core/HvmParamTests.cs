using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Tests.Core;

/// <summary>HVMOP_set_param by the tools. Source: RELEASE-4.0.4 xen/arch/x86/hvm/hvm.c: do_hvm_op; stable-4.17: hvm_allow_set_param, hvm_set_param.</summary>
public class HvmParamTests
{
    [Theory]
    [InlineData(XenRelease.V4_0, HvmParam.TIMER_MODE, 3, XenErrno.None)]
    [InlineData(XenRelease.V4_0, HvmParam.TIMER_MODE, 4, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.TIMER_MODE, 4, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_0, HvmParam.VIRIDIAN, 1, XenErrno.None)]
    [InlineData(XenRelease.V4_0, HvmParam.VIRIDIAN, 2, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.VIRIDIAN, 2, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.VIRIDIAN, 0x2001, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_0, HvmParam.ACPI_S_STATE, 1, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.ACPI_S_STATE, 1, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_0, HvmParam.IOREQ_PFN, 5, XenErrno.EINVAL)] // no such page
    [InlineData(XenRelease.V4_17, HvmParam.IOREQ_PFN, 5, XenErrno.None)]
    [InlineData(XenRelease.V4_0, HvmParam.PAE_ENABLED, 1, XenErrno.None)]
    [InlineData(XenRelease.V4_17, HvmParam.PAE_ENABLED, 1, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.NESTEDHVM, 1, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.DM_DOMAIN, 1, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.TRIPLE_FAULT_REASON, 5, XenErrno.None)]
    [InlineData(XenRelease.V4_17, HvmParam.TRIPLE_FAULT_REASON, 6, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.NR_IOREQ_SERVER_PAGES, 0, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.NR_IOREQ_SERVER_PAGES, 8, XenErrno.None)]
    [InlineData(XenRelease.V4_17, HvmParam.NR_IOREQ_SERVER_PAGES, 65, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.X87_FIP_WIDTH, 4, XenErrno.None)]
    [InlineData(XenRelease.V4_17, HvmParam.X87_FIP_WIDTH, 5, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.MCA_CAP, 1, XenErrno.None)]
    [InlineData(XenRelease.V4_17, HvmParam.MCA_CAP, 2, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.ALTP2M, 4, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.ACPI_IOPORTS_LOCATION, 1, XenErrno.ENODEV)] // a PVH domain has no PM timer
    [InlineData(XenRelease.V4_17, HvmParam.VM86_TSS, 0x1_0000_0000, XenErrno.EINVAL)]
    [InlineData(XenRelease.V4_17, HvmParam.VM86_TSS_SIZED, 0x10_0000_1000, XenErrno.EINVAL)]
    public void A_parameter_takes_the_values_that_its_release_takes(XenRelease release, HvmParam param, long value, XenErrno expected)
    {
        using Host host = new(release);
        Domain d = HardwareDomain(host);
        ulong before = d.HvmParams[(int)param];
        Assert.Equal(param == HvmParam.TRIPLE_FAULT_REASON ? 1ul : 0, before); // hvm_domain_initialise: SHUTDOWN_reboot
        Assert.Equal(expected, Set(host, d, param, (ulong)value));
        Assert.Equal(expected == XenErrno.None ? (ulong)value : before, d.HvmParams[(int)param]);
    }

    [Fact]
    public void The_old_tss_parameter_is_kept_as_the_sized_one()
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = HardwareDomain(host);
        Assert.Equal(XenErrno.None, Set(host, d, HvmParam.VM86_TSS, 0x1000));
        Assert.Equal(0x1000ul, Get(host, d, HvmParam.VM86_TSS));
        Assert.Equal((128ul << 32) | 0x1000, Get(host, d, HvmParam.VM86_TSS_SIZED));
        Assert.Equal(XenErrno.None, Set(host, d, HvmParam.VM86_TSS_SIZED, (0xFFFFul << 32) | 0x2000));
        Assert.Equal(((104ul + 32 + 8192 + 1) << 32) | 0x2000, Get(host, d, HvmParam.VM86_TSS_SIZED));
    }

    [Fact]
    public void What_may_be_set_once_answers_EEXIST_to_another_value()
    {
        using Host host = new(XenRelease.V4_17);
        Domain d = HardwareDomain(host);
        Assert.Equal(XenErrno.None, Set(host, d, HvmParam.IOREQ_PFN, 5));
        Assert.Equal(XenErrno.None, Set(host, d, HvmParam.IOREQ_PFN, 5));
        Assert.Equal(XenErrno.EEXIST, Set(host, d, HvmParam.IOREQ_PFN, 6));
    }

    // RELEASE-4.0.4 xen/arch/x86/hvm/viridian.c: cpuid_viridian_leaves; traps.c: cpuid_hypervisor_leaves.
    [Fact]
    public void Viridians_leaves_move_those_of_Xen()
    {
        using Host host = new(XenRelease.V4_0);
        Domain d = HardwareDomain(host);
        Vcpu v = d.Vcpus[0];
        Assert.Equal(0x566E6558u, v.Cpuid(0x40000000, 0).Ebx);
        Assert.Equal(XenErrno.None, Set(host, d, HvmParam.VIRIDIAN, 1));
        Assert.Equal(new CpuidResult(0x40000006, 0x7263694D, 0x666F736F, 0x76482074), v.Cpuid(0x40000000, 0));
        Assert.Equal(0x31237648u, v.Cpuid(0x40000001, 0).Eax);
        Assert.Equal(new CpuidResult(0, 0, 0, 0), v.Cpuid(0x40000002, 0)); // until the guest has said which system it is
        Assert.Equal(0x70u, v.Cpuid(0x40000003, 0).Eax);
        Assert.Equal(0x566E6558u, v.Cpuid(0x40000100, 0).Ebx);
        Assert.Equal(0x40000200u, v.Cpuid(0x40000102, 0).Ebx);
    }

    // enable_hypercall_page: one stub, the rest int3; nothing before the guest has said which system it is.
    [Fact]
    public void Viridians_page_has_one_stub_that_sets_bit_31()
    {
        using Host host = new(XenRelease.V4_0);
        Domain d = HardwareDomain(host);
        d.MaxPages = 16;
        host.Populate(d, 2, 1);
        Mfn page = d.GfnToMfn(new Gfn(2));
        Assert.True(d.Viridian.TryWrite(0x40000001, 0x2001));
        Assert.Equal(0, host.Xen.Memory.Readable(page.Value)[0]);
        Assert.True(d.Viridian.TryWrite(0x40000000, 1));
        Assert.True(d.Viridian.TryWrite(0x40000001, 0x2001));
        byte[] expected = new byte[4096];
        Array.Fill(expected, (byte)0xCC);
        byte[] stub = [0x0D, 0x00, 0x00, 0x00, 0x80, 0x0F, 0x01, 0xD9, 0xC3];
        stub.CopyTo(expected, 0);
        Assert.Equal(expected, host.Xen.Memory.Readable(page.Value).ToArray());
        Assert.Equal(0u, host.Xen.Frames[page].TypeCount);
        Assert.True(d.Viridian.TryRead(d.Vcpus[0], 0x40000001, out ulong value));
        Assert.Equal(0x2001ul, value);
        Assert.False(d.Viridian.TryWrite(0x40000200, 0));
    }

    // xen/arch/x86/hvm/mtrr.c: hvm_load_mtrr_msr, hvm_save_mtrr_msr; 4.17 has MTRR_VCNT 8 and refuses more.
    [Theory]
    [InlineData(XenRelease.V4_0, 8, XenErrno.None)]
    [InlineData(XenRelease.V4_17, 8, XenErrno.None)]
    [InlineData(XenRelease.V4_17, 9, XenErrno.EINVAL)]
    public void A_loaded_MTRR_record_is_what_is_saved_again(XenRelease release, byte variable, XenErrno expected)
    {
        using Host host = new(release);
        Domain d = HardwareDomain(host);
        byte[] stream = Save(host, d);
        int mtrr = Find(stream, HvmSaveCode.MTRR);
        stream[mtrr] = 0x55; // PAT
        stream[mtrr + 224] = variable; // MTRRcap
        stream.CopyTo(host.Memory.Bytes, 0x2000);
        DomctlHvmContext load = new() { Size = (uint)stream.Length, Buffer = ToolMemory.Base + 0x2000 };
        Assert.Equal(expected, host.Domctl(DomctlCommand.sethvmcontext, d.Id, load));
        if (expected == XenErrno.None)
            Assert.Equal(stream[mtrr..(mtrr + 240)], Save(host, d)[mtrr..(mtrr + 240)]);
    }

    /// <summary>Offset of the record's body.</summary>
    private static int Find(byte[] stream, HvmSaveCode code)
    {
        int at = 0;
        while (BitConverter.ToUInt16(stream, at) != (ushort)code)
            at += 8 + BitConverter.ToInt32(stream, at + 4);
        return at + 8;
    }

    private static byte[] Save(Host host, Domain d)
    {
        DomctlHvmContext save = new() { Size = 0x4000, Buffer = ToolMemory.Base + 0x8000 };
        Assert.Equal(XenErrno.None, host.Domctl(DomctlCommand.gethvmcontext, d.Id, save, out Public.Wire.Domctl answer));
        uint size = ((ReadOnlySpan<byte>)answer.Payload).ReadStruct<DomctlHvmContext>().Size;
        return host.Memory.Bytes.AsSpan(0x8000, (int)size).ToArray();
    }

    private static Domain HardwareDomain(Host host)
    {
        Domain d = host.Xen.CreateDomain(new DomainId(5), new DomainKind { IsHvm = true, MaxVcpus = 1 });
        d.AddVcpu();
        return d;
    }

    private static XenErrno Set(Host host, Domain d, HvmParam param, ulong value) => Call(host, d, HvmOp.set_param, param, value);

    private static ulong Get(Host host, Domain d, HvmParam param)
    {
        Assert.Equal(XenErrno.None, Call(host, d, HvmOp.get_param, param, 0));
        Assert.True(host.Memory.TryReadStruct(new VirtualAddress(Host.Scratch), out HvmParamOp p));
        return p.Value;
    }

    private static XenErrno Call(Host host, Domain d, HvmOp op, HvmParam param, ulong value)
    {
        host.Memory.TryWriteStruct(new VirtualAddress(Host.Scratch), new HvmParamOp { Domid = d.Id.Value, Index = (uint)param, Value = value });
        return host.Xen.ToolChannel.Hypercall(HypercallNumber.hvm_op, host.Memory, (ulong)op, Host.Scratch).ToErrno();
    }
}
