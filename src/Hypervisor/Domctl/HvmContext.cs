using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Hvm;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>XEN_DOMCTL_gethvmcontext and sethvmcontext: the save stream by which the tools start a PVH guest.</summary>
/// <remarks>Source: stable-4.17 xen/common/hvm/save.c: hvm_save, hvm_load; xen/arch/x86/hvm/save.c: arch_hvm_load.</remarks>
internal static class HvmContext
{
    private const int DescriptorSize = 8;
    public const int MtrrSize = 240;
    private const uint MaxSize = 1 << 20;

    public static XenErrno Get(DomctlContext d)
    {
        if (!d.Target!.IsHvm)
            return XenErrno.EINVAL;
        ref DomctlHvmContext h = ref d.Payload<DomctlHvmContext>();
        byte[] stream = Stream(d.Xen, d.Target);
        d.CopyBack = true;
        if (h.Buffer == 0)
        {
            h.Size = (uint)stream.Length;
            return XenErrno.None;
        }

        if (h.Size < stream.Length)
            return XenErrno.ENOSPC;
        h.Size = (uint)stream.Length;
        return d.Call.Memory.TryWrite(new VirtualAddress(h.Buffer), stream) ? XenErrno.None : XenErrno.EFAULT;
    }

    public static XenErrno Set(DomctlContext d)
    {
        if (!d.Target!.IsHvm)
            return XenErrno.EINVAL;
        DomctlHvmContext h = d.Payload<DomctlHvmContext>();
        if (h.Size is 0 or > MaxSize)
            return XenErrno.EINVAL;
        byte[] stream = new byte[h.Size];
        if (!d.Call.Memory.TryRead(new VirtualAddress(h.Buffer), stream))
            return XenErrno.EFAULT;
        return Load(d.Target, stream);
    }

    private static XenErrno Load(Domain d, ReadOnlySpan<byte> stream)
    {
        bool first = true;
        while (stream.Length >= DescriptorSize)
        {
            HvmSaveDescriptor record = stream.ReadStruct<HvmSaveDescriptor>();
            stream = stream[DescriptorSize..];
            if (record.Length > stream.Length)
                return XenErrno.ENODATA;
            if (first && (record.Typecode != (ushort)HvmSaveCode.HEADER || !IsHeader(stream[..(int)record.Length])))
                return XenErrno.EINVAL;
            first = false;
            XenErrno errno = LoadRecord(d, record, stream[..(int)record.Length]);
            if (errno != XenErrno.None || record.Typecode == (ushort)HvmSaveCode.END)
                return errno;
            stream = stream[(int)record.Length..];
        }

        return XenErrno.ENODATA;
    }

    private static bool IsHeader(ReadOnlySpan<byte> bytes)
        => bytes.Length >= 8 && BitConverter.ToUInt32(bytes) == XenConstants.HVM_FILE_MAGIC && BitConverter.ToUInt32(bytes[4..]) == XenConstants.HVM_FILE_VERSION;

    private static XenErrno LoadRecord(Domain d, HvmSaveDescriptor record, ReadOnlySpan<byte> bytes)
    {
        switch ((HvmSaveCode)record.Typecode)
        {
            case HvmSaveCode.HEADER or HvmSaveCode.END:
                return XenErrno.None;
            case HvmSaveCode.CPU:
                if (d.FindVcpu(record.Instance) is not { } v || bytes.Length < WireMemory.SizeOf<HvmHwCpuV40>())
                    return XenErrno.EINVAL;
                byte[] padded = new byte[WireMemory.SizeOf<HvmHwCpuV417>()];
                bytes[..Math.Min(bytes.Length, padded.Length)].CopyTo(padded);
                HvmHwCpuV417 cpu = ((ReadOnlySpan<byte>)padded).ReadStruct<HvmHwCpuV417>();
                HvmVcpuState.Load(v.Cpu, cpu.Common, cpu.Flags);
                v.IsInitialised = true;
                v.BringUp();
                return XenErrno.None;
            case HvmSaveCode.MTRR:
                return LoadMtrr(d, record, bytes);
            default:
                d.Xen.NotImplemented($"HVM save record {(HvmSaveCode)record.Typecode}", "the device is not there: -EINVAL", ours: false);
                return XenErrno.EINVAL;
        }
    }

    /// <summary>hvm_load_mtrr_msr: kept for whoever saves it again; memory types have no effect on a machine without caches.</summary>
    private static XenErrno LoadMtrr(Domain d, HvmSaveDescriptor record, ReadOnlySpan<byte> bytes)
    {
        const ulong variableCount = 0xFF, mostVariable = 8;
        if (d.FindVcpu(record.Instance) is not { } v || bytes.Length != MtrrSize)
            return XenErrno.EINVAL;
        HvmHwMtrr mtrr = bytes.ReadStruct<HvmHwMtrr>();
        if (d.Xen.Profile.Release != XenRelease.V4_0 && (mtrr.MsrMtrrCap & variableCount) > mostVariable)
            return XenErrno.EINVAL;
        v.Mtrr = bytes.ToArray();
        return XenErrno.None;
    }

    /// <summary>Header, then CPU and MTRR of each vCPU, then the end: what the tools copy their own records from.</summary>
    private static byte[] Stream(Xen xen, Domain d)
    {
        List<byte> bytes = [];
        byte[] header = new byte[24];
        BitConverter.TryWriteBytes(header.AsSpan(0), XenConstants.HVM_FILE_MAGIC);
        BitConverter.TryWriteBytes(header.AsSpan(4), XenConstants.HVM_FILE_VERSION);
        BitConverter.TryWriteBytes(header.AsSpan(16), xen.Options.Host.Signature);
        BitConverter.TryWriteBytes(header.AsSpan(20), (uint)xen.Options.Host.CpuKhz);
        Append(bytes, HvmSaveCode.HEADER, 0, header);
        int cpuSize = (int)(xen.Profile.Release == XenRelease.V4_0 ? WireMemory.SizeOf<HvmHwCpuV40>() : WireMemory.SizeOf<HvmHwCpuV417>());
        foreach (Vcpu v in d.Vcpus)
            Append(bytes, HvmSaveCode.CPU, v.Id, new byte[cpuSize]);
        foreach (Vcpu v in d.Vcpus)
            Append(bytes, HvmSaveCode.MTRR, v.Id, v.Mtrr);
        Append(bytes, HvmSaveCode.END, 0, []);
        return [.. bytes];
    }

    private static void Append(List<byte> stream, HvmSaveCode code, int instance, byte[] payload)
    {
        Span<byte> descriptor = stackalloc byte[DescriptorSize];
        BitConverter.TryWriteBytes(descriptor, (ushort)code);
        BitConverter.TryWriteBytes(descriptor[2..], (ushort)instance);
        BitConverter.TryWriteBytes(descriptor[4..], (uint)payload.Length);
        stream.AddRange(descriptor);
        stream.AddRange(payload);
    }
}
