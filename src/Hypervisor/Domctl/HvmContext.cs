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
    private const int LapicSize = 24;
    private const int LapicRegistersSize = 1024;

    /// <summary>arch_hvm_save cannot tell which changeset it was built from.</summary>
    private const ulong UnknownChangeset = ulong.MaxValue;

    /// <summary>Low byte of a guest's MCG_CAP: GUEST_MC_BANK_NUM.</summary>
    private const byte MachineCheckBanks = 2;

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
            case HvmSaveCode.LAPIC:
                return d.FindVcpu(record.Instance)?.Apic is { } apic && bytes.Length <= LapicSize && apic.TryLoad(Padded(bytes, LapicSize)) ? XenErrno.None : XenErrno.EINVAL;
            case HvmSaveCode.LAPIC_REGS:
                if (d.FindVcpu(record.Instance)?.Apic is not { } registers || bytes.Length > LapicRegistersSize)
                    return XenErrno.EINVAL;
                registers.LoadRegisters(Padded(bytes, LapicRegistersSize));
                return XenErrno.None;
            case HvmSaveCode.TSC_ADJUST:
                if (d.FindVcpu(record.Instance) is not { } adjusted || bytes.Length < 8)
                    return XenErrno.EINVAL;
                adjusted.TscAdjust = BitConverter.ToUInt64(bytes);
                return XenErrno.None;

            // No line is up, no link is routed and no bank has anything to say where these come from.
            case HvmSaveCode.PCI_IRQ or HvmSaveCode.ISA_IRQ or HvmSaveCode.PCI_LINK when !bytes.ContainsAnyExcept((byte)0):
            case HvmSaveCode.VMCE_VCPU when d.FindVcpu(record.Instance) is not null:
                return XenErrno.None;
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

    /// <summary>hvm_save: the header, then each kind of record in the order of its number, for each vCPU that has one.</summary>
    private static byte[] Stream(Xen xen, Domain d)
    {
        List<byte> bytes = [];
        byte[] header = new byte[24];
        BitConverter.TryWriteBytes(header.AsSpan(0), XenConstants.HVM_FILE_MAGIC);
        BitConverter.TryWriteBytes(header.AsSpan(4), XenConstants.HVM_FILE_VERSION);
        BitConverter.TryWriteBytes(header.AsSpan(8), UnknownChangeset);
        BitConverter.TryWriteBytes(header.AsSpan(16), xen.Options.Host.Signature);
        BitConverter.TryWriteBytes(header.AsSpan(20), (uint)xen.Options.Host.CpuKhz);
        Append(bytes, HvmSaveCode.HEADER, 0, header);
        bool v40 = xen.Profile.Release == XenRelease.V4_0;

        // A vCPU that is down has no CPU record: it stays down when the stream is loaded.
        foreach (Vcpu v in d.Vcpus)
        {
            if ((v.PauseFlags & PauseFlags.Down) == 0)
                Append(bytes, HvmSaveCode.CPU, v.Id, CpuRecord(v, v40));
        }

        foreach (Vcpu v in d.Vcpus)
            Append(bytes, HvmSaveCode.LAPIC, v.Id, LapicRecord(v.Apic!));
        foreach (Vcpu v in d.Vcpus)
            Append(bytes, HvmSaveCode.LAPIC_REGS, v.Id, v.Apic!.SaveRegisters());
        Append(bytes, HvmSaveCode.PCI_IRQ, 0, new byte[16]);
        Append(bytes, HvmSaveCode.ISA_IRQ, 0, new byte[8]);
        Append(bytes, HvmSaveCode.PCI_LINK, 0, new byte[8]);
        foreach (Vcpu v in d.Vcpus)
            Append(bytes, HvmSaveCode.MTRR, v.Id, v.Mtrr);
        for (int i = 0; i < d.Vcpus.Count && !v40; i++)
        {
            byte[] machineCheck = new byte[32];
            machineCheck[0] = MachineCheckBanks;
            Append(bytes, HvmSaveCode.VMCE_VCPU, i, machineCheck);
        }

        for (int i = 0; i < d.Vcpus.Count && !v40; i++)
            Append(bytes, HvmSaveCode.TSC_ADJUST, i, BitConverter.GetBytes(d.Vcpus[i].TscAdjust));
        Append(bytes, HvmSaveCode.END, 0, []);
        return [.. bytes];
    }

    private static byte[] Padded(ReadOnlySpan<byte> bytes, int size)
    {
        byte[] padded = new byte[size];
        bytes.CopyTo(padded);
        return padded;
    }

    private static byte[] CpuRecord(Vcpu v, bool v40)
    {
        HvmHwCpuV417 record = new() { Common = HvmVcpuState.Save(v) };
        ReadOnlySpan<byte> bytes = WireMemory.AsBytes(ref record);
        return bytes[..(int)(v40 ? WireMemory.SizeOf<HvmHwCpuV40>() : WireMemory.SizeOf<HvmHwCpuV417>())].ToArray();
    }

    /// <summary>struct hvm_hw_lapic: base, disabled, divisor, deadline.</summary>
    private static byte[] LapicRecord(LocalApic apic)
    {
        byte[] bytes = new byte[LapicSize];
        BitConverter.TryWriteBytes(bytes, apic.Base);
        BitConverter.TryWriteBytes(bytes.AsSpan(8), apic.DisabledBits);
        BitConverter.TryWriteBytes(bytes.AsSpan(12), apic.TimerDivisor);
        BitConverter.TryWriteBytes(bytes.AsSpan(16), apic.TscDeadlineMsr);
        return bytes;
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
