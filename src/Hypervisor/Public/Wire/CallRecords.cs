namespace XenSim.Hypervisor.Public.Wire;

// callback.h, nmi.h, version.h, sched.h, vcpu.h, physdev.h: arguments that depend on the ABI.

/// <summary>Argument of CALLBACKOP_register. In the 32-bit ABI the address is a far pointer {cs, eip}.</summary>
[XenStruct("callback_register", Abis.Both, Releases.Both)]
public record struct CallbackRegister : IWireRecord
{
    public ushort Type;
    public ushort Flags;

    /// <summary>Selector; 0 in the 64-bit ABI.</summary>
    [XenField("address.cs", Abis = Abis.X32)]
    public uint Cs;
    [XenField("address.eip", Abis = Abis.X32)]
    [XenField("address", Abis = Abis.X64)]
    public ulong Address;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U16(ref Type);
        cursor.U16(ref Flags);
        if (cursor.Abi == Abi.X32)
            cursor.U32(ref Cs);
        cursor.Long(ref Address);
    }
}

[XenStruct("xennmi_callback", Abis.Both, Releases.Both)]
public record struct XennmiCallback : IWireRecord
{
    public ulong HandlerAddress;
    public ulong Pad;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Long(ref HandlerAddress);
        cursor.Long(ref Pad);
    }
}

[XenStruct("xen_platform_parameters", Abis.Both, Releases.Both)]
public record struct PlatformParameters : IWireRecord
{
    public ulong VirtStart;

    public void Visit(ref WireCursor cursor) => cursor.Long(ref VirtStart);
}

[XenStruct("sched_poll", Abis.Both, Releases.Both)]
public record struct SchedPoll : IWireRecord
{
    public ulong Ports;
    public uint NrPorts;

    /// <summary>Absolute system time in nanoseconds, 0 for none.</summary>
    public ulong Timeout;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Long(ref Ports);
        cursor.U32(ref NrPorts);
        cursor.U64(ref Timeout);
    }
}

[XenStruct("vcpu_runstate_info", Abis.Both, Releases.Both)]
public record struct VcpuRunstateInfo : IWireRecord
{
    public uint State;

    /// <summary>System time in nanoseconds.</summary>
    public ulong StateEntryTime;

    /// <summary>Nanoseconds spent in each <see cref="Numbers.RunState"/>.</summary>
    public Array4<ulong> Time;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U32(ref State);
        cursor.U64(ref StateEntryTime);
        for (int i = 0; i < 4; i++)
            cursor.U64(ref Time[i]);
    }
}

/// <summary>Both register_*_memory_area structures: a union that is eight bytes long in every ABI.</summary>
[XenStruct("vcpu_register_runstate_memory_area", Abis.Both, Releases.Both)]
public record struct VcpuRegisterMemoryArea : IWireRecord
{
    [XenField("addr.v")]
    public ulong Address;

    /// <summary>In the 32-bit ABI the upper half of the union's addr.p, which x86 does not use.</summary>
    [XenField(Abis = 0)]
    public uint UpperHalf;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Long(ref Address);
        if (cursor.Abi == Abi.X32)
            cursor.U32(ref UpperHalf);
    }
}

[XenStruct("vcpu_set_singleshot_timer", Abis.Both, Releases.Both)]
public record struct VcpuSetSingleshotTimer : IWireRecord
{
    /// <summary>Absolute system time in nanoseconds.</summary>
    public ulong TimeoutAbsNs;
    public uint Flags;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U64(ref TimeoutAbsNs);
        cursor.U32(ref Flags);
    }
}

[XenStruct("physdev_pirq_eoi_gmfn", Abis.Both, Releases.Both)]
public record struct PhysdevPirqEoiGmfn : IWireRecord
{
    public ulong Gmfn;

    public void Visit(ref WireCursor cursor) => cursor.Long(ref Gmfn);
}

[XenStruct("physdev_set_iobitmap", Abis.Both, Releases.Both)]
public record struct PhysdevSetIobitmap : IWireRecord
{
    public ulong Bitmap;
    public uint NrPorts;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Long(ref Bitmap);
        cursor.U32(ref NrPorts);
    }
}

[XenStruct("physdev_apic", Abis.Both, Releases.Both)]
public record struct PhysdevApic : IWireRecord
{
    public ulong ApicPhysbase;
    public uint Reg;
    public uint Value;

    public void Visit(ref WireCursor cursor)
    {
        cursor.Long(ref ApicPhysbase);
        cursor.U32(ref Reg);
        cursor.U32(ref Value);
    }
}

[XenStruct("physdev_map_pirq", Abis.Both, Releases.Both)]
public record struct PhysdevMapPirq : IWireRecord
{
    public ushort Domid;
    public uint Type;
    public uint Index;
    public uint Pirq;
    public uint Bus;
    public uint Devfn;
    public uint EntryNr;
    public ulong TableBase;

    public void Visit(ref WireCursor cursor)
    {
        cursor.U16(ref Domid);
        cursor.U32(ref Type);
        cursor.U32(ref Index);
        cursor.U32(ref Pirq);
        cursor.U32(ref Bus);
        cursor.U32(ref Devfn);
        cursor.U32(ref EntryNr);
        cursor.U64(ref TableBase);
    }
}
