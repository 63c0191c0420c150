using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>XEN_DOMCTL_getdomaininfo: the domain asked for or the next one; also the rows of XEN_SYSCTL_getdomaininfolist.</summary>
/// <remarks>Source: RELEASE-4.0.4 and stable-4.17 xen/common/domctl.c: getdomaininfo.</remarks>
internal static class GetDomainInfo
{
    public static XenErrno Do(DomctlContext d)
    {
        ushort id = d.Request.Domain;
        if (d.Xen.Profile.Release != XenRelease.V4_0 && d.Target is null && id >= DomainId.FirstReserved.Value)
            return XenErrno.EINVAL;
        Domain? found = d.Xen.Domains.FirstOrDefault(x => x.Id.Value >= id);
        if (found is null)
            return XenErrno.ESRCH;
        Fill(found, d.Request.Payload);
        d.Request.Domain = found.Id.Value;
        d.CopyBack = true;
        return XenErrno.None;
    }

    /// <summary>Unit: bytes.</summary>
    public static int Size(XenRelease release)
        => (int)(release == XenRelease.V4_0 ? WireMemory.SizeOf<DomctlGetDomainInfoV40>() : WireMemory.SizeOf<DomctlGetDomainInfoV417>());

    public static void Fill(Domain d, Span<byte> payload)
    {
        if (d.Xen.Profile.Release == XenRelease.V4_0)
            Fill40(d, ref payload.AsStruct<DomctlGetDomainInfoV40>());
        else
            Fill417(d, ref payload.AsStruct<DomctlGetDomainInfoV417>());
    }

    private static uint Flags(Domain d)
    {
        DomainInfoFlags f = 0;
        bool online = Online(d) > 0;
        bool anyUnblocked = d.Vcpus.Any(v => (v.PauseFlags & (PauseFlags.Down | PauseFlags.Blocked)) == 0);
        bool anyRunning = d.Vcpus.Any(v => v.State == VcpuState.Running);
        if (d.State == DomainState.Dead)
            f |= DomainInfoFlags.dying;
        if (d.IsShutDown)
            f |= DomainInfoFlags.shutdown;
        if (d.ControllerPauseCount > 0)
            f |= DomainInfoFlags.paused;
        if (online && !anyUnblocked)
            f |= DomainInfoFlags.blocked;
        if (anyRunning)
            f |= DomainInfoFlags.running;
        if (d.IsHvm)
            f |= DomainInfoFlags.hvm_guest;
        if (d.Kind.IsXenStore && d.Xen.Profile.Release != XenRelease.V4_0)
            f |= DomainInfoFlags.xs_domain;
        if (d.Kind.IsHap && d.Xen.Profile.Release != XenRelease.V4_0)
            f |= DomainInfoFlags.hap;
        if (d.DebuggerAttached)
            f |= DomainInfoFlags.debugged;
        uint code = d.ShutdownCode ?? uint.MaxValue;
        return (uint)f | (code << (int)DomainInfoFlags.shutdownshift);
    }

    private static ulong CpuTime(Domain d)
    {
        ulong sum = 0;
        foreach (Vcpu v in d.Vcpus)
            sum += v.CpuTime;
        return sum;
    }

    private static uint MaxVcpuId(Domain d) => d.Vcpus.Count == 0 ? d.Xen.Profile.Release == XenRelease.V4_0 ? 0u : uint.MaxValue : (uint)d.Vcpus.Count - 1;

    private static uint Online(Domain d) => (uint)d.Vcpus.Count(v => (v.PauseFlags & PauseFlags.Down) == 0);

    private static void Fill40(Domain d, ref DomctlGetDomainInfoV40 i)
    {
        i.Domain = d.Id.Value;
        i.Flags = Flags(d);
        i.TotPages = d.TotPages;
        i.MaxPages = d.MaxPages;
        i.ShrPages = 0;
        i.SharedInfoFrame = SharedInfoFrame(d);
        i.CpuTime = CpuTime(d);
        i.NrOnlineVcpus = Online(d);
        i.MaxVcpuId = MaxVcpuId(d);
        i.Ssidref = d.Kind.Ssidref;
        d.Handle.CopyTo(i.Handle);
    }

    private static void Fill417(Domain d, ref DomctlGetDomainInfoV417 i)
    {
        i.Domain = d.Id.Value;
        i.Flags = Flags(d);
        i.TotPages = d.TotPages;
        i.MaxPages = d.MaxPages;
        i.OutstandingPages = d.OutstandingPages;
        i.ShrPages = 0;
        i.PagedPages = 0;
        i.SharedInfoFrame = SharedInfoFrame(d);
        i.CpuTime = CpuTime(d);
        i.NrOnlineVcpus = Online(d);
        i.MaxVcpuId = MaxVcpuId(d);

        // Without XSM the label is not kept (oracle, getdomaininfo of grub-pv64: 0 although 12 was given).
        i.Ssidref = 0;
        d.Handle.CopyTo(i.Handle);
        i.Cpupool = 0;
        i.GpaddrBits = (byte)(d.Xen.Options.Host.Cpuid(0x8000_0008, 0).Eax & 0xFF);
        i.ArchConfig.EmulationFlags = d.Kind.EmulationFlags;
        i.ArchConfig.MiscFlags = d.Kind.MiscFlags;
    }

    /// <summary>mfn_to_gmfn of the shared page: a translated guest has it at a guest frame once it mapped it.</summary>
    private static ulong SharedInfoFrame(Domain d) => d.IsHvm ? d.Xen.M2p.Get(d.SharedInfo.Frame).Value : d.SharedInfo.Frame.Value;
}
