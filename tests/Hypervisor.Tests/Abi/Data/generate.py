#!/usr/bin/env python3
"""Prints offset and size of every field, and every integer constant, of Xen's public headers.

usage: generate.py structs|constants NAME=INCLUDE_DIR [NAME=INCLUDE_DIR ...]

INCLUDE_DIR is the folder that holds xen.h and domctl.h: /usr/include/xen of libxen-dev, or xen/include/public of a
release. Each folder gives two columns, NAME-x32 and NAME-x64 (gcc -m32 and -m64, __XEN_TOOLS__ defined, nothing is
linked or run). Layouts come from the compiler's own debug information as readelf prints it.
"""
import os
import re
import subprocess
import sys
import tempfile

HEADERS = """xen.h arch-x86/xen.h domctl.h sysctl.h memory.h event_channel.h sched.h vcpu.h callback.h version.h physdev.h
grant_table.h features.h elfnote.h nmi.h platform.h errno.h io/console.h io/xs_wire.h hvm/hvm_op.h hvm/params.h
hvm/e820.h hvm/hvm_info_table.h hvm/hvm_vcpu.h hvm/save.h hvm/dm_op.h arch-x86/hvm/start_info.h arch-x86/cpuid.h arch-x86/xen-mca.h""".split()

# io/console.h and io/xs_wire.h of old releases use these names without including anything.
PRELUDE = "#include <stdint.h>\n#include <stddef.h>\n#define __XEN_TOOLS__ 1\n"

COMPOSITE = ("DW_TAG_structure_type", "DW_TAG_union_type")

# Their unions hold every other structure: those stand in the table by themselves.
ENVELOPES = ("xen_domctl", "xen_sysctl", "xen_platform_op", "xen_dm_op", "xen_hvm_altp2m_op", "physdev_op", "evtchn_op")


def source(include):
    text = PRELUDE
    for header in HEADERS:
        if os.path.exists(os.path.join(include, header)):
            text += f'#include "{header}"\n'
    return text


def gcc(include, bits, text, *options):
    with tempfile.NamedTemporaryFile("w", suffix=".c", delete=False) as file:
        file.write(text)
    output = file.name + ".o"
    try:
        run = subprocess.run(["gcc", f"-m{bits}", "-std=gnu11", "-w", "-ffreestanding", "-I", include, *options,
                              file.name, "-o", output], capture_output=True, text=True)
        if run.returncode:
            return None, run.stderr
        if "-c" in options:
            dump = subprocess.run(["readelf", "--debug-dump=info", "-W", output], capture_output=True, text=True)
            return dump.stdout, ""
        with open(output) as result:
            return result.read(), ""
    finally:
        os.unlink(file.name)
        if os.path.exists(output):
            os.unlink(output)


class Entry:
    def __init__(self, tag, parent):
        self.tag, self.parent, self.attributes, self.children = tag, parent, {}, []


def entries(dump):
    """The tree of debug information entries, by offset."""
    found, stack, current = {}, [], None
    head = re.compile(r"^ <(\w+)><(\w+)>: Abbrev Number: \d+ \((\w+)\)")
    # The value follows the form in brackets, and for strings their offset: "(strp) (offset: 0x4c): name".
    attribute = re.compile(r"^    <\w+>   (DW_AT_\w+)\s*: (?:\([^()]*\):? )*(.*?)\s*$")
    for line in dump.splitlines():
        if match := head.match(line):
            depth = int(match[1], 16)
            del stack[depth:]
            current = Entry(match[3], stack[-1] if stack else None)
            found[match[2]] = current
            if stack:
                stack[-1].children.append(current)
            stack.append(current)
        elif current is not None and (match := attribute.match(line)):
            current.attributes[match[1]] = match[2]
    return found


