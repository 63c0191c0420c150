using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Boundary;
using XenSim.Hypervisor.Public.Events;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using WireDomctl = XenSim.Hypervisor.Public.Wire.Domctl;

namespace XenSim.Hypervisor.Domctl;

/// <summary>The arguments of a domctl under their wire names, for events.</summary>
internal static class DomctlArguments
{
    public static IReadOnlyList<Argument> Of(XenRelease release, WireDomctl d, ICallerMemory memory)
    {
        ReadOnlySpan<byte> p = d.Payload;
        bool v40 = release == XenRelease.V4_0;
        switch ((DomctlCommand)d.Cmd)
        {
            case DomctlCommand.createdomain when v40:
                var c40 = p.ReadStruct<DomctlCreateDomainV40>();
                return [new("ssidref", c40.Ssidref), new("flags", c40.Flags)];
            case DomctlCommand.createdomain:
                var c = p.ReadStruct<DomctlCreateDomainV417>();
                return
                [
                    new("ssidref", c.Ssidref), new("flags", c.Flags), new("iommu_opts", c.IommuOpts), new("max_vcpus", c.MaxVcpus),
                    new("max_evtchn_port", c.MaxEvtchnPort), new("max_grant_frames", (ulong)c.MaxGrantFrames),
                    new("max_maptrack_frames", (ulong)c.MaxMaptrackFrames), new("grant_opts", c.GrantOpts), new("emulation_flags", c.Arch.EmulationFlags),
                ];
            case DomctlCommand.max_mem:
                return [new("max_memkb", p.ReadStruct<DomctlMaxMem>().MaxMemkb)];
            case DomctlCommand.max_vcpus:
                return [new("max", p.ReadStruct<DomctlMaxVcpus>().Max)];
            case DomctlCommand.hypercall_init:
                return [new("gmfn", p.ReadStruct<DomctlHypercallInit>().Gmfn)];
            case DomctlCommand.set_address_size:
                return [new("size", p.ReadStruct<DomctlAddressSize>().Size)];
            case DomctlCommand.setvcpucontext or DomctlCommand.getvcpucontext:
                return [new("vcpu", p.ReadStruct<DomctlVcpuContext>().Vcpu)];
            case DomctlCommand.settscinfo when v40:
                var t40 = p.ReadStruct<DomctlTscInfoV40>().Info;
                return [new("tsc_mode", t40.TscMode), new("gtsc_khz", t40.GtscKhz), new("incarnation", t40.Incarnation), new("elapsed_nsec", t40.ElapsedNsec)];
            case DomctlCommand.settscinfo:
                var t = p.ReadStruct<DomctlTscInfoV417>();
                return [new("tsc_mode", t.TscMode), new("gtsc_khz", t.GtscKhz), new("incarnation", t.Incarnation), new("elapsed_nsec", t.ElapsedNsec)];
            case DomctlCommand.setvcpuaffinity when !v40:
                var a = p.ReadStruct<DomctlVcpuAffinityV417>();
                return [new("vcpu", a.Vcpu), new("flags", a.Flags)];
            case DomctlCommand.scheduler_op when !v40:
                var s = p.ReadStruct<DomctlSchedulerOpV417>();
                return [new("sched_id", s.SchedId), new("cmd", s.Cmd), new("weight", s.Credit2.Weight)];
            case DomctlCommand.set_target:
                return [new("target", p.ReadStruct<DomctlSetTarget>().Target)];
            case DomctlCommand.set_cpuid:
                var i = p.ReadStruct<DomctlCpuid>();
                return [new("input[0]", i.Input[0]), new("input[1]", i.Input[1]), new("eax", i.Eax), new("ebx", i.Ebx), new("ecx", i.Ecx), new("edx", i.Edx)];
            case DomctlCommand.set_cpu_policy:
                var given = p.ReadStruct<DomctlCpuPolicy>();
                return [new("nr_leaves", given.NrLeaves), new("nr_msrs", given.NrMsrs), .. Leaves(given, memory)];
            case DomctlCommand.get_cpu_policy:
                var policy = p.ReadStruct<DomctlCpuPolicy>();
                return [new("nr_leaves", policy.NrLeaves), new("nr_msrs", policy.NrMsrs)];
            case DomctlCommand.gethvmcontext or DomctlCommand.sethvmcontext:
                return [new("size", p.ReadStruct<DomctlHvmContext>().Size)];
            case DomctlCommand.set_paging_mempool_size or DomctlCommand.get_paging_mempool_size:
                return [new("size", p.ReadStruct<DomctlPagingMempool>().Size)];
            default:
                return [];
        }
    }
    /// <summary><c>leaf 00000001.ffffffff</c>, and the four registers as text.</summary>
    private static IEnumerable<Argument> Leaves(DomctlCpuPolicy policy, ICallerMemory memory)
    {
        for (uint i = 0; i < Math.Min(policy.NrLeaves, CpuPolicyCommands.MaxLeaves); i++)
        {
            if (memory.TryReadStruct(new VirtualAddress(policy.Leaves + (i * WireMemory.SizeOf<CpuidLeaf>())), out CpuidLeaf l))
                yield return new($"leaf {l.Leaf:x8}.{l.Subleaf:x8}", 0, $"{l.A:x8} {l.B:x8} {l.C:x8} {l.D:x8}");
        }
    }
}
