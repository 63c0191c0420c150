using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Toolstack.Libxc;

/// <summary>What the tools ask about the host and the hypervisor's build.</summary>
internal sealed partial class XenControl
{
    /// <summary>xc_version, with a buffer for the answer where the command has one; its first word is <paramref name="given"/>.</summary>
    public XcReturn XenVersion(XenVersionCommand command, int size = 0, uint given = 0)
    {
        if (size == 0)
            return Call(HypercallNumber.xen_version, (uint)command);
        byte[] answer = new byte[size];
        BitConverter.TryWriteBytes(answer, given);
        return Call(HypercallNumber.xen_version, (uint)command, _buffers.Add(answer).Value);
    }

    /// <summary>xc_physinfo.</summary>
    public XcReturn PhysInfo()
    {
        SysctlPhysInfoV417 payload = default;
        return DoSysctl(SysctlCommand.physinfo, ref payload);
    }

    /// <summary>xc_sharing_freed_pages, xc_sharing_used_frames.</summary>
    public XcReturn Sharing(MemoryOpCommand command) => MemoryOp(command, default(MemoryReservation));

    /// <summary>xc_cpupool_getinfo of pool 0: the size of its map comes from xc_get_max_cpus.</summary>
    public XcReturn CpupoolInfo()
    {
        SysctlCpupoolOp payload = new() { Op = (uint)CpupoolOp.INFO, Cpumap = new XenctlBitmap { Bitmap = _buffers.Add(new byte[8]).Value, NrBits = 64 } };
        return DoSysctl(SysctlCommand.cpupool_op, ref payload);
    }

    /// <summary>xc_numainfo: how many nodes, then what they are.</summary>
    public XcReturn NumaInfo()
    {
        SysctlNumaInfo payload = default;
        XcReturn rc = DoSysctl(SysctlCommand.numainfo, ref payload);
        if (rc.Failed)
            return rc;
        uint nodes = payload.NumNodes;
        payload = new()
        {
            NumNodes = nodes,
            Meminfo = _buffers.Add(new byte[nodes * WireMemory.SizeOf<SysctlMemInfo>()]).Value,
            Distance = _buffers.Add(new byte[nodes * nodes * sizeof(uint)]).Value,
        };
        return DoSysctl(SysctlCommand.numainfo, ref payload);
    }

    /// <summary>xc_cputopoinfo: how many CPUs, then where they are.</summary>
    public XcReturn CpuTopology()
    {
        SysctlCpuTopoInfo payload = default;
        XcReturn rc = DoSysctl(SysctlCommand.cputopoinfo, ref payload);
        if (rc.Failed)
            return rc;
        payload.Cputopo = _buffers.Add(new byte[payload.NumCpus * WireMemory.SizeOf<SysctlCpuTopo>()]).Value;
        return DoSysctl(SysctlCommand.cputopoinfo, ref payload);
    }
}
