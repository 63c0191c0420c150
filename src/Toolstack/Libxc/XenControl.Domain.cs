using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Libxc;

/// <summary>xc_dominfo_t as far as the tools use it.</summary>
internal readonly record struct DomainInfo(uint Domid, uint Flags, ulong Pages, ulong SharedInfoFrame, uint MaxVcpuId)
{
    private const int ShutdownShift = 16;

    /// <summary>XEN_DOMINF_dying.</summary>
    public bool IsDying => (Flags & 1) != 0;

    /// <summary>XEN_DOMINF_hvm_guest.</summary>
    public bool IsHvm => (Flags & 2) != 0;

    /// <summary>XEN_DOMINF_shutdown.</summary>
    public bool IsShutDown => (Flags & 4) != 0;

    /// <summary>SHUTDOWN_*; only where <see cref="IsShutDown"/>.</summary>
    public uint ShutdownReason => Flags >> ShutdownShift & 0xFF;
}

/// <summary>What createdomain is given: fields that 4.0.4 lacks are ignored there.</summary>
internal readonly record struct CreateDomain(Guid Handle, uint Flags, uint Ssidref = 0)
{
    public uint MaxVcpus { get; init; }

    public uint MaxEvtchnPort { get; init; }

    public uint GrantOpts { get; init; }

    public uint EmulationFlags { get; init; }
}

/// <summary>domctl and sysctl about domains as a whole, event channels, HVM parameters.</summary>
internal sealed partial class XenControl
{
    /// <summary>xc_domain_create with domid -1: the hypervisor chooses.</summary>
    public XcReturn DomainCreate(in CreateDomain create, out uint domid)
    {
        Domctl domctl = new() { Cmd = (uint)DomctlCommand.createdomain, Domain = 0xffff };
        if (Is40)
        {
            DomctlCreateDomainV40 v40 = new() { Ssidref = create.Ssidref, Flags = create.Flags };
            create.Handle.TryWriteBytes(v40.Handle, bigEndian: true, out _);
            ((Span<byte>)domctl.Payload).WriteStruct(in v40);
        }
        else
        {
            DomctlCreateDomainV417 v417 = new()
            {
                Ssidref = create.Ssidref,
                Flags = create.Flags,
                MaxVcpus = create.MaxVcpus,
                MaxEvtchnPort = create.MaxEvtchnPort,
                MaxGrantFrames = -1,
                MaxMaptrackFrames = -1,
                GrantOpts = create.GrantOpts,
                Arch = new() { EmulationFlags = create.EmulationFlags },
            };
            create.Handle.TryWriteBytes(v417.Handle, bigEndian: true, out _);
            ((Span<byte>)domctl.Payload).WriteStruct(in v417);
        }

        XcReturn rc = DoDomctl(ref domctl);
        domid = rc.Failed ? uint.MaxValue : domctl.Domain;
        return rc;
    }

    public XcReturn DomainPause(uint domid) => DoDomctl(DomctlCommand.pausedomain, domid);

    public XcReturn DomainUnpause(uint domid) => DoDomctl(DomctlCommand.unpausedomain, domid);

    /// <summary>
    /// xc_domain_destroy: again as long as the hypervisor asks for it, with EAGAIN (ERESTART where the release continues by itself). The
    /// hypervisor frees a bounded amount per call, so the loop ends; a limit guards against one that never does.
    /// </summary>
    public XcReturn DomainDestroy(uint domid)
    {
        const int limit = 1_000_000;
        XcReturn rc = XcReturn.Ok;
        for (int i = 0; i < limit; i++)
        {
            rc = DoDomctl(DomctlCommand.destroydomain, domid);
            if (!rc.Failed || rc.Errno is not (XenErrno.EAGAIN or XenErrno.ERESTART))
                break;
        }

        return rc;
    }

    /// <summary>XEN_DOMCTL_getdomaininfo: the first domain whose id is not below the one asked for.</summary>
    public XcReturn GetDomainInfo(uint domid, out DomainInfo info)
    {
        Domctl domctl = new() { Cmd = (uint)DomctlCommand.getdomaininfo, Domain = (ushort)domid };
        XcReturn rc = DoDomctl(ref domctl);
        info = rc.Failed ? default : ParseInfo(domctl.Payload) with { Domid = domctl.Domain };
        return rc;
    }

