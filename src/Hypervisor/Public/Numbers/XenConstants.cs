namespace XenSim.Hypervisor.Public.Numbers;

/// <summary>Single constants of the public headers, under Xen's names.</summary>
public static class XenConstants
{
    public const uint XENPF_INTERFACE_VERSION = 0x03000001;

    /// <summary>vCPUs whose vcpu_info lies in shared_info.</summary>
    public const int XEN_LEGACY_MAX_VCPUS = 32;

    /// <summary>Bytes of start_info.cmd_line, NUL included.</summary>
    public const int MAX_GUEST_CMDLINE = 1024;

    // io/xs_wire.h, in bytes.
    public const int XENSTORE_RING_SIZE = 1024;
    public const int XENSTORE_PAYLOAD_MAX = 4096;
    public const int XENSTORE_ABS_PATH_MAX = 3072;
    public const int XENSTORE_REL_PATH_MAX = 2048;
    public const uint XENSTORE_SERVER_FEATURE_RECONNECTION = 1;
    public const uint XENSTORE_SERVER_FEATURE_ERROR = 2;

    // arch-x86/hvm/start_info.h, arch-x86/hvm/save.h, hvm/params.h, hvm/hvm_info_table.h.
    public const uint XEN_HVM_START_MAGIC_VALUE = 0x336ec578;
    public const uint HVM_FILE_MAGIC = 0x54381286;
    public const uint HVM_FILE_VERSION = 1;
    public const uint HVM_INFO_PADDR = 0x9f800;
    public const int HVM_MAX_VCPUS = 128;

    // arch-x86/cpuid.h.
    public const uint XEN_CPUID_FIRST_LEAF = 0x40000000;
    public const uint XEN_CPUID_SIGNATURE_EBX = 0x566e6558;
    public const uint XEN_CPUID_SIGNATURE_ECX = 0x65584d4d;
    public const uint XEN_CPUID_SIGNATURE_EDX = 0x4d4d566e;
    public const uint XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD = 1;
    public const uint XEN_CPUID_NO_SUBLEAF = 0xffffffff;

    /// <summary>HVM_NR_PARAMS of 4.17; 4.0 has 17.</summary>
    public const int HVM_NR_PARAMS = 39;

    /// <summary>grant_table.h: index of XENMAPSPACE_grant_table that means the status frames.</summary>
    public const ulong XENMAPIDX_grant_table_status = 0x80000000;

    // event_channel.h, FIFO ABI (from 4.4): bit numbers in an event word, and sizes.
    public const int EVTCHN_FIFO_PENDING = 31;
    public const int EVTCHN_FIFO_MASKED = 30;
    public const int EVTCHN_FIFO_LINKED = 29;
    public const int EVTCHN_FIFO_BUSY = 28;
    public const int EVTCHN_FIFO_LINK_BITS = 17;
    public const int EVTCHN_FIFO_PRIORITY_DEFAULT = 7;
    public const int EVTCHN_FIFO_NR_CHANNELS = 1 << 17;
}
