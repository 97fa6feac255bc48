#!/bin/bash
# board.sh [OPTION...] KERNEL ROOT.cpio WORK - boots a board in QEMU, runs WORK/job in it, exits
# with the job's status; 124: too slow, 125: it ended without one. The console goes to
# WORK/console.log.
#
#   -c CPU     cortex-a72 (default) cortex-a76 cortex-a53 max
#   -i         one CPU, whose clock moves a nanosecond with each instruction and not by itself
#   -d DISK    an ext4 image, /data in the guest
#   -p N:M     forwards 127.0.0.1:N to the guest's port M
#   -t SECONDS time limit (120)
#   -x ARG     one more argument for QEMU; may repeat
set -u
cpu=cortex-a72 cpus=2 accel=(-accel tcg,thread=multi) disk= forward= limit=120 extra=()
while getopts c:id:p:t:x: option; do
    case $option in
    c) cpu=$OPTARG ;;
    i) cpus=1 accel=(-accel tcg,thread=single -icount shift=0,sleep=off) ;;
    d) disk=$OPTARG ;;
    p) forward+=",hostfwd=tcp:127.0.0.1:${OPTARG%%:*}-:${OPTARG##*:}" ;;
    t) limit=$OPTARG ;;
    x) extra+=("$OPTARG") ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
kernel=$1 root=$2 work=$(realpath "$3")
[ -z "$disk" ] || extra+=(-drive "if=none,id=d0,file=$disk,format=raw"
    -device virtio-blk-device,drive=d0)
: > "$work/console.log"
timeout -k 5 "$limit" qemu-system-aarch64 -M virt,gic-version=3 -cpu "$cpu" -smp "$cpus" -m 768 \
    "${accel[@]}" -nodefaults -no-user-config -display none -no-reboot -nic none \
    -serial "file:$work/console.log" -kernel "$kernel/vmlinuz" -initrd "$root" \
    -append "console=ttyAMA0 panic=-1 quiet loglevel=4" \
    -netdev "user,id=n0,restrict=on$forward" -device virtio-net-device,netdev=n0 \
    -object rng-random,filename=/dev/urandom,id=r0 -device virtio-rng-device,rng=r0 \
    -fsdev "local,id=w0,path=$work,security_model=none" \
    -device virtio-9p-device,fsdev=w0,mount_tag=work \
    "${extra[@]}"
status=$?
[ $status != 124 ] || exit 124
status=$(tr -d '\r' < "$work/console.log" | sed -n 's/^BOARD STATUS //p' | tail -n 1)
exit "${status:-125}"