    /// <summary>xc_domain_getinfolist: the number of domains found.</summary>
    public XcReturn GetDomainInfoList(uint first, uint max, out DomainInfo[] infos)
    {
        int size = (int)(Is40 ? WireMemory.SizeOf<DomctlGetDomainInfoV40>() : WireMemory.SizeOf<DomctlGetDomainInfoV417>());
        byte[] list = new byte[max * size];
        SysctlGetDomainInfoList payload = new() { FirstDomain = (ushort)first, MaxDomains = max, Buffer = _buffers.Add(list).Value };
        XcReturn rc = DoSysctl(SysctlCommand.getdomaininfolist, ref payload);
        int found = rc.Failed ? 0 : (int)Math.Min(payload.NumDomains, max);
        infos = new DomainInfo[found];
        for (int i = 0; i < found; i++)
            infos[i] = ParseInfo(list.AsSpan(i * size, size));
        return rc.Failed ? rc : new XcReturn(found, XenErrno.None);
    }

    public XcReturn MaxVcpus(uint domid, uint max) => DoDomctl(DomctlCommand.max_vcpus, domid, new DomctlMaxVcpus { Max = max });

    public XcReturn SetMaxMem(uint domid, ulong kiB) => DoDomctl(DomctlCommand.max_mem, domid, new DomctlMaxMem { MaxMemkb = kiB });

    public XcReturn SetTscInfo(uint domid, uint mode)
        => Is40
            ? DoDomctl(DomctlCommand.settscinfo, domid, new DomctlTscInfoV40 { Info = new() { TscMode = mode } })
            : DoDomctl(DomctlCommand.settscinfo, domid, new DomctlTscInfoV417 { TscMode = mode });

    public XcReturn SetAddressSize(uint domid, uint bits) => DoDomctl(DomctlCommand.set_address_size, domid, new DomctlAddressSize { Size = bits });

    public XcReturn GetAddressSize(uint domid, out uint bits)
    {
        DomctlAddressSize payload = default;
        XcReturn rc = DoDomctl(DomctlCommand.get_address_size, domid, ref payload);
        bits = payload.Size;
        return rc;
    }

    public XcReturn HypercallInit(uint domid, ulong gmfn) => DoDomctl(DomctlCommand.hypercall_init, domid, new DomctlHypercallInit { Gmfn = gmfn });

    /// <param name="context">vcpu_guest_context in the layout of the guest: 2800 or 5168 bytes.</param>
    public XcReturn SetVcpuContext(uint domid, uint vcpu, byte[] context)
        => DoDomctl(DomctlCommand.setvcpucontext, domid, new DomctlVcpuContext { Vcpu = vcpu, Ctxt = _buffers.Add(context).Value });

    /// <param name="context">Is filled with vcpu_guest_context in the layout of the guest; has room for the larger.</param>
    public XcReturn GetVcpuContext(uint domid, uint vcpu, byte[] context)
        => DoDomctl(DomctlCommand.getvcpucontext, domid, new DomctlVcpuContext { Vcpu = vcpu, Ctxt = _buffers.Add(context).Value });

    public XcReturn SetTarget(uint domid, uint target) => DoDomctl(DomctlCommand.set_target, domid, new DomctlSetTarget { Target = (ushort)target });

    /// <summary>xc_shadow_control; op 30 SET_ALLOCATION, 32 ENABLE.</summary>
    public XcReturn ShadowControl(uint domid, uint op, uint mode, uint mb)
        => DoDomctl(DomctlCommand.shadow_op, domid, new DomctlShadowOp { Op = op, Mode = mode, Mb = mb });

    public XcReturn SetCpuid(uint domid, uint leaf, uint subleaf, in CpuidRegisters registers)
    {
        DomctlCpuid payload = new() { Eax = registers.A, Ebx = registers.B, Ecx = registers.C, Edx = registers.D };
        payload.Input[0] = leaf;
        payload.Input[1] = subleaf;
        return DoDomctl(DomctlCommand.set_cpuid, domid, payload);
    }

