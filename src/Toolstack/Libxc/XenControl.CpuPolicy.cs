using System.Runtime.InteropServices;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Libxc;

/// <summary>One CPUID leaf's result.</summary>
internal record struct CpuidRegisters(uint A, uint B, uint C, uint D)
{
    public readonly bool AllZero => (A | B | C | D) == 0;
}

/// <summary>sysctl and domctl about what a guest sees of the CPU (4.17).</summary>
internal sealed partial class XenControl
{
    /// <summary>xc_cpu_policy_get_size: how many leaves and MSRs a policy can have.</summary>
    public XcReturn CpuPolicySize(out uint leaves)
    {
        SysctlCpuPolicy payload = default;
        XcReturn rc = DoSysctl(SysctlCommand.get_cpu_policy, ref payload);
        leaves = payload.NrLeaves;
        return rc;
    }

    /// <summary>xc_get_cpu_featureset of the host (index 1 in the oracle's order: XEN_SYSCTL_cpu_featureset_host).</summary>
    public XcReturn HostFeatureset(uint[] featureset)
    {
        byte[] bytes = new byte[featureset.Length * sizeof(uint)];
        SysctlCpuFeatureset payload = new() { Index = 1, NrFeatures = (uint)featureset.Length, Features = _buffers.Add(bytes).Value };
        XcReturn rc = DoSysctl(SysctlCommand.get_cpu_featureset, ref payload);
        bytes.CopyTo(MemoryMarshal.AsBytes(featureset.AsSpan()));
        return rc;
    }

    /// <summary>get_system_cpu_policy: index 4 is the PV default, 5 the HVM default.</summary>
    public XcReturn SystemCpuPolicy(uint index, uint maxLeaves, out CpuidLeaf[] leaves)
    {
        byte[] bytes = new byte[maxLeaves * WireMemory.SizeOf<CpuidLeaf>()];
        SysctlCpuPolicy payload = new() { Index = index, NrLeaves = maxLeaves, Leaves = _buffers.Add(bytes).Value };
        XcReturn rc = DoSysctl(SysctlCommand.get_cpu_policy, ref payload);
        leaves = rc.Failed ? [] : MemoryMarshal.Cast<byte, CpuidLeaf>(bytes)[..(int)Math.Min(payload.NrLeaves, maxLeaves)].ToArray();
        return rc;
    }

    /// <summary>xc_set_domain_cpu_policy with no MSRs; where the hypervisor found fault with it comes back in the payload.</summary>
    public XcReturn SetDomainCpuPolicy(uint domid, CpuidLeaf[] leaves, out DomctlCpuPolicy payload)
    {
        byte[] bytes = MemoryMarshal.AsBytes(leaves.AsSpan()).ToArray();
        payload = new DomctlCpuPolicy
        {
            NrLeaves = (uint)leaves.Length,
            Leaves = _buffers.Add(bytes).Value,
            ErrLeaf = uint.MaxValue,
            ErrSubleaf = uint.MaxValue,
            ErrMsr = uint.MaxValue,
        };
        return DoDomctl(DomctlCommand.set_cpu_policy, domid, ref payload);
    }
}
