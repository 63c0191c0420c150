using XenSim.Hypervisor.Public.Numbers;

namespace XenSim.Hypervisor.Public.Elf;

/// <summary>elf_xen_parse: Xen's notes or the <c>__xen_guest</c> section, the sanity checks and the address calculation.</summary>
/// <remarks>Source: xen/common/libelf/libelf-dominfo.c of both releases.</remarks>
public sealed class XenNotes
{
    private static readonly Dictionary<ElfNote, bool> Known40 = new()
    {
        // Value: whether the note is a string.
        [ElfNote.ENTRY] = false,
        [ElfNote.HYPERCALL_PAGE] = false,
        [ElfNote.VIRT_BASE] = false,
        [ElfNote.INIT_P2M] = false,
        [ElfNote.PADDR_OFFSET] = false,
        [ElfNote.HV_START_LOW] = false,
        [ElfNote.XEN_VERSION] = true,
        [ElfNote.GUEST_OS] = true,
        [ElfNote.GUEST_VERSION] = true,
        [ElfNote.LOADER] = true,
        [ElfNote.PAE_MODE] = true,
        [ElfNote.FEATURES] = true,
        [ElfNote.BSD_SYMTAB] = true,
        [ElfNote.SUSPEND_CANCEL] = false,
    };

    private static readonly Dictionary<ElfNote, bool> Known417 = new(Known40)
    {
        [ElfNote.MOD_START_PFN] = false,
        [ElfNote.SUPPORTED_FEATURES] = false,
        [ElfNote.PHYS32_ENTRY] = false,
    };

    private readonly ElfImage _elf;
    private readonly bool _is40;
    private readonly Dictionary<ElfNote, XenNote> _notes = [];
    private XenElfParameters _parms = new();
    private int _totalNotes;
    private bool _hasNoteArea;

    private XenNotes(ElfImage elf)
    {
        _elf = elf;
        _is40 = elf.Release == XenRelease.V4_0;
    }

    /// <summary>elf_xen_parse on an image whose <see cref="ElfImage.ParseBinary"/> has run.</summary>
    /// <param name="hvm">4.17: the image is for an HVM container (PVH); then only PHYS32_ENTRY counts. Ignored for 4.0.4.</param>
    /// <param name="error">libelf's error, or null.</param>
    /// <returns>The parameters as far as they were parsed, also on failure (the real structure is filled likewise).</returns>
    public static XenElfParameters Parse(ElfImage elf, bool hvm, out ElfError? error)
    {
        var parser = new XenNotes(elf);
        error = parser.Parse(hvm && elf.Release != XenRelease.V4_0);
        return parser._parms with { Notes = parser._notes };
    }

    private ElfError? Parse(bool hvm)
    {
        int found = 0;
        for (int i = 0; i < _elf.SegmentCount && _elf.TrySegment(i, out ElfSegment segment); i++)
        {
            // Some binutils leave p_offset of note segments 0.
            if (segment.Type == ElfSegmentType.PT_NOTE && segment.Offset != 0 && !ParseArea(segment.Offset, segment.FileSize, ref found))
                return Refused();
        }

        if (found == 0 && !ParseNoteSections(ref found))
            return Refused();
        bool legacy = found == 0 && !hvm && ParseGuestSection();
        return _elf.RefuseIfUnreadable("elf_xen_parse") ?? CheckNotes(legacy, hvm) ?? CalculateAddresses(hvm)
            ?? _elf.RefuseIfUnreadable("elf_xen_parse");
    }

    private ElfError Refused()
        => _elf.RefuseIfUnreadable("elf_xen_parse") ?? new ElfError("elf_xen_parse_note", "unknown feature name in FEATURES note");

    private bool ParseNoteSections(ref int found)
    {
        for (int i = _is40 ? 0 : 1; i < _elf.SectionCount && _elf.TrySection(i, out ElfSection section); i++)
        {
            if (section.Type != ElfSectionType.SHT_NOTE)
                continue;
            int before = found;
            if (!ParseArea(section.Offset, section.Size, ref found))
                return false;
            if (before == 0 && found > 0)
                _elf.Message(_is40 ? "elf_xen_parse: using notes from SHT_NOTE section" : "ELF: using notes from SHT_NOTE section");
        }

        return true;
    }

