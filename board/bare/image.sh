#!/bin/sh
# image.sh MACHINE OUT.elf SOURCE|OBJECT|ARCHIVE... - a program without an operating system.
#
# MACHINE is virt (QEMU -M virt) or raspi3b (a Raspberry Pi 3; OUT.elf as raw bytes is its
# kernel8.img). CC names the compiler (aarch64-linux-gnu-gcc), CFLAGS adds to its options.
set -eu
here=$(dirname "$0")
machine=$1 out=$2
shift 2
case $machine in
virt) base=0x40100000 ;;
raspi3b) base=0x80000 define=-DBARE_RASPI3 ;;
*) echo "image.sh: machines are virt and raspi3b" >&2; exit 2 ;;
esac
# Outlined atomics and position-independent code are Debian's defaults and need a C library; the
# loops of memcpy and memset must not become calls of themselves.
# shellcheck disable=SC2086
exec "${CC:-aarch64-linux-gnu-gcc}" -std=c11 -O2 -g -ffreestanding -fno-builtin -ffp-contract=off \
    -mno-outline-atomics -fno-pie -no-pie -fno-tree-loop-distribute-patterns \
    -Wall -Wextra -Wshadow -Wconversion ${define-} ${CFLAGS-} \
    -nostdlib -static -Wl,--build-id=none -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 \
    -Wl,--defsym=BARE_BASE=$base -T "$here/link.ld" -o "$out" \
    "$here/boot.S" "$here/bare.c" "$@"
