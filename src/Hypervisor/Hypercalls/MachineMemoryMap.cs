using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Numbers;
using XenSim.Hypervisor.Public.Wire;

namespace XenSim.Hypervisor.Hypercalls;

/// <summary>XENMEM_machine_memory_map: the firmware's map, with what lies between its ranges and the caller may not map put in as reserved.</summary>
/// <remarks>Source: RELEASE-4.17.0 and RELEASE-4.0.4 xen/arch/x86/mm.c: subarch_memory_op or arch_memory_op, handle_iomem_range.</remarks>
internal ref struct MachineMemoryMap(HypercallCall c, MemoryMap map)
{
    private const ulong All = ulong.MaxValue;
    private const int EntrySize = 20;

    private readonly bool _v40 = c.Xen.Profile.Release == XenRelease.V4_0;
    private readonly IReadOnlyList<E820Entry> _host = c.Xen.HostMemoryMap;
    private uint _count;

    /// <summary>First frame of which nothing has been said. 0 after the last there is.</summary>
    private ulong _next;

    /// <summary>4.17 counts only, for a caller without a buffer.</summary>
    private readonly bool Stores => _v40 || map.Buffer != 0;

    /// <param name="entries">How many there are.</param>
    public XenErrno Write(out uint entries)
    {
        entries = 0;
        if (Stores && map.NrEntries < (uint)_host.Count + 1)
            return XenErrno.EINVAL;
        for (int i = 0; i < _host.Count; i++)
        {
            E820Entry e = _host[i];
            ulong start = e.Addr >> 12;
            XenErrno errno = start > _next ? Between(start) : XenErrno.None;
            if (errno == XenErrno.None)
                errno = Stores && map.NrEntries <= _count + (uint)(_host.Count - i) ? XenErrno.EINVAL : Put(e);
            if (errno != XenErrno.None)
                return errno;
            _next = (e.Addr + e.Size + 0xFFF) >> 12;
        }

        XenErrno last = _next == 0 ? XenErrno.None : Between(All);
        entries = _count;
        return last;
    }

    /// <summary>From <see cref="_next"/> up to a range of the firmware's, or to the end.</summary>
    private XenErrno Between(ulong start)
    {
        ulong from = _next, to = start == All ? All : start - 1;
        foreach (IoRange r in c.Caller.Io.Frames.Ranges)
        {
            if (r.Last < from || r.First > to)
                continue;
            XenErrno errno = Permitted(Math.Max(r.First, from), Math.Min(r.Last, to));
            if (errno != XenErrno.None)
                return errno;
        }

        return start == All && _next == 0 ? XenErrno.None : Reserve(start, start);
    }

    /// <summary>Frames that the caller may map; 4.17 takes the I/O APIC, which it lets be read, out of them.</summary>
    private XenErrno Permitted(ulong first, ulong last)
    {
        ulong ioApic = c.Xen.Options.Host.Firmware.IoApicAddress >> 12;
        if (_v40 || ioApic < first || ioApic > last)
            return Reserve(first, last);
        XenErrno errno = first < ioApic ? Reserve(first, ioApic - 1) : XenErrno.None;
        return errno != XenErrno.None || last == ioApic ? errno : Reserve(ioApic + 1, last);
    }

    /// <summary>What lies before the first of these frames is the caller's not; goes on behind the last.</summary>
    private XenErrno Reserve(ulong first, ulong last)
    {
        int bits = (int)c.Xen.Options.Host.Cpuid(0x8000_0008, 0).Eax & 0xFF;
        if (first > _next && (_v40 || first >> (bits - 12) == 0))
        {
            if (Stores && _count + 1 >= map.NrEntries)
                return XenErrno.EINVAL;
            XenErrno errno = Put(new E820Entry { Addr = _next << 12, Size = (first - _next) << 12, Type = (uint)E820Type.RESERVED });
            if (errno != XenErrno.None)
                return errno;
        }

        _next = last + 1;
        return XenErrno.None;
    }

    private XenErrno Put(E820Entry entry)
    {
        VirtualAddress at = new(map.Buffer + (_count++ * EntrySize));
        return !Stores || c.Memory.TryWriteStruct(at, entry) ? XenErrno.None : XenErrno.EFAULT;
    }
}
