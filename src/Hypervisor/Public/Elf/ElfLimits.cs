namespace XenSim.Hypervisor.Public.Elf;

/// <summary>libelf's own limits. 4.0.4 has none of them and loops or crashes instead; here they hold for both releases.</summary>
/// <remarks>Source: stable-4.17 xen/include/xen/libelf.h.</remarks>
public static class ElfLimits
{
    /// <summary>ELF_MAX_STRING_LENGTH. Unit: bytes.</summary>
    public const int StringLength = 4096;

    /// <summary>ELF_MAX_TOTAL_NOTE_COUNT: notes of any vendor in all segments and sections together.</summary>
    public const int TotalNoteCount = 65536;
}
