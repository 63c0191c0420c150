namespace XenSim.Hypervisor.Public.Numbers;

// io/xs_wire.h.

/// <summary>Message types on the xenstore connection. 4.0 calls type 0 DEBUG, 4.17 CONTROL.</summary>
[XenPrefix("XS_")]
public enum XenStoreMessage : uint
{
    CONTROL = 0,
    DEBUG = 0,
    DIRECTORY = 1,
    READ = 2,
    GET_PERMS = 3,
    WATCH = 4,
    UNWATCH = 5,
    TRANSACTION_START = 6,
    TRANSACTION_END = 7,
    INTRODUCE = 8,
    RELEASE = 9,
    GET_DOMAIN_PATH = 10,
    WRITE = 11,
    MKDIR = 12,
    RM = 13,
    SET_PERMS = 14,
    WATCH_EVENT = 15,
    ERROR = 16,
    IS_DOMAIN_INTRODUCED = 17,
    RESUME = 18,
    SET_TARGET = 19,
    RESET_WATCHES = 21,
    DIRECTORY_PART = 22,
    INVALID = 0xffff,
}
