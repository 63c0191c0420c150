namespace XenSim.Hypervisor.Public.Numbers;

// xen.h, callback.h, nmi.h.

/// <summary>Sub-operations of console_io.</summary>
[XenPrefix("CONSOLEIO_")]
public enum ConsoleIoCommand : uint
{
    write = 0,
    read = 1,
}

/// <summary>Sub-operations of callback_op.</summary>
[XenPrefix("CALLBACKOP_")]
public enum CallbackOp : uint
{
    register = 0,
    unregister = 1,
}

/// <summary>Callbacks that callback_op registers.</summary>
[XenPrefix("CALLBACKTYPE_")]
public enum CallbackType : ushort
{
    @event = 0,
    failsafe = 1,
    syscall = 2,
    sysenter_deprecated = 3,
    nmi = 4,
    sysenter = 5,
    syscall32 = 7,
}

/// <summary>Flags of a callback.</summary>
[Flags]
[XenPrefix("CALLBACKF_")]
public enum CallbackFlags : ushort
{
    mask_events = 1,
}

/// <summary>Sub-operations of nmi_op.</summary>
[XenPrefix("XENNMI_")]
public enum NmiOp : uint
{
    register_callback = 0,
    unregister_callback = 1,
}
