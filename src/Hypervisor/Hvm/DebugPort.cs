using XenSim.Hypervisor.Domains;
using XenSim.Hypervisor.Public.Events;

namespace XenSim.Hypervisor.Hvm;

/// <summary>hvm_print_line: I/O port 0xE9, on which a hardware virtual machine prints before it has any other console.</summary>
/// <remarks>
/// Source: RELEASE-4.0.4 and stable-4.17 xen/arch/x86/hvm/hvm.c: hvm_print_line. Xen's own copy of the line is XENLOG_G_DEBUG, which
/// a release build's guest_loglvl drops; the guest's console has the bytes without the line breaks that Xen's log adds.
/// </remarks>
internal sealed class DebugPort(Domain domain)
{
    public const ulong Number = 0xE9;

    private readonly byte[] _line = new byte[200];
    private int _length;

    /// <summary>Takes printable characters, newline and tab, and hands them on by lines.</summary>
    public void Write(byte c)
    {
        const byte space = 0x20, tilde = 0x7E;
        if (c is not ((>= space and <= tilde) or (byte)'\n' or (byte)'\t'))
            return;
        _line[_length++] = c;
        if (c == '\n' || _length == _line.Length)
            Flush();
    }

    private void Flush()
    {
        domain.Xen.Events.Emit(new ConsoleOutput(domain.Id, "debug-port", _line.AsSpan(0, _length).ToArray()));
        _length = 0;
    }
}
