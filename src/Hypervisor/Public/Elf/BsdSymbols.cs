namespace XenSim.Hypervisor.Public.Elf;

/// <summary>The symbol table that BSD kernels (BSD_SYMTAB) find behind their image.</summary>
/// <remarks>Source: libelf-loader.c: elf_parse_bsdsyms, elf_load_bsdsyms of both releases.</remarks>
internal static class BsdSymbols
{
    /// <summary>elf_parse_bsdsyms: reserves room behind the kernel.</summary>
    public static XenElfParameters Reserve(ElfImage elf, XenElfParameters parms)
    {
        if (elf.SymbolTable is not { } symbols)
        {
            if (elf.Release != XenRelease.V4_0)
                elf.MarkBroken("invalid ELF handle for symtab section");
            return parms;
        }

        // 4.0.4 starts from the virtual end and adds the virtual offset to the result once more.
        ulong start = elf.RoundUp(elf.Release == XenRelease.V4_0 ? parms.VirtKernelEnd : elf.PhysicalEnd);
        ulong? size = elf.Release == XenRelease.V4_0 ? AllTables(elf) : OneTable(elf, symbols);
        if (size is null)
            return parms;
        elf.BsdSymtabStart = start;
        elf.BsdSymtabEnd = unchecked(start + size.Value);
        return parms with { VirtKernelEnd = unchecked(elf.BsdSymtabEnd + parms.VirtOffset) };
    }

    /// <summary>elf_load_bsdsyms.</summary>
    public static ElfError? Load(ElfImage elf, ulong destSize, IElfDestination destination)
        => elf.BsdSymtabStart == 0 ? null : elf.Error("elf_load_bsdsyms", "elf_load_bsdsyms: loading a BSD symbol table is not implemented");

    private static ulong AllTables(ElfImage elf)
    {
        ulong size = elf.RoundUp(sizeof(uint) + (ulong)elf.EhdrSizeField + ((ulong)elf.SectionCount * (ulong)elf.SectionHeaderStride));
        for (int i = 0; i < elf.SectionCount && elf.TrySection(i, out ElfSection section); i++)
        {
            if (section.Type is ElfSectionType.SHT_STRTAB or ElfSectionType.SHT_SYMTAB)
                size = elf.RoundUp(unchecked(size + section.Size));
        }

        return size;
    }

    private static ulong? OneTable(ElfImage elf, ElfSection symbols)
    {
        // struct elf_sym_header's ELF header is a union of both classes, so its section array always starts behind the 64-bit one.
        const int headers = 3;
        ulong size = elf.RoundUp(sizeof(uint) + sizeof(uint) + (ulong)ElfLayout.Elf64.EhdrSize + (ulong)(headers * elf.ShdrSize));
        size = elf.RoundUp(unchecked(size + symbols.Size));
        if (!elf.TrySection((int)symbols.Link, out ElfSection strings) || strings.Type != ElfSectionType.SHT_STRTAB)
            return null;
        return elf.RoundUp(unchecked(size + strings.Size));
    }
}