    /// <summary>elf_xen_parse_notes: false when a note makes the image unacceptable.</summary>
    private bool ParseArea(ulong start, ulong size, ref int found)
    {
        const ulong header = 12; // namesz, descsz, type: 32 bits each in both classes
        _hasNoteArea = true;
        ulong end = unchecked(start + size);
        for (ulong note = start; note < end;)
        {
            if (_totalNotes++ >= ElfLimits.TotalNoteCount)
            {
                _elf.MarkBroken("too many ELF notes");
                return !_is40;
            }

            uint nameSize = RoundUp4(_elf.Read(note, 4));
            uint descSize = (uint)_elf.Read(unchecked(note + 4), 4);
            ulong desc = unchecked(note + header + nameSize);
            if (IsXen(unchecked(note + header)))
            {
                if (!ParseNote((uint)_elf.Read(unchecked(note + 8), 4), desc, descSize))
                    return false;
                found++;
            }

            ulong next = unchecked(desc + RoundUp4(descSize));
            if (next <= note || !_elf.AccessOk(note, 1))
                break;
            note = next;
        }

        return true;
    }

    /// <summary>4.17 reads the whole name, so an endless one breaks the image; 4.0.4 compares and stops at the first difference.</summary>
    private bool IsXen(ulong name)
    {
        if (!_is40)
            return _elf.ReadString(name) == "Xen";
        for (int i = 0; i < 4; i++)
        {
            if ((byte)_elf.Read(unchecked(name + (ulong)i), 1) != "Xen\0"[i])
                return false;
        }

        return true;
    }

    private static uint RoundUp4(ulong size) => (uint)(size + 3) & ~3u;

    /// <summary>elf_xen_parse_note.</summary>
    private bool ParseNote(uint number, ulong desc, uint descSize)
    {
        var type = (ElfNote)number;
        if (!(_is40 ? Known40 : Known417).TryGetValue(type, out bool isText))
        {
            _elf.Message(_is40 ? $"elf_xen_parse_note: unknown xen elf note (0x{number:x})" : $"ELF: note: unknown ({ElfImage.Hex(number)})");
            return true;
        }

        if (isText)
        {
            string? text = _elf.ReadString(desc);
            if (text is null)
                return !_is40;
            _elf.Message(_is40 ? $"elf_xen_parse_note: {type} = \"{text}\"" : $"ELF: note: {type} = \"{text}\"");
            _notes[type] = new XenNote(type, text, 0);
            return ApplyText(type, text);
        }

        ulong value = descSize > 8 ? 0 : _elf.Read(desc, (int)descSize);
        _elf.Message(_is40 ? $"elf_xen_parse_note: {type} = 0x{value:x}" : $"ELF: note: {type} = {ElfImage.Hex(value)}");
        _notes[type] = new XenNote(type, null, value);
        ApplyNumber(type, value, desc, descSize);
        return true;
    }

    private bool ApplyText(ElfNote type, string text)
    {
        switch (type)
        {
            case ElfNote.LOADER:
                _parms = _parms with { Loader = Short(text) };
                break;
            case ElfNote.GUEST_OS:
                _parms = _parms with { GuestOs = Short(text) };
                break;
            case ElfNote.GUEST_VERSION:
                _parms = _parms with { GuestVersion = Short(text) };
                break;
            case ElfNote.XEN_VERSION:
                _parms = _parms with { XenVersion = Short(text) };
                break;
            case ElfNote.PAE_MODE:
                if (text == "yes")
                    _parms = _parms with { Pae = PaeMode.ExtendedCr3 };
                if (text.Contains("bimodal", StringComparison.Ordinal))
                    _parms = _parms with { Pae = PaeMode.Bimodal };
                break;
            case ElfNote.BSD_SYMTAB:
                _parms = _parms with { BsdSymtab = _parms.BsdSymtab || text == "yes" };
                break;
            case ElfNote.FEATURES:
                return ApplyFeatures(text);
        }

        return true;
    }

