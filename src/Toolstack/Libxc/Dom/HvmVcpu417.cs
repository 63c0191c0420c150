using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Stages;
using XenSim.Hypervisor.Public.Wire;
using XenSim.Toolstack.Images;

namespace XenSim.Toolstack.Libxc.Dom;

/// <summary>vcpu_hvm: the boot vcpu of a PVH or HVM domain in flat protected mode, loaded as an HVM save stream.</summary>
/// <remarks>Source: stable-4.17 tools/libs/guest/xg_dom_x86.c: vcpu_hvm.</remarks>
internal static class HvmVcpu417
{
    private const uint DescriptorSize = 8;
    private const uint HeaderLength = 24;
    private const uint MtrrLength = 240;
    private const int MtrrDefType = 232;

    public static StageOutcome Vcpu(DomainBuild build)
    {
        DomImage dom = build.Current.Image!;
        dom.Log.Print("vcpu_hvm: called");
        XcReturn rc = build.Xc.HvmGetContext(dom.Domid, null);
        if (rc.Value <= 0)
            return Fail(dom, 1017, $"vcpu_hvm: unable to fetch HVM context size (rc={rc.Value})", rc);
        byte[] full = new byte[rc.Value];
        rc = build.Xc.HvmGetContext(dom.Domid, full);
        if (rc.Value < DescriptorSize + HeaderLength)
            return Fail(dom, 1036, $"vcpu_hvm: unable to fetch HVM context (rc={rc.Value})", rc);

        // The header names the CPU, which user space cannot know: it is taken from the full context.
        ReadOnlySpan<byte> header = full.AsSpan(0, (int)(DescriptorSize + HeaderLength));
        if (!dom.DeviceModel && SetMtrrs(build, dom, header, full.AsSpan(0, (int)rc.Value)) is { Failed: true } failure)
            return failure;

        // Last, because each load puts all vcpus down.
        HvmHwCpuV417 cpu = new() { Common = BootCpu(dom) };
        dom.VcpuContext = Stream(header, (ushort)HvmSaveCode.CPU, 0, WireMemory.AsBytes(ref cpu));
        rc = build.Xc.HvmSetContext(dom.Domid, dom.VcpuContext);
        return rc.Failed ? Fail(dom, 1141, $"vcpu_hvm: SETHVMCONTEXT failed (rc={rc.Value})", rc) : StageOutcome.Ok;
    }

    /// <summary>MTRRs on, everything write-back, for a guest without firmware to do it.</summary>
    private static StageOutcome SetMtrrs(DomainBuild build, DomImage dom, ReadOnlySpan<byte> header, ReadOnlySpan<byte> full)
    {
        ReadOnlySpan<byte> mtrr = FindRecord(full, (ushort)HvmSaveCode.MTRR);
        if (mtrr.Length < MtrrLength)
            return Fail(dom, 1110, "vcpu_hvm: unable to get MTRR save record", new XcReturn(full.Length, XenErrno.None));
        byte[] types = mtrr[..(int)MtrrLength].ToArray();
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(types.AsSpan(MtrrDefType), 6 | 1 << 11); // write-back, enabled
        for (ushort i = 0; i < build.Current.Configuration.Vcpus; i++)
        {
            XcReturn rc = build.Xc.HvmSetContext(dom.Domid, Stream(header, (ushort)HvmSaveCode.MTRR, i, types));
            if (rc.Failed)
                dom.Log.Panic(XcError.XC_INTERNAL_ERROR, new PanicSite("x86.c", 0, 1129), $"vcpu_hvm: SETHVMCONTEXT failed (rc={rc.Value})");
        }

        return StageOutcome.Ok;
    }

    private static HvmHwCpuV40 BootCpu(DomImage dom) => new()
    {
        Rip = dom.Parms.Phys32Entry,
        Rbx = dom.Layout.Find("HVM start info")!.Pfn << 12,
        Cr0 = 0x11,
        Dr6 = 0xffff0ff0,
        Dr7 = 0x400,
        CsLimit = uint.MaxValue,
        DsLimit = uint.MaxValue,
        EsLimit = uint.MaxValue,
        SsLimit = uint.MaxValue,
        TrLimit = 0x67,
        CsArbytes = 0xc9b,
        DsArbytes = 0xc93,
        EsArbytes = 0xc93,
        SsArbytes = 0xc93,
        TrArbytes = 0x8b,
    };

    /// <summary>Header record, one record, END record.</summary>
    private static byte[] Stream(ReadOnlySpan<byte> header, ushort type, ushort instance, ReadOnlySpan<byte> body)
    {
        byte[] stream = new byte[header.Length + DescriptorSize + body.Length + DescriptorSize];
        header.CopyTo(stream);
        stream.AsSpan(header.Length).WriteStruct(new HvmSaveDescriptor { Typecode = type, Instance = instance, Length = (uint)body.Length });
        body.CopyTo(stream.AsSpan(header.Length + (int)DescriptorSize));
        return stream;
    }

    private static ReadOnlySpan<byte> FindRecord(ReadOnlySpan<byte> stream, ushort type)
    {
        while (stream.Length >= DescriptorSize)
        {
            HvmSaveDescriptor descriptor = stream.ReadStruct<HvmSaveDescriptor>();
            ReadOnlySpan<byte> body = stream[(int)DescriptorSize..];
            if (descriptor.Typecode == 0 || descriptor.Length > body.Length)
                break;
            if (descriptor.Typecode == type && descriptor.Instance == 0)
                return body[..(int)descriptor.Length];
            stream = body[(int)descriptor.Length..];
        }

        return [];
    }

    private static StageOutcome Fail(DomImage dom, int line, string text, XcReturn rc)
        => XcDomCore.Panic(dom, XcError.XC_INTERNAL_ERROR, new PanicSite("x86.c", 0, line), text, rc.Errno, rc.Value == 0 ? -1 : rc.Value);
}
