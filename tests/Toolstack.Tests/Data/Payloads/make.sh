#!/bin/sh
# Packs Elf/test-kernel-32.elf with the real tools, with the options of Linux's scripts/Makefile.lib (xz: scripts/xz_wrap.sh for x86).
# Made with: gzip 1.12, bzip2 1.0.8, xz 5.4.1, lzop 1.04, lz4 1.9.4, zstd 1.5.4.
set -e
cd "$(dirname "$0")"
K=../Elf/test-kernel-32.elf
gzip -n -9 -c $K > kernel.gz
bzip2 -9 -c $K > kernel.bz2
xz --format=lzma -9 -c $K > kernel.lzma
xz --check=crc32 --x86 --lzma2=dict=32MiB -c $K > kernel.xz
xz --check=crc64 -0 -c $K > kernel-plain-crc64.xz
lzop -9 -c $K > kernel.lzo
lz4 -l -9 -c $K > kernel.lz4 2>/dev/null
zstd -22 --ultra -q -c $K > kernel.zst