    private void ApplyNumber(ElfNote type, ulong value, ulong desc, uint descSize)
    {
        _parms = type switch
        {
            ElfNote.VIRT_BASE => _parms with { VirtBase = value },
            ElfNote.ENTRY => _parms with { VirtEntry = value },
            ElfNote.INIT_P2M => _parms with { P2mBase = value },
            ElfNote.PADDR_OFFSET => _parms with { ElfPaddrOffset = value },
            ElfNote.HYPERCALL_PAGE => _parms with { VirtHypercall = value },
            ElfNote.HV_START_LOW => _parms with { VirtHvStartLow = value },
            ElfNote.MOD_START_PFN => _parms with { UnmappedInitrd = value != 0 },
            ElfNote.PHYS32_ENTRY => _parms with { Phys32Entry = (uint)value },
            // An array of 32-bit submaps, of which there is one (elf_note_numeric_array).
            ElfNote.SUPPORTED_FEATURES when descSize % 4 == 0 && descSize >= 4
                => _parms with { FeaturesSupported = _parms.FeaturesSupported | (uint)_elf.Read(desc, 4) },
            _ => _parms,
        };
    }

    private bool ApplyFeatures(string text)
    {
        uint supported = _parms.FeaturesSupported;
        uint required = _parms.FeaturesRequired;
        bool known = XenFeatures.TryParse(_elf.Release, text, ref supported, ref required);
        _parms = _parms with { FeaturesSupported = supported, FeaturesRequired = required };
        return known;
    }

    /// <summary>safe_strcpy into 16 bytes.</summary>
    private static string Short(string text) => text.Length > 15 ? text[..15] : text;

    private bool ParseGuestSection()
    {
        if (_elf.SectionByName("__xen_guest") is not { } section)
            return false;
        _hasNoteArea = false;
        string text = _elf.ReadString(section.Offset) ?? "(invalid)";
        _elf.Message(_is40 ? $"elf_xen_parse: __xen_guest: \"{text}\"" : $"ELF: __xen_guest: \"{text}\"");
        _parms = XenGuestSection.Parse(_elf, section.Offset, _parms);
        return true;
    }

    /// <summary>elf_xen_note_check.</summary>
    private ElfError? CheckNotes(bool legacy, bool hvm)
    {
        string prefix = _is40 ? "elf_xen_note_check: " : "";
        if (!_hasNoteArea && !legacy)
        {
            return _elf.Machine is ElfMachine.EM_386 or ElfMachine.EM_X86_64
                ? Fail($"{prefix}ERROR: Not a Xen-ELF image: No ELF notes or '__xen_guest' section found")
                : null;
        }

        if (!_is40 && _elf.Machine == ElfMachine.EM_ARM)
        {
            _elf.Message("ELF: Not bothering with notes on ARM");
            return null;
        }

        if (hvm && _parms.HasPhys32Entry)
        {
            _elf.Message("ELF: Found PVH image");
            return null;
        }

        if (!_parms.Loader.StartsWith("generic", StringComparison.Ordinal) && !_parms.GuestOs.StartsWith("linux", StringComparison.Ordinal))
        {
            return Fail(_is40
                ? $"{prefix}ERROR: Will only load images built for the generic loader or Linux images"
                : $"ERROR: Will only load images built for the generic loader or Linux images (Not '{_parms.Loader}' and '{_parms.GuestOs}') or with PHYS32_ENTRY set");
        }

        if (!_parms.XenVersion.StartsWith("xen-3.0", StringComparison.Ordinal))
        {
            return Fail(_is40
                ? $"{prefix}ERROR: Xen will only load images built for Xen v3.0"
                : $"ERROR: Xen will only load images built for Xen v3.0 (Not '{_parms.XenVersion}')");
        }

        return null;

        ElfError Fail(string text) => _elf.Error("elf_xen_note_check", text);
    }

