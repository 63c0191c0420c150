#!/bin/bash
# compare.sh [PEER…]
# Compares the speed of the vCPU with Bochs, Unicorn and qemu-system on the same machine code, and prints one table of ratios;
# with the peers named (unicorn, bochs, qemu) only.
# Installs what it needs through apt when run as root.
set -euo pipefail
cd "$(dirname "$0")"
missing() { ! command -v qemu-system-x86_64 >/dev/null || ! command -v bochs-bin >/dev/null || ! command -v gcc >/dev/null || ! ldconfig -p | grep -q 'libunicorn\.so\.2' || [ ! -e /usr/share/vgabios/vgabios.bin ]; }
if missing; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends bochs bochsbios vgabios qemu-system-x86 seabios libunicorn2 gcc binutils
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc -c -x assembler Compare/image.S -o "$work/image.o"
ld -Ttext=0xFE00 --oformat binary -e 0 "$work/image.o" -o "$work/image.bin"
dotnet run -c Release --project . -- --compare "$work/image.bin" "$@"
