using XenSim.Hypervisor.Domctl;
using XenSim.Hypervisor.Grants;
using XenSim.Hypervisor.Public;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>The rows of both releases' hypercall tables: number, handlers for PV and HVM callers, declared arguments.</summary>
internal static class HypercallRows
{
    public static IEnumerable<HypercallRow> Of40(bool host64) =>
    [
        .. PvOnly(),
        Row(HypercallNumber.platform_op, 1, 1, PlatformOpCall.Do, null, PlatformOpCall.About),
        Row(HypercallNumber.memory_op, 2, 2, MemoryOp.Do, MemoryOp.Do, MemoryOp.About),
        Row(HypercallNumber.multicall, 2, 2, MulticallCall.Do, null, MulticallCall.About),
        Row(HypercallNumber.set_timer_op, 2, 1, SchedOpCall.SetTimer, SchedOpCall.SetTimer, SchedOpCall.AboutTimer),
        Row(HypercallNumber.xen_version, 2, 2, XenVersionCall.Do, XenVersionCall.Do, XenVersionCall.About),
        Row(HypercallNumber.console_io, 3, 3, ConsoleIo.Do, null, ConsoleIo.About),
        Row(HypercallNumber.grant_table_op, 3, 3, GrantTableOpCall.Do, GrantTableOpCall.DoHvm, GrantTableOpCall.About),
        Row(HypercallNumber.vm_assist, 2, 2, CpuState.VmAssist, null, CpuState.AboutVmAssist),
        Row(HypercallNumber.vcpu_op, 3, 3, VcpuOpCall.Do, VcpuOpCall.DoHvm40, VcpuOpCall.About),
        Row64Only(HypercallNumber.set_segment_base, host64 ? 2 : 0, host64 ? CpuState.SetSegmentBase : null, CpuState.AboutSegmentBase),
        Row(HypercallNumber.mmuext_op, 4, 4, MmuextOpCall.Do, null, MmuextOpCall.About),
        Row(HypercallNumber.xsm_op, 1, 1, NoSys("xsm_op")),
        Row(HypercallNumber.sched_op, 2, 2, SchedOpCall.Do, SchedOpCall.Do, SchedOpCall.About),
        Row(HypercallNumber.event_channel_op, 2, 2, EventChannelOpCall.Do, EventChannelOpCall.Do, EventChannelOpCall.About),
        Row(HypercallNumber.physdev_op, 2, 2, PhysdevOpCall.Do, null, PhysdevOpCall.About),
        Row(HypercallNumber.hvm_op, 2, 2, HvmOpCall.Do, HvmOpCall.Do, HvmOpCall.About),
        Row(HypercallNumber.sysctl, 1, 1, SysctlCall.Do, null, SysctlCall.About),
        Row(HypercallNumber.domctl, 1, 1, DomctlCall.Do, null, DomctlCall.About),

        // The tmem boot option is off: -ENODEV (oracle, dom0-test-kernel: HC 26).
        Row(HypercallNumber.tmem_op, 1, 1, Errno("tmem_op", XenErrno.ENODEV), Errno("tmem_op", XenErrno.ENODEV)),
    ];

    public static IEnumerable<HypercallRow> Of417() =>
    [
        .. PvOnly(),
        Row(HypercallNumber.platform_op, 1, 1, PlatformOpCall.Do, PlatformOpCall.Do, PlatformOpCall.About),
        Row(HypercallNumber.memory_op, 2, 2, MemoryOp.Do, MemoryOp.Do, MemoryOp.About),
        Row(HypercallNumber.multicall, 2, 2, MulticallCall.Do, MulticallCall.Do, MulticallCall.About),
        Row(HypercallNumber.set_timer_op, 2, 1, SchedOpCall.SetTimer, SchedOpCall.SetTimer, SchedOpCall.AboutTimer),
        Row(HypercallNumber.xen_version, 2, 2, XenVersionCall.Do, XenVersionCall.Do, XenVersionCall.About),
        Row(HypercallNumber.console_io, 3, 3, ConsoleIo.Do, ConsoleIo.Do, ConsoleIo.About),
        Row(HypercallNumber.grant_table_op, 3, 3, GrantTableOpCall.Do, GrantTableOpCall.DoHvm, GrantTableOpCall.About),
        Row(HypercallNumber.vm_assist, 2, 2, CpuState.VmAssist, CpuState.VmAssist, CpuState.AboutVmAssist),
        Row(HypercallNumber.vcpu_op, 3, 3, VcpuOpCall.Do, VcpuOpCall.Do, VcpuOpCall.About),
        Row(HypercallNumber.set_segment_base, 2, 2, CpuState.SetSegmentBase, null, CpuState.AboutSegmentBase),
        Row(HypercallNumber.mmuext_op, 4, 4, MmuextOpCall.Do, MmuextOpCall.Do, MmuextOpCall.About),
        Row(HypercallNumber.xsm_op, 1, 1, NoSys("xsm_op"), NoSys("xsm_op")),
        Row(HypercallNumber.sched_op, 2, 2, SchedOpCall.Do, SchedOpCall.Do, SchedOpCall.About),
        Row(HypercallNumber.event_channel_op, 2, 2, EventChannelOpCall.Do, EventChannelOpCall.Do, EventChannelOpCall.About),
        Row(HypercallNumber.physdev_op, 2, 2, PhysdevOpCall.Do, PhysdevOpCall.Do, PhysdevOpCall.About),
        Row(HypercallNumber.hvm_op, 2, 2, HvmOpCall.Do, HvmOpCall.Do, HvmOpCall.About),
        Row(HypercallNumber.sysctl, 1, 1, SysctlCall.Do, SysctlCall.Do, SysctlCall.About),
        Row(HypercallNumber.domctl, 1, 1, DomctlCall.Do, DomctlCall.Do, DomctlCall.About),

        // Results of the Debian-configured build for zero arguments (oracle, dom0-test-kernel: HC 27-2a).
        Row(HypercallNumber.argo_op, 5, 5, NoSys("argo_op"), NoSys("argo_op")),
        Row(HypercallNumber.xenpmu_op, 2, 2, Errno("xenpmu_op", XenErrno.EOPNOTSUPP), Errno("xenpmu_op", XenErrno.EOPNOTSUPP)),
        Row(HypercallNumber.dm_op, 3, 3, DmOp, DmOp),
        Row(HypercallNumber.hypfs_op, 5, 5, HostOps.Hypfs, HostOps.Hypfs),
        Row(HypercallNumber.paging_domctl_cont, 1, 1, Errno("paging_domctl_cont", XenErrno.EINVAL), Errno("paging_domctl_cont", XenErrno.EINVAL)),
    ];

