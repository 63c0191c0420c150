#!/bin/bash
# Builds the image beside this folder: needs gcc and Xen's public headers (Debian: libxen-dev).
set -euo pipefail
cd "$(dirname "$0")"
gcc -m64 -mcmodel=kernel -mno-red-zone -std=gnu11 -O1 -Wall -Wextra -Wno-main -ffreestanding -fno-pic -no-pie -fno-stack-protector -fcf-protection=none \
    -fno-asynchronous-unwind-tables -mgeneral-regs-only -fno-strict-aliasing -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack \
    -Wl,--no-warn-rwx-segments -Wl,--defsym=VIRT_BASE=0xffffffff80000000 -T kernel.lds -o "${1:-..}/kernel.elf" head.S grants.c calls.c main.c
strip "${1:-..}/kernel.elf"
