using XenSim.Hypervisor.Public;

namespace XenSim.Toolstack.Libxc;

/// <summary>strerror of dom0's C library.</summary>
/// <remarks>Source: glibc 2.36 sysdeps/gnu/errlist.h.</remarks>
internal static class ErrnoText
{
    public static string Text(this XenErrno errno) => errno switch
    {
        XenErrno.None => "Success",
        XenErrno.EPERM => "Operation not permitted",
        XenErrno.ENOENT => "No such file or directory",
        XenErrno.ESRCH => "No such process",
        XenErrno.EINTR => "Interrupted system call",
        XenErrno.EIO => "Input/output error",
        XenErrno.ENXIO => "No such device or address",
        XenErrno.E2BIG => "Argument list too long",
        XenErrno.ENOEXEC => "Exec format error",
        XenErrno.EBADF => "Bad file descriptor",
        XenErrno.ECHILD => "No child processes",
        XenErrno.EAGAIN => "Resource temporarily unavailable",
        XenErrno.ENOMEM => "Cannot allocate memory",
        XenErrno.EACCES => "Permission denied",
        XenErrno.EFAULT => "Bad address",
        XenErrno.EBUSY => "Device or resource busy",
        XenErrno.EEXIST => "File exists",
        XenErrno.EXDEV => "Invalid cross-device link",
        XenErrno.ENODEV => "No such device",
        XenErrno.ENOTDIR => "Not a directory",
        XenErrno.EISDIR => "Is a directory",
        XenErrno.EINVAL => "Invalid argument",
        XenErrno.ENFILE => "Too many open files in system",
        XenErrno.EMFILE => "Too many open files",
        XenErrno.ENOSPC => "No space left on device",
        XenErrno.EROFS => "Read-only file system",
        XenErrno.EMLINK => "Too many links",
        XenErrno.EDOM => "Numerical argument out of domain",
        XenErrno.ERANGE => "Numerical result out of range",
        XenErrno.EDEADLK => "Resource deadlock avoided",
        XenErrno.ENAMETOOLONG => "File name too long",
        XenErrno.ENOLCK => "No locks available",
        XenErrno.ENOSYS => "Function not implemented",
        XenErrno.ENOTEMPTY => "Directory not empty",
        XenErrno.ENODATA => "No data available",
        XenErrno.ETIME => "Timer expired",
        XenErrno.EBADMSG => "Bad message",
        XenErrno.EOVERFLOW => "Value too large for defined data type",
        XenErrno.EILSEQ => "Invalid or incomplete multibyte or wide character",
        XenErrno.ERESTART => "Interrupted system call should be restarted",
        XenErrno.EOPNOTSUPP => "Operation not supported",
        XenErrno.EADDRINUSE => "Address already in use",
        XenErrno.ENOBUFS => "No buffer space available",
        XenErrno.ENOTCONN => "Transport endpoint is not connected",
        XenErrno.ETIMEDOUT => "Connection timed out",
        XenErrno.ECONNREFUSED => "Connection refused",
        _ => $"Unknown error {(int)errno}",
    };
}