    /// <summary>xc_vcpu_setaffinity with only a soft mask (XEN_VCPUAFFINITY_SOFT).</summary>
    public XcReturn SetSoftAffinity(uint domid, uint vcpu, byte[] cpus)
    {
        uint bits = (uint)cpus.Length * 8;
        return DoDomctl(
            DomctlCommand.setvcpuaffinity,
            domid,
            new DomctlVcpuAffinityV417 { Vcpu = vcpu, Flags = 2, CpumapHard = new() { NrBits = bits }, CpumapSoft = new() { Bitmap = _buffers.Add(cpus).Value, NrBits = bits } });
    }

    public XcReturn SetNodeAffinity(uint domid, byte[] nodes)
        => DoDomctl(
            DomctlCommand.setnodeaffinity,
            domid,
            new DomctlNodeAffinity { Nodemap = new() { Bitmap = _buffers.Add(nodes).Value, NrBits = (uint)nodes.Length * 8 } });

    /// <summary>xc_sched_credit2_domain_get and _set: XEN_DOMCTL_scheduler_op, scheduler 6, getinfo (1) and putinfo (0).</summary>
    public XcReturn SchedCredit2(uint domid, bool put, ref DomctlSchedCredit2 parameters)
    {
        DomctlSchedulerOpV417 payload = new() { SchedId = 6, Cmd = put ? 0u : 1u, Credit2 = parameters };
        XcReturn rc = DoDomctl(DomctlCommand.scheduler_op, domid, ref payload);
        parameters = payload.Credit2;
        return rc;
    }

    public XcReturn SetPagingMempoolSize(uint domid, ulong bytes)
        => DoDomctl(DomctlCommand.set_paging_mempool_size, domid, new DomctlPagingMempool { Size = bytes });

    /// <summary>xc_domain_hvm_getcontext: the size needed when <paramref name="buffer"/> is null, else the size filled.</summary>
    public XcReturn HvmGetContext(uint domid, byte[]? buffer)
    {
        DomctlHvmContext payload = new() { Size = (uint)(buffer?.Length ?? 0), Buffer = buffer is null ? 0 : _buffers.Add(buffer).Value };
        XcReturn rc = DoDomctl(DomctlCommand.gethvmcontext, domid, ref payload);
        return rc.Failed ? rc : new XcReturn(payload.Size, XenErrno.None);
    }

    public XcReturn HvmSetContext(uint domid, byte[] context)
        => DoDomctl(DomctlCommand.sethvmcontext, domid, new DomctlHvmContext { Size = (uint)context.Length, Buffer = _buffers.Add(context).Value });

    /// <summary>xc_hvm_param_set: HVMOP_set_param (0).</summary>
    public XcReturn HvmParamSet(uint domid, HvmParam param, ulong value)
        => Call(HypercallNumber.hvm_op, 0, _buffers.Add(new HvmParamOp { Domid = (ushort)domid, Index = (uint)param, Value = value }, out _).Value);

    /// <summary>xc_evtchn_alloc_unbound: the port.</summary>
    public XcReturn EvtchnAllocUnbound(uint domid, uint remote)
    {
        const uint allocUnbound = 6;
        ulong handle = _buffers.Add(new EvtchnAllocUnbound { Dom = (ushort)domid, RemoteDom = (ushort)remote }, out byte[] bytes).Value;
        XcReturn rc = Call(HypercallNumber.event_channel_op, allocUnbound, handle);
        return rc.Failed ? rc : new XcReturn(bytes.AsSpan().ReadStruct<EvtchnAllocUnbound>().Port, XenErrno.None);
    }

    private DomainInfo ParseInfo(ReadOnlySpan<byte> bytes)
    {
        if (Is40)
        {
            DomctlGetDomainInfoV40 v40 = bytes.ReadStruct<DomctlGetDomainInfoV40>();
            return new DomainInfo(v40.Domain, v40.Flags, v40.TotPages, v40.SharedInfoFrame, v40.MaxVcpuId);
        }

        DomctlGetDomainInfoV417 v417 = bytes.ReadStruct<DomctlGetDomainInfoV417>();
        return new DomainInfo(v417.Domain, v417.Flags, v417.TotPages, v417.SharedInfoFrame, v417.MaxVcpuId);
    }
}
