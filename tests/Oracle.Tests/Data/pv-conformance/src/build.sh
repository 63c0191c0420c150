#!/bin/bash
# Builds the two images beside this folder: needs gcc with -m32 and Xen's public headers (Debian: gcc-multilib, libxen-dev). The digest of
# the sources is put into a section of the image.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C
digest=$(mktemp)
trap 'rm -f "$digest"' EXIT
cat -- * | sha256sum | cut -d' ' -f1 | xxd -r -p > "$digest"
flags=(-std=gnu11 -O2 -Wall -Wextra -Wno-main -Werror -ffreestanding -fno-pic -no-pie -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables
    -fno-toplevel-reorder -mgeneral-regs-only -fno-strict-aliasing -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments)
build() { # BITS VIRT_BASE FLAG…
    local out=../kernel-$1.elf base=$2
    shift 2
    gcc "$@" "${flags[@]}" -Wl,--defsym=VIRT_BASE="$base" -T kernel.lds -o "$out" ./*.S ./*.c
    strip "$out"
    objcopy --add-section .sources="$digest" "$out"
}
build 64 0xffffffff80000000 -m64 -mcmodel=kernel -mno-red-zone
build 32 0xc0000000 -m32
