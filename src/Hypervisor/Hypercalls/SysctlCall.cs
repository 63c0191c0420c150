using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Boot.Hosts;
using XenSim.Hypervisor.CpuPolicies;
using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Domctl;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;
using WireSysctl = XenSim.Hypervisor.Public.Wire.Sysctl;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>sysctl: the host, as the tools see it. One CPU, one node, one pool.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/sysctl.c: do_sysctl; xen/arch/x86/sysctl.c: arch_do_sysctl.</remarks>
internal static class SysctlCall
{
    private const uint MaxLeaves = 0x78;
    private const uint MaxMsrs = 2;

    public static long Do(HypercallCall c)
    {
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        if (c.Xen.Profile.SysctlChecksPrivilegeFirst && !c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        VirtualAddress arg = new(c.A1);
        if (!c.Memory.TryReadStruct(arg, out WireSysctl s))
            return XenErrno.EFAULT.ToResult();
        if (s.InterfaceVersion != InterfaceVersions.Sysctl(c.Xen.Profile.Release))
            return XenErrno.EACCES.ToResult();
        if (!c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        XenErrno errno = Run(c, ref s, v40);
        if (errno is XenErrno.None or XenErrno.ENOBUFS && !c.Memory.TryWriteStruct(arg, s))
            return XenErrno.EFAULT.ToResult();
        return errno.ToResult();
    }

    public static CallDescription About(HypercallCall c)
        => c.Memory.TryReadStruct(new VirtualAddress(c.A1), out WireSysctl s) ? Call(XenNames.Sysctl(s.Cmd)) : CallDescription.None;

    private static XenErrno Run(HypercallCall c, ref WireSysctl s, bool v40)
    {
        Span<byte> p = s.Payload;
        switch ((SysctlCommand)s.Cmd)
        {
            case SysctlCommand.physinfo when v40:
                PhysInfo40(c.Xen, ref p.AsStruct<SysctlPhysInfoV40>());
                return XenErrno.None;
            case SysctlCommand.physinfo:
                PhysInfo417(c.Xen, ref p.AsStruct<SysctlPhysInfoV417>());
                return XenErrno.None;
            case SysctlCommand.getdomaininfolist:
                return DomainInfoList(c, ref p.AsStruct<SysctlGetDomainInfoList>());
            case SysctlCommand.sched_id:
                p.AsStruct<SysctlSchedId>().SchedId = (uint)(v40 ? SchedulerId.CREDIT : SchedulerId.CREDIT2);
                return XenErrno.None;
            case SysctlCommand.cpupool_op when !v40:
                return Cpupool(c, ref p.AsStruct<SysctlCpupoolOp>());
            case SysctlCommand.numainfo when !v40:
                return NumaInfo(c, ref p.AsStruct<SysctlNumaInfo>());
            case SysctlCommand.cputopoinfo when !v40:
                return CpuTopology(c, ref p.AsStruct<SysctlCpuTopoInfo>());
            case SysctlCommand.get_cpu_featureset when !v40:
                return GetFeatureset(c, ref p.AsStruct<SysctlCpuFeatureset>());
            case SysctlCommand.get_cpu_policy when !v40:
                return Policy(c, ref p.AsStruct<SysctlCpuPolicy>());
            default:
                if (!v40)
                    return SysctlAnswers.Run417(c, (SysctlCommand)s.Cmd, p);
                c.Xen.NotImplemented(XenNames.Sysctl(s.Cmd), "sysctl answers -ENOSYS", ours: false);
                return XenErrno.ENOSYS;
        }
    }

    private static void PhysInfo40(Xen xen, ref SysctlPhysInfoV40 i)
    {
        i.ThreadsPerCore = 1;
        i.CoresPerSocket = i.NrCpus = (uint)xen.OnlineCpus;
        i.MaxNodeId = 0;
        i.MaxCpuId = (uint)xen.OnlineCpus - 1;
        i.CpuKhz = (uint)xen.Options.Host.CpuKhz;
        i.TotalPages = xen.Frames.FrameCount;
        i.FreePages = xen.Frames.Allocator.FreeCount;
        i.ScrubPages = 0;
        HwCap40(xen.Options.Host, i.HwCap);
        i.Capabilities = xen.Hvm is null ? 0u : 1u;
    }

    private static void PhysInfo417(Xen xen, ref SysctlPhysInfoV417 i)
    {
        i.ThreadsPerCore = i.NrNodes = 1;
        i.CoresPerSocket = i.NrCpus = (uint)xen.OnlineCpus;
        i.MaxNodeId = 0;
        i.MaxCpuId = (uint)xen.Options.Host.Cpus - 1;
        i.CpuKhz = (uint)xen.Options.Host.CpuKhz;
        i.Capabilities = (uint)(PhysicalCapabilities.pv | PhysicalCapabilities.gnttab_v1
            | (xen.Hvm is null ? 0 : PhysicalCapabilities.hvm) | (xen.Hvm is { HapSupported: true } ? PhysicalCapabilities.hap : 0));
        i.ArchCapabilities = 0;
        i.TotalPages = xen.Frames.FrameCount;
        i.FreePages = xen.Frames.Allocator.FreeCount;
        i.ScrubPages = 0;
        i.OutstandingPages = xen.Frames.Allocator.OutstandingClaims;
        i.MaxMfn = xen.Frames.FrameCount - 1;
        HwCap417(xen, i.HwCap);
    }

    /// <summary>boot_cpu_data.x86_capability of 4.0: leaf 1 EDX, 0x80000001 EDX, 1 ECX in word 4, 0x80000001 ECX in word 6.</summary>
    private static void HwCap40(HostModel host, Span<uint> words)
    {
        CpuidResult basic = host.Cpuid(1, 0), extended = host.Cpuid(0x8000_0001, 0);
        (words[0], words[1], words[4], words[6]) = (basic.Edx, extended.Edx, basic.Ecx, extended.Ecx);
    }

    /// <summary>boot_cpu_data.x86_capability of 4.17: the first words of the host's featureset, without what AMD repeats.</summary>
    private static void HwCap417(Xen xen, Span<uint> words)
    {
        FeatureSet fs = xen.CpuPolicies[CpuPolicyIndex.host].Features();
        fs.And(FeatureMasks.Known);
        fs.Words.AsSpan(0, words.Length).CopyTo(words);
    }

    private static XenErrno DomainInfoList(HypercallCall c, ref SysctlGetDomainInfoList list)
    {
        byte[] row = new byte[GetDomainInfo.Size(c.Xen.Profile.Release)];
        uint count = 0;
        foreach (Domain d in c.Xen.Domains)
        {
            if (d.Id.Value < list.FirstDomain || count == list.MaxDomains)
                continue;
            Array.Clear(row);
            GetDomainInfo.Fill(d, row);
            if (!c.Memory.TryWrite(new VirtualAddress(list.Buffer + (count * (ulong)row.Length)), row))
                return XenErrno.EFAULT;
            count++;
        }

        list.NumDomains = count;
        return XenErrno.None;
    }

    private static XenErrno Cpupool(HypercallCall c, ref SysctlCpupoolOp op)
    {
        byte one = 1;
        switch ((CpupoolOp)op.Op)
        {
            case CpupoolOp.INFO when op.CpupoolId == 0:
                op.SchedId = (uint)SchedulerId.CREDIT2;
                op.NDom = (uint)c.Xen.Domains.Count;
                return op.Cpumap.NrBits == 0 || c.Memory.TryWriteStruct(new VirtualAddress(op.Cpumap.Bitmap), one) ? XenErrno.None : XenErrno.EFAULT;
            case CpupoolOp.INFO:
                return XenErrno.ENOENT;
            default:
                c.Xen.NotImplemented($"XEN_SYSCTL_CPUPOOL_OP_{(CpupoolOp)op.Op}", "there is one pool: -ENOSYS", ours: false);
                return XenErrno.ENOSYS;
        }
    }

    private static XenErrno NumaInfo(HypercallCall c, ref SysctlNumaInfo i)
    {
        const uint localDistance = 10;
        if (i.NumNodes > 0 && i.Meminfo != 0)
        {
            SysctlMemInfo memory = new() { Memsize = c.Xen.Options.MemoryMiB << 20, Memfree = c.Xen.Frames.Allocator.FreeCount << 12 };
            if (!c.Memory.TryWriteStruct(new VirtualAddress(i.Meminfo), memory))
                return XenErrno.EFAULT;
        }

        if (i.NumNodes > 0 && i.Distance != 0 && !c.Memory.TryWriteStruct(new VirtualAddress(i.Distance), localDistance))
            return XenErrno.EFAULT;
        i.NumNodes = 1;
        return XenErrno.None;
    }

    private static XenErrno CpuTopology(HypercallCall c, ref SysctlCpuTopoInfo i)
    {
        uint cpus = (uint)c.Xen.OnlineCpus;
        for (uint cpu = 0; cpu < Math.Min(i.NumCpus, cpus) && i.Cputopo != 0; cpu++)
        {
            if (!c.Memory.TryWriteStruct(new VirtualAddress(i.Cputopo + (cpu * WireMemory.SizeOf<SysctlCpuTopo>())), new SysctlCpuTopo { Core = cpu }))
                return XenErrno.EFAULT;
        }

        i.NumCpus = cpus;
        return XenErrno.None;
    }

    private static XenErrno GetFeatureset(HypercallCall c, ref SysctlCpuFeatureset f)
    {
        if (f.Index > (uint)CpuFeaturesetIndex.hvm_max)
            return XenErrno.EINVAL;
        CpuPolicyIndex policy = (CpuFeaturesetIndex)f.Index switch
        {
            CpuFeaturesetIndex.raw => CpuPolicyIndex.raw,
            CpuFeaturesetIndex.host => CpuPolicyIndex.host,
            CpuFeaturesetIndex.pv => CpuPolicyIndex.pv_default,
            CpuFeaturesetIndex.hvm => CpuPolicyIndex.hvm_default,
            CpuFeaturesetIndex.pv_max => CpuPolicyIndex.pv_max,
            _ => CpuPolicyIndex.hvm_max,
        };
        uint[] words = c.Xen.CpuPolicies[policy].Features().Words;
        uint count = Math.Min(f.NrFeatures, (uint)FeatureSet.Count);
        for (uint i = 0; i < count && f.Features != 0; i++)
        {
            if (!c.Memory.TryWriteStruct(new VirtualAddress(f.Features + (i * 4)), words[i]))
                return XenErrno.EFAULT;
        }

        bool tooSmall = f.Features != 0 && f.NrFeatures < FeatureSet.Count;
        f.NrFeatures = f.Features == 0 ? FeatureSet.Count : count;
        return tooSmall ? XenErrno.ENOBUFS : XenErrno.None;
    }

    private static XenErrno Policy(HypercallCall c, ref SysctlCpuPolicy p)
    {
        if (p.Index > (uint)CpuPolicyIndex.hvm_default)
            return XenErrno.EINVAL;
        if (p.Leaves == 0)
        {
            p.NrLeaves = MaxLeaves;
            p.NrMsrs = MaxMsrs;
            return XenErrno.None;
        }

        CpuidLeaf[] leaves = [.. c.Xen.CpuPolicies[(CpuPolicyIndex)p.Index].Serialise()];
        if (p.NrLeaves < leaves.Length)
            return XenErrno.ENOBUFS;
        for (int i = 0; i < leaves.Length; i++)
        {
            if (!c.Memory.TryWriteStruct(new VirtualAddress(p.Leaves + ((ulong)i * WireMemory.SizeOf<CpuidLeaf>())), leaves[i]))
                return XenErrno.EFAULT;
        }

        p.NrLeaves = (uint)leaves.Length;
        p.NrMsrs = MaxMsrs;
        return XenErrno.None;
    }
}
