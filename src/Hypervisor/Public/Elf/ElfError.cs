namespace XenSim.Hypervisor.Public.Elf;

/// <summary>Why libelf refused an image.</summary>
/// <param name="Function">The libelf function that returned the error, e.g. <c>elf_xen_parse</c>.</param>
/// <param name="Message">libelf's own text, as its <c>elf_err</c> prints it.</param>
/// <param name="Code">The function's return value; libelf knows only -1.</param>
public sealed record ElfError(string Function, string Message, int Code = -1)
{
    public override string ToString() => $"{Function}: {Message}";
}

/// <summary>A line libelf prints, without line end. libxc shows it as <c>xc: detail:</c> or <c>xc: error:</c>, Xen as <c>(XEN)</c>.</summary>
/// <param name="IsError">True for <c>elf_err</c> (always printed), false for <c>elf_msg</c> (printed when verbose).</param>
public readonly record struct ElfLogLine(bool IsError, string Text);
