using XenSim.Guest.Cpu;
using XenSim.Hypervisor.CpuPolicies;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Domctl;

/// <summary>What CPUID shall tell a domain: set_cpuid (4.0), get_cpu_policy and set_cpu_policy (4.17).</summary>
/// <remarks>Source: RELEASE-4.0.4 xen/arch/x86/domctl.c; stable-4.17 xen/arch/x86/domctl.c, xen/lib/x86/cpuid.c: x86_cpuid_copy_from_buffer.</remarks>
internal static class CpuPolicyCommands
{
    public const uint MaxLeaves = 0x78;

    public static XenErrno SetCpuid(DomctlContext d)
    {
        DomctlCpuid c = d.Payload<DomctlCpuid>();
        CpuPolicy policy = d.Target!.CpuPolicy;
        bool isNew = !policy.Leaves.TryGet(c.Input[0], c.Input[1], out _);
        if (isNew && policy.Leaves.Count >= CpuPolicy.MaxInputs)
            return XenErrno.ENOENT;
        policy.Set(c.Input[0], c.Input[1], new CpuidResult(c.Eax, c.Ebx, c.Ecx, c.Edx));
        return XenErrno.None;
    }

    public static XenErrno Set(DomctlContext d)
    {
        ref DomctlCpuPolicy p = ref d.Payload<DomctlCpuPolicy>();
        if (d.Target == d.Call.Caller)
            return XenErrno.EINVAL;
        if (d.Target!.Vcpus.Any(v => v.IsInitialised))
            return XenErrno.EEXIST;
        p.ErrLeaf = p.ErrSubleaf = p.ErrMsr = uint.MaxValue;
        if (p.NrLeaves > MaxLeaves)
            return XenErrno.E2BIG;
        CpuidPolicy policy = d.Target.CpuPolicy.Policy.Copy();
        for (uint i = 0; i < p.NrLeaves; i++)
        {
            if (!d.Call.Memory.TryReadStruct(new VirtualAddress(p.Leaves + (i * WireMemory.SizeOf<CpuidLeaf>())), out CpuidLeaf l))
                return XenErrno.EFAULT;
            if (!policy.TrySet(l))
            {
                (p.ErrLeaf, p.ErrSubleaf) = (l.Leaf, l.Subleaf);
                d.CopyBack = true;
                return XenErrno.ERANGE;
            }
        }

        d.Target.CpuPolicy.Replace(policy);
        return XenErrno.None;
    }

    public static XenErrno Get(DomctlContext d)
    {
        ref DomctlCpuPolicy p = ref d.Payload<DomctlCpuPolicy>();
        CpuidLeaf[] leaves = [.. d.Target!.CpuPolicy.Policy.Serialise()];
        d.CopyBack = true;
        if (p.Leaves != 0 && p.NrLeaves < leaves.Length)
            return XenErrno.ENOBUFS;
        for (int i = 0; p.Leaves != 0 && i < leaves.Length; i++)
        {
            if (!d.Call.Memory.TryWriteStruct(new VirtualAddress(p.Leaves + ((ulong)i * WireMemory.SizeOf<CpuidLeaf>())), leaves[i]))
                return XenErrno.EFAULT;
        }

        p.NrLeaves = (uint)leaves.Length;
        p.NrMsrs = 0;
        return XenErrno.None;
    }
}
