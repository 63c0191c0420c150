using XenSim.Guest.Cpu;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;
using static XenSim.Hypervisor.Hypercalls.Describe;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>
/// platform_op: dom0 about the machine. This one has no EFI, no disks that a BIOS knows, and Xen's own cpufreq; it loads no
/// microcode.
/// </summary>
/// <remarks>
/// Source: stable-4.17 and RELEASE-4.0.4 xen/arch/x86/platform_hypercall.c: do_platform_op; answers to a dom0 of 4.17: oracle, dom0-calls.
/// </remarks>
internal static class PlatformOpCall
{
    /// <summary>XENPF_INTERFACE_VERSION, of both releases.</summary>
    private const uint InterfaceVersion = 0x0300_0001;

    /// <summary>num_var_ranges of a machine with MTRRs.</summary>
    private const uint VariableRanges = 8;

    /// <summary>RESOURCE_OP_MAX_ENTRIES.</summary>
    private const uint MaxResourceEntries = 2;

    public static long Do(HypercallCall c)
    {
        bool v40 = c.Xen.Profile.Release == XenRelease.V4_0;
        if (v40 && !c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        VirtualAddress arg = new(c.A1);
        if (!c.Memory.TryReadStruct(arg, out PlatformRequest request))
            return XenErrno.EFAULT.ToResult();
        if (request.InterfaceVersion != InterfaceVersion)
            return XenErrno.EACCES.ToResult();
        if (!c.Caller.IsPrivileged)
            return XenErrno.EPERM.ToResult();
        XenErrno errno = v40 && request.Cmd > (uint)PlatformOp.mem_hotadd ? XenErrno.ENOSYS : Run(c, ref request);
        return errno == XenErrno.None && !c.Memory.TryWriteStruct(arg, request) ? XenErrno.EFAULT.ToResult() : errno.ToResult();
    }

    public static CallDescription About(HypercallCall c)
        => c.Memory.TryReadStruct(new VirtualAddress(c.A1), out PlatformRequest r) ? Call(XenNames.Of((PlatformOp)r.Cmd)) : CallDescription.None;

    private static XenErrno Run(HypercallCall c, ref PlatformRequest request)
    {
        Span<byte> p = request.Payload;
        switch ((PlatformOp)request.Cmd)
        {
            case PlatformOp.settime32:
                return SetTime(c, p.ReadStruct<uint>(), p[4..].ReadStruct<uint>(), p[8..].ReadStruct<ulong>());
            case PlatformOp.settime64:
                XenpfSettime64 t = p.ReadStruct<XenpfSettime64>();
                return t.Mbz == 0 ? SetTime(c, t.Secs, t.Nsecs, t.SystemTime) : XenErrno.EINVAL;
            case PlatformOp.add_memtype:
                return AddMemoryType(c, p);
            case PlatformOp.del_memtype:
                return p.ReadStruct<uint>() == 0 && p[4..].ReadStruct<int>() >= 0 ? XenErrno.None : XenErrno.EINVAL;
            case PlatformOp.read_memtype:
                return ReadMemoryType(p);
            case PlatformOp.microcode_update:
                return XenErrno.EINVAL;
            case PlatformOp.platform_quirk:
                return Quirk(c, p.ReadStruct<uint>());
            case PlatformOp.get_cpu_version:
                return CpuVersion(c, ref p.AsStruct<XenpfPcpuVersion>());
            case PlatformOp.firmware_info:
                return Firmware(c, p);
            case PlatformOp.enter_acpi_sleep:
                return AcpiSleep.Enter(c.Xen, p);
            case PlatformOp.change_freq or PlatformOp.getidletime or PlatformOp.efi_runtime_call:
                return XenErrno.ENOSYS;
            case PlatformOp.set_processor_pminfo:
                return ProcessorPowerInfo(c, p);
            case PlatformOp.get_cpuinfo:
                CpuInfo(c.Xen, ref p.AsStruct<XenpfPcpuinfo>());
                return XenErrno.None;
            case PlatformOp.cpu_online:
                return p.ReadStruct<uint>() < c.Xen.OnlineCpus ? XenErrno.None : XenErrno.EINVAL;
            case PlatformOp.cpu_offline when p.ReadStruct<uint>() is > 0 and var cpu && cpu < c.Xen.OnlineCpus:
                return Missing(c, PlatformOp.cpu_offline, XenErrno.EBUSY);
            case PlatformOp.cpu_offline:
                return p.ReadStruct<uint>() == 0 ? XenErrno.EOPNOTSUPP : XenErrno.EINVAL;
            case PlatformOp.cpu_hotadd:
                return p.ReadStruct<uint>() == 0 ? XenErrno.EEXIST : Missing(c, PlatformOp.cpu_hotadd, XenErrno.EINVAL);
            case PlatformOp.mem_hotadd:
                return p.ReadStruct<ulong>() >= p[8..].ReadStruct<ulong>() ? XenErrno.EINVAL : Missing(c, PlatformOp.mem_hotadd, XenErrno.EINVAL);
            case PlatformOp.core_parking:
                return CoreParking(ref p.AsStruct<XenpfCoreParking>());
            case PlatformOp.resource_op:
                return Resources(c, p);
            case PlatformOp.get_symbol:
                // xensyms_read past the last symbol: there is no Xen binary here whose symbols could be told.
                return Missing(c, PlatformOp.get_symbol, XenErrno.ERANGE);
            default:
                return XenErrno.ENOSYS;
        }
    }

    private static XenErrno Missing(HypercallCall c, PlatformOp op, XenErrno errno)
    {
        c.Xen.NotImplemented(XenNames.Of(op), $"there is nothing behind it: -{errno}", ours: false);
        return errno;
    }

    /// <summary>do_settime: the time of day at a system time, for every domain.</summary>
    private static XenErrno SetTime(HypercallCall c, ulong seconds, uint nanoseconds, ulong systemTime)
    {
        c.Xen.SetWallClock(seconds, nanoseconds, systemTime);
        return XenErrno.None;
    }

    private static XenErrno AddMemoryType(HypercallCall c, ReadOnlySpan<byte> p)
    {
        ulong frames = c.Abi == Abi.X64 ? p[8..].ReadStruct<ulong>() : p[4..].ReadStruct<uint>();
        if (frames != 0)
            return Missing(c, PlatformOp.add_memtype, XenErrno.ENOSPC);
        c.Xen.Log(Public.Events.LogLevel.Warn, "mtrr: zero sized request");
        return XenErrno.EINVAL;
    }

    /// <summary>No variable range is in use.</summary>
    private static XenErrno ReadMemoryType(Span<byte> p)
    {
        if (p.ReadStruct<uint>() >= VariableRanges)
            return XenErrno.EINVAL;
        p[4..32].Clear();
        return XenErrno.None;
    }

    private static XenErrno Quirk(HypercallCall c, uint quirk)
    {
        const uint noIrqBalancing = 1, lastKnown = 3;
        if (quirk is 0 or > lastKnown)
            return XenErrno.EINVAL;
        if (quirk == noIrqBalancing)
            c.Xen.Log(Public.Events.LogLevel.Info, "Platform quirk -- Disabling IRQ balancing/affinity.");
        return XenErrno.None;
    }

    private static void CpuInfo(Xen xen, ref XenpfPcpuinfo info)
    {
        bool there = info.XenCpuid < xen.OnlineCpus;
        info.Flags = (uint)(there ? PhysicalCpuFlags.ONLINE : PhysicalCpuFlags.INVALID);
        info.MaxPresent = (uint)xen.OnlineCpus - 1;
        if (there)
            (info.ApicId, info.AcpiId) = (info.XenCpuid, info.XenCpuid);
    }

    private static XenErrno CpuVersion(HypercallCall c, ref XenpfPcpuVersion v)
    {
        bool there = v.XenCpuid < c.Xen.OnlineCpus;
        CpuidResult vendor = c.Xen.Options.Host.Cpuid(0, 0), signature = c.Xen.Options.Host.Cpuid(1, 0);
        Span<byte> id = WireMemory.AsBytes(ref v).Slice(8, 12);
        id.Clear();
        (v.MaxPresent, v.Family, v.Model, v.Stepping) = ((uint)c.Xen.OnlineCpus - 1, 0, 0, 0);
        if (!there)
            return XenErrno.None;
        id.WriteStruct(vendor.Ebx);
        id[4..].WriteStruct(vendor.Edx);
        id[8..].WriteStruct(vendor.Ecx);
        uint family = signature.Eax >> 8 & 0xF, model = signature.Eax >> 4 & 0xF;

        // SDM vol. 2A, CPUID leaf 1: extended family and model.
        if (family is 0xF or 6)
            model |= (signature.Eax >> 16 & 0xF) << 4;
        if (family == 0xF)
            family += signature.Eax >> 20 & 0xFF;
        (v.Family, v.Model, v.Stepping) = (family, model, signature.Eax & 0xF);
        return XenErrno.None;
    }

    /// <summary>What the BIOS left: no disks, no signatures, a keyboard without a key held down. A screen that talks is not simulated.</summary>
    private static XenErrno Firmware(HypercallCall c, Span<byte> p)
    {
        uint index = p[4..].ReadStruct<uint>();
        switch ((FirmwareInfo)p.ReadStruct<uint>())
        {
            case FirmwareInfo.DISK_INFO or FirmwareInfo.DISK_MBR_SIGNATURE:
                return XenErrno.ESRCH;
            case FirmwareInfo.VBEDDC_INFO when index != 0:
                return XenErrno.ESRCH;
            case FirmwareInfo.VBEDDC_INFO:
                ulong buffer = c.Abi == Abi.X64 ? p[16..].ReadStruct<ulong>() : p[12..].ReadStruct<uint>();
                return c.Memory.TryRead(new VirtualAddress(buffer), stackalloc byte[1]) ? Missing(c, PlatformOp.firmware_info, XenErrno.ESRCH) : XenErrno.EFAULT;
            case FirmwareInfo.EFI_INFO:
                return XenErrno.ENOSYS;
            case FirmwareInfo.KBD_SHIFT_FLAGS:
                p[8] = 0;
                return index == 0 ? XenErrno.None : XenErrno.ESRCH;
            default:
                return XenErrno.EINVAL;
        }
    }

    /// <summary>Xen takes power states of its one processor, and does not use them here.</summary>
    private static XenErrno ProcessorPowerInfo(HypercallCall c, ReadOnlySpan<byte> p)
    {
        switch ((ProcessorPower)p[4..].ReadStruct<uint>())
        {
            case ProcessorPower.CX or ProcessorPower.PX:
                return XenErrno.None;
            case ProcessorPower.TX:
                return XenErrno.ENOSYS;
            case ProcessorPower.PDC:
                ulong handle = c.Abi == Abi.X64 ? p[8..].ReadStruct<ulong>() : p[8..].ReadStruct<uint>();
                return c.Memory.TryRead(new VirtualAddress(handle), stackalloc byte[8]) ? XenErrno.None : XenErrno.EFAULT;
            default:
                return XenErrno.EINVAL;
        }
    }

    private static XenErrno CoreParking(ref XenpfCoreParking p)
    {
        const uint set = 1, get = 2;
        if (p.Type is not (set or get))
            return XenErrno.EINVAL;

        // One processor cannot be parked.
        if (p.Type == get)
            p.IdleNums = 0;
        return XenErrno.None;
    }

    private static XenErrno Resources(HypercallCall c, ReadOnlySpan<byte> p)
    {
        uint count = p.ReadStruct<uint>();
        if (count == 0)
            return XenErrno.None;
        if (p[4..].ReadStruct<uint>() != 0 || count > MaxResourceEntries)
            return XenErrno.EINVAL;
        ulong handle = c.Abi == Abi.X64 ? p[8..].ReadStruct<ulong>() : p[8..].ReadStruct<uint>();
        return c.Memory.TryRead(new VirtualAddress(handle), stackalloc byte[24]) ? Missing(c, PlatformOp.resource_op, XenErrno.EINVAL) : XenErrno.EFAULT;
    }
}
