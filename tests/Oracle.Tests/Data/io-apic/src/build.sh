#!/bin/bash
# Builds the image beside this folder with what dom0-calls is built of: needs gcc and Xen's public headers (Debian: libxen-dev).
set -euo pipefail
cd "$(dirname "$0")"
common=../../dom0-calls/src
gcc -m64 -mcmodel=kernel -mno-red-zone -std=gnu11 -O1 -Wall -Wextra -Wno-main -ffreestanding -fno-pic -no-pie -fno-stack-protector -fcf-protection=none \
    -fno-asynchronous-unwind-tables -mgeneral-regs-only -fno-strict-aliasing -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack \
    -Wl,--no-warn-rwx-segments -Wl,--defsym=VIRT_BASE=0xffffffff80000000 -I "$common" -T "$common/kernel.lds" -o "${1:-..}/kernel.elf" \
    "$common/head.S" calls.c "$common/main.c"
strip "${1:-..}/kernel.elf"