    /// <summary>elf_xen_addr_calc_check.</summary>
    private ElfError? CalculateAddresses(bool hvm)
    {
        string prefix = _is40 ? "elf_xen_addr_calc_check: " : "";
        string end = _is40 ? "." : "";
        if (_parms.ElfPaddrOffset != XenElfParameters.Unset && _parms.VirtBase == XenElfParameters.Unset)
            return Fail($"{prefix}ERROR: ELF_PADDR_OFFSET set, VIRT_BASE unset");
        SetDefaults(prefix, hvm);
        ulong offset = unchecked(_parms.VirtBase - _parms.ElfPaddrOffset);
        _parms = _parms with
        {
            VirtOffset = offset,
            VirtKernelStart = unchecked(_elf.PhysicalStart + offset),
            VirtKernelEnd = unchecked(_elf.PhysicalEnd + offset),
        };
        if (_parms.VirtEntry == XenElfParameters.Unset || hvm)
            _parms = _parms with { VirtEntry = hvm && _parms.HasPhys32Entry ? _parms.Phys32Entry : _elf.Entry };
        if (_parms.BsdSymtab)
            _parms = BsdSymbols.Reserve(_elf, _parms);
        LogAddresses(prefix);

        if (_parms.VirtKernelStart > _parms.VirtKernelEnd || _parms.VirtEntry < _parms.VirtKernelStart
            || _parms.VirtEntry > _parms.VirtKernelEnd || _parms.VirtBase > _parms.VirtKernelStart)
        {
            return Fail($"{prefix}ERROR: ELF start or entries are out of bounds{end}");
        }

        bool p2mInKernel = _parms.HasInitP2m && _parms.P2mBase >= _parms.VirtKernelStart && _parms.P2mBase < _parms.VirtKernelEnd;
        return p2mInKernel ? Fail($"{prefix}ERROR: P->M table base is out of bounds{end}") : null;

        ElfError Fail(string text) => _elf.Error("elf_xen_addr_calc_check", text);
    }

    private void SetDefaults(string prefix, bool hvm)
    {
        if (_parms.VirtBase == XenElfParameters.Unset || hvm)
        {
            _parms = _parms with { VirtBase = 0 };
            if (!hvm)
                _elf.Message(_is40 ? $"{prefix}VIRT_BASE unset, using 0x0" : "ELF: VIRT_BASE unset, using 0");
        }

        if (_parms.ElfPaddrOffset == XenElfParameters.Unset || hvm)
        {
            // Kernels with the legacy section have physical addresses that start at virt_base.
            _parms = _parms with { ElfPaddrOffset = _hasNoteArea || hvm ? 0 : _parms.VirtBase };
            if (!hvm)
            {
                _elf.Message(_is40
                    ? $"{prefix}ELF_PADDR_OFFSET unset, using 0x{_parms.ElfPaddrOffset:x}"
                    : $"ELF_PADDR_OFFSET unset, using {ElfImage.Hex(_parms.ElfPaddrOffset)}");
            }
        }
    }

    private void LogAddresses(string prefix)
    {
        _elf.Message(_is40 ? $"{prefix}addresses:" : "ELF: addresses:");
        _elf.Message($"    virt_base        = 0x{_parms.VirtBase:x}");
        _elf.Message($"    elf_paddr_offset = 0x{_parms.ElfPaddrOffset:x}");
        _elf.Message($"    virt_offset      = 0x{_parms.VirtOffset:x}");
        _elf.Message($"    virt_kstart      = 0x{_parms.VirtKernelStart:x}");
        _elf.Message($"    virt_kend        = 0x{_parms.VirtKernelEnd:x}");
        _elf.Message($"    virt_entry       = 0x{_parms.VirtEntry:x}");
        _elf.Message($"    p2m_base         = 0x{_parms.P2mBase:x}");
    }
}