    /// <summary>Calls that only PV callers have, alike in both releases.</summary>
    private static IEnumerable<HypercallRow> PvOnly() =>
    [
        Row(HypercallNumber.set_trap_table, 1, 1, TrapCallbacks.SetTrapTable),
        Row(HypercallNumber.mmu_update, 4, 4, MmuUpdateCall.Do, null, MmuUpdateCall.About),
        Row(HypercallNumber.set_gdt, 2, 2, CpuState.SetGdt, null, CpuState.AboutGdt),
        Row(HypercallNumber.stack_switch, 2, 2, TrapCallbacks.StackSwitch, null, TrapCallbacks.AboutStackSwitch),
        Row(HypercallNumber.set_callbacks, 4, 3, TrapCallbacks.SetCallbacks),
        Row(HypercallNumber.fpu_taskswitch, 1, 1, CpuState.FpuTaskSwitch),
        Row(HypercallNumber.sched_op_compat, 2, 2, SchedOpCall.DoCompat, null, SchedOpCall.About),
        Row(HypercallNumber.set_debugreg, 2, 2, CpuState.SetDebugRegister),
        Row(HypercallNumber.get_debugreg, 1, 1, CpuState.GetDebugRegister),
        Row(HypercallNumber.update_descriptor, 4, 2, CpuState.UpdateDescriptor),
        Row(HypercallNumber.update_va_mapping, 4, 3, MmuUpdateCall.UpdateVaMapping, null, MmuUpdateCall.AboutVa),
        Row(HypercallNumber.event_channel_op_compat, 1, 1, EventChannelOpCall.DoCompat),
        Row(HypercallNumber.physdev_op_compat, 1, 1, NoSys("physdev_op_compat")),
        Row(HypercallNumber.update_va_mapping_otherdomain, 5, 4, MmuUpdateCall.UpdateVaMappingOtherDomain, null, MmuUpdateCall.AboutVa),
        Row(HypercallNumber.iret, 0, 0, CpuState.Iret),
        Row(HypercallNumber.nmi_op, 2, 2, TrapCallbacks.NmiOp),
        Row(HypercallNumber.callback_op, 2, 2, TrapCallbacks.CallbackOp, null, TrapCallbacks.AboutCallback),
        Row(HypercallNumber.xenoprof_op, 2, 2, NoSys("xenoprof_op")),
        Row(HypercallNumber.kexec_op, 2, 2, HostOps.Kexec),
        Row(HypercallNumber.mca, 1, 1, HostOps.Mca),
    ];

    private static HypercallRow Row(
        HypercallNumber number, int args32, int args64, HypercallHandler pv, HypercallHandler? hvm = null, HypercallDescriber? about = null) => new()
        {
            Number = (uint)number,
            Name = number.ToString(),
            Handlers = [pv, pv, hvm, hvm],
            ArgumentCount = (args32, args64),
            Describe = about ?? (static _ => CallDescription.None),
        };

    private static HypercallRow Row64Only(HypercallNumber number, int args64, HypercallHandler? pv64, HypercallDescriber about) => new()
    {
        Number = (uint)number,
        Name = number.ToString(),
        Handlers = [null, pv64, null, null],
        ArgumentCount = (0, args64),
        Describe = about,
    };

    /// <summary>A call of Xen's that is named and refused.</summary>
    private static HypercallHandler NoSys(string name) => Errno(name, XenErrno.ENOSYS);

    private static HypercallHandler Errno(string name, XenErrno errno) => c =>
    {
        c.Xen.NotImplemented(name, $"answers -{errno}", ours: false);
        return errno.ToResult();
    };

    /// <summary>dm_op: the device model's operations on an HVM domain. No buffer is -ENODATA (oracle, dom0-test-kernel: HC 29).</summary>
    private static long DmOp(HypercallCall c)
    {
        const uint mostBuffers = 3;
        if ((uint)c.A2 == 0)
            return XenErrno.ENODATA.ToResult();
        if ((uint)c.A2 > mostBuffers)
            return XenErrno.E2BIG.ToResult();
        if (c.Xen.FindDomain(new DomainId((ushort)c.A1)) is not { } d)
            return XenErrno.ESRCH.ToResult();
        if (!d.IsHvm)
            return XenErrno.EINVAL.ToResult();
        c.Xen.NotImplemented("dm_op", "answers -EOPNOTSUPP", ours: false);
        return XenErrno.EOPNOTSUPP.ToResult();
    }
}
