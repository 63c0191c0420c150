using XenSim.Hypervisor.Public;
using XenSim.Hypervisor.Public.Elf;

namespace XenSim.Toolstack.Images;

/// <summary>The ELF-generic loader and, from 4.6 on, HVM-generic for firmware images without Xen notes.</summary>
/// <remarks>Source: RELEASE-4.0.4 tools/libxc/xc_dom_elfloader.c, stable-4.17 tools/libs/guest/xg_dom_elfloader.c and xg_dom_hvmloader.c.</remarks>
internal static class ElfLoaders
{
    private const string HvmGuest = "hvm-3.0-x86_32";

    // XENFEAT_dom0. Source: stable-4.17 xen/include/public/features.h.
    private const int FeatureDom0 = 11;

    public static readonly KernelLoader Generic = new(
        "ELF-generic", "xc_dom_probe_elf_kernel", "xc_dom_parse_elf_kernel", "xc_dom_load_elf_kernel", ProbeElf, ParseElf);

    public static readonly KernelLoader Hvm = new(
        "HVM-generic", "xc_dom_probe_hvm_kernel", "xc_dom_parse_hvm_kernel", "xc_dom_load_hvm_kernel", ProbeHvm, ParseHvm);

    /// <summary>4.0.4 looks at the magic only; 4.17 parses the notes, silently.</summary>
    private static bool ProbeElf(LoaderInput input, ref ReadOnlyMemory<byte> blob)
        => input.Release == XenRelease.V4_0 ? ElfImage.IsElf(blob.Span) : HasXenNotes(input, blob);

    private static bool ProbeHvm(LoaderInput input, ref ReadOnlyMemory<byte> blob)
        => input.HvmContainer && ElfImage.Init(input.Release, blob, null, out _) is not null && !HasXenNotes(input with { HvmContainer = true }, blob);

    private static bool HasXenNotes(LoaderInput input, ReadOnlyMemory<byte> blob)
    {
        ElfImage? elf = ElfImage.Init(input.Release, blob, null, out _);
        if (elf is null)
            return false;
        elf.ParseBinary();
        XenNotes.Parse(elf, input.HvmContainer, out ElfError? error);
        return error is null;
    }

    private static ParsedKernel? ParseElf(LoaderInput input, ReadOnlyMemory<byte> blob)
    {
        const string function = "xc_dom_parse_elf_kernel";
        ElfImage? elf = Open(input, blob, function, new PanicSite("elfloader.c", 237, 163));
        if (elf is null)
            return null;
        if (input.Release == XenRelease.V4_0 && !elf.HasSectionNames)
            return Refuse(input.Log, new PanicSite("elfloader.c", 245, 0), $"{function}: ELF image has no shstrtab");

        elf.ParseBinary();
        XenElfParameters parameters = XenNotes.Parse(elf, input.HvmContainer, out ElfError? error);
        if (error is not null)
            return Broken(input.Log, elf, function);
        if (parameters.Requires(FeatureDom0))
        {
            Refuse(input.Log, new PanicSite("elfloader.c", 0, 179), $"{function}: Kernel does not support unprivileged (DomU) operation");
            return Broken(input.Log, elf, function);
        }

        string? guestType = GuestType(input, elf, parameters);
        if (guestType is null)
            return null;
        input.Log.Print($"{function}: {guestType}: 0x{parameters.VirtKernelStart:x} -> 0x{parameters.VirtKernelEnd:x}");
        Broken(input.Log, elf, function);
        return new ParsedKernel(
            blob, elf, parameters, guestType, parameters.VirtKernelStart, parameters.VirtKernelEnd,
            (at, size, destination) => Load(input.Log, elf, at, size, destination, "xc_dom_load_elf_kernel"));
    }

    private static ParsedKernel? ParseHvm(LoaderInput input, ReadOnlyMemory<byte> blob)
    {
        const string function = "xc_dom_parse_hvm_kernel";
        ElfImage? elf = Open(input, blob, function, new PanicSite("hvmloader.c", 0, 103));
        if (elf is null)
            return null;
        if (elf.Is64Bit)
            return Refuse(input.Log, new PanicSite("hvmloader.c", 0, 110), $"{function}: ELF image is not 32bit");
        elf.ParseBinary();
        Broken(input.Log, elf, function);

        // The loader sets phys_entry only after loading; nobody reads it before.
        var parameters = new XenElfParameters { Phys32Entry = (uint)elf.Entry };
        return new ParsedKernel(
            blob, elf, parameters, HvmGuest, elf.PhysicalStart, elf.PhysicalEnd,
            (at, size, destination) => Load(input.Log, elf, at, size, destination, "xc_dom_load_hvm_kernel"));
    }

    /// <summary>elf_init in libxc: its own errors are not logged, because the log is attached afterwards.</summary>
    private static ElfImage? Open(LoaderInput input, ReadOnlyMemory<byte> blob, string function, PanicSite corrupted)
    {
        if (!ElfImage.IsElf(blob.Span))
        {
            Refuse(input.Log, new PanicSite("elfloader.c", 67, function.Contains("hvm", StringComparison.Ordinal) ? 46 : 112), "check_elf_kernel: kernel is not an ELF image");
            return null;
        }

        bool parsing = false;
        ElfImage? elf = ElfImage.Init(input.Release, blob, line => { if (parsing) input.Log.Elf(line); }, out _);
        parsing = true;
        if (elf is null)
            Refuse(input.Log, corrupted, $"{function}: corrupted ELF image");
        return elf;
    }

    /// <summary>xc_dom_guest_type.</summary>
    private static string? GuestType(LoaderInput input, ElfImage elf, XenElfParameters parameters)
    {
        bool is40 = input.Release == XenRelease.V4_0;
        if (input.HvmContainer && !is40)
        {
            if (parameters.HasPhys32Entry)
                return HvmGuest;
            Refuse(input.Log, new PanicSite("elfloader.c", 0, 63), "xc_dom_guest_type: image not capable of booting inside a HVM container");
            return null;
        }

        switch (elf.Machine)
        {
            case ElfMachine.EM_386:
                bool pae = parameters.Pae is PaeMode.Yes or PaeMode.ExtendedCr3
                    || (parameters.Pae == PaeMode.Bimodal && input.XenCapabilities.Contains("xen-3.0-x86_32p", StringComparison.Ordinal));
                return pae ? "xen-3.0-x86_32p" : "xen-3.0-x86_32";
            case ElfMachine.EM_X86_64:
                return "xen-3.0-x86_64";
            case ElfMachine.EM_IA_64 when is40:
                return elf.IsBigEndian ? "xen-3.0-ia64be" : "xen-3.0-ia64";
            default:
                if (is40)
                    return "xen-3.0-unknown";
                Refuse(input.Log, new PanicSite("elfloader.c", 0, 88), $"xc_dom_guest_type: unknown image type {(int)elf.Machine}");
                return null;
        }
    }

    private static bool Load(BuilderLog log, ElfImage elf, ulong at, ulong size, IElfDestination destination, string function)
    {
        if (ElfLoader.LoadBinary(elf, at, size, destination) is null)
            return true;
        log.Print($"{function}: failed to load elf binary");
        return false;
    }

    private static ParsedKernel? Broken(BuilderLog log, ElfImage elf, string function)
    {
        if (elf.Broken is not null)
            log.Print($"{function}: ELF broken: {elf.Broken}");
        return null;
    }

    private static ParsedKernel? Refuse(BuilderLog log, PanicSite site, string text)
    {
        log.Panic(XcError.XC_INVALID_KERNEL, site, text);
        return null;
    }
}