def layouts(include, bits):
    """{struct: (size, [(field, offset, size)])}; nested structs and unions are listed whole and by field."""
    dump, errors = gcc(include, bits, source(include), "-g", "-gdwarf-5", "-c", "-fno-eliminate-unused-debug-types")
    if dump is None:
        sys.exit(errors)
    by_offset = entries(dump)

    def type_of(entry):
        reference = entry.attributes.get("DW_AT_type")
        return by_offset[re.match(r"<0x(\w+)>", reference)[1]] if reference else None

    def size_of(entry):
        if entry is None:
            return 0
        if entry.tag == "DW_TAG_array_type":
            count = 1
            for bound in entry.children:
                count *= int(bound.attributes.get("DW_AT_upper_bound", "-1"), 0) + 1 if "DW_AT_count" not in \
                    bound.attributes else int(bound.attributes["DW_AT_count"], 0)
            return count * size_of(type_of(entry))
        if "DW_AT_byte_size" in entry.attributes:
            return int(entry.attributes["DW_AT_byte_size"], 0)
        return size_of(type_of(entry))

    def resolved(entry):
        while entry is not None and entry.tag in ("DW_TAG_typedef", "DW_TAG_const_type"):
            entry = type_of(entry)
        handle = entry is not None and all(child.attributes.get("DW_AT_name") in ("p", "q", "_pad") for child in entry.children)
        return None if handle else entry

    def fields(struct, entry, prefix, base):
        if entry is None or entry.tag not in COMPOSITE:
            return
        for member in entry.children:
            if member.tag != "DW_TAG_member":
                continue
            offset = base + int(member.attributes.get("DW_AT_data_member_location", "0"), 0)
            name = member.attributes.get("DW_AT_name")
            kind = type_of(member)
            unnamed = kind.tag in COMPOSITE and "DW_AT_name" not in kind.attributes
            if "DW_AT_bit_size" in member.attributes:
                bits_at = int(member.attributes.get("DW_AT_data_bit_offset", "0"), 0)
                yield prefix + name, base + bits_at // 8, 0
            elif unnamed:
                yield from fields(struct, kind, prefix + (name + "." if name else ""), offset)
            else:
                yield prefix + name, offset, size_of(kind)
                if struct not in ENVELOPES:
                    yield from fields(struct, resolved(kind), prefix + name + ".", offset)

    result = {}
    for entry in by_offset.values():
        name = entry.attributes.get("DW_AT_name")
        if entry.tag == "DW_TAG_typedef":
            entry = type_of(entry)
            if entry is None or "DW_AT_name" in entry.attributes:
                continue
        if name and entry.tag in COMPOSITE and "DW_AT_byte_size" in entry.attributes and not name.startswith("__guest_handle"):
            result.setdefault(name, (size_of(entry), list(fields(name, entry, "", 0))))
    return result


def constants(include, bits):
    """{name: value} of every macro without parameters, and every enumerator, that is an integer constant."""
    text = source(include)
    macros, errors = gcc(include, bits, text, "-E", "-dM")
    if macros is None:
        sys.exit(errors)
    baseline, _ = gcc(include, bits, PRELUDE, "-E", "-dM")
    known = set(baseline.splitlines())
    names = sorted({line.split()[1] for line in macros.splitlines()
                    if line not in known and re.match(r"#define [A-Za-z_]\w* \S", line)})
    enumerators = [entry.attributes["DW_AT_name"] for entry in
                   entries(gcc(include, bits, text, "-g", "-c", "-fno-eliminate-unused-debug-types")[0]).values()
                   if entry.tag == "DW_TAG_enumerator"]
    names = sorted(set(names) | set(enumerators))
    while True:
        first = text.count("\n") + 1
        body = "".join(f"const unsigned long long value_{name} = (unsigned long long)({name});\n" for name in names)
        assembly, errors = gcc(include, bits, text + body, "-S")
        if assembly is not None:
            break
        bad = {int(match[1]) - first for match in re.finditer(r"^[^\n:]+\.c:(\d+):\d+: error", errors, re.M)}
        bad |= {int(match[1]) - first for match in re.finditer(r"^[^\n:]+\.c:(\d+):\d+: note: in expansion", errors, re.M)}
        bad = {index for index in bad if 0 <= index < len(names)}
        if not bad:
            sys.exit(errors[:4000])
        names = [name for index, name in enumerate(names) if index not in bad]
    values = {}
    for name, data in re.findall(r"^value_(\w+):\n((?:\t\.(?:quad|long|zero)\t\S+\n)+)", assembly, re.M):
        words = re.findall(r"\.(\w+)\t(\S+)", data)
        if all(word.lstrip("-").isdigit() for _, word in words):
            parts = [0 if kind == "zero" else int(word) for kind, word in words]
            low, high = parts[0], parts[-1] if len(parts) == 2 else parts[0] >> 32
            values[name] = (high & 0xffffffff) << 32 | low & 0xffffffff
    return values


def main():
    what, folders = sys.argv[1], [argument.split("=", 1) for argument in sys.argv[2:]]
    columns = [(f"{name}-x{bits}", folder, bits) for name, folder in folders for bits in (32, 64)]
    print("# generate.py " + what + ": " + " ".join(column for column, _, _ in columns))
    if what == "constants":
        tables = [constants(folder, bits) for _, folder, bits in columns]
        for name in sorted(set().union(*tables)):
            print(name, *(f"0x{table[name]:x}" if name in table else "-" for table in tables))
        return
    tables = [layouts(folder, bits) for _, folder, bits in columns]
    for name in sorted(set().union(*tables)):
        print("struct", name, *(table[name][0] if name in table else "-" for table in tables))
        order = {}
        for table in tables:
            for field, _, _ in table.get(name, (0, []))[1]:
                order.setdefault(field)
        for field in order:
            cells = [next((f"{o}/{s}" for f, o, s in table.get(name, (0, []))[1] if f == field), "-") for table in tables]
            print(" ", field, *cells)


main()
