#!/bin/bash
# root.sh SUITE KERNEL OUT.cpio - the guest's file system: a small Debian of that suite, unpacked,
# and the kernel modules that tests need, in the order in which they load.
#
# Packages are unpacked and entered into dpkg's status as installed, so that `dpkg -i` in the guest
# checks dependencies and runs scripts as on a board.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../private_apt.sh"
suite=$1 kernel=$2 out=$(realpath -m "$3")
packages=(busybox-static dash dpkg tar adduser passwd perl-base usr-is-merged libc-bin gpiod
    alsa-utils mosquitto mosquitto-clients libcjson1 libmosquitto1 libssl3 libcurl4 libsqlite3-0
    libasound2)
[ "$suite" = bookworm ] || packages=("${packages[@]/libssl3/libssl3t64}")
[ "$suite" = bookworm ] || packages=("${packages[@]/libcurl4/libcurl4t64}")
[ "$suite" = bookworm ] || packages=("${packages[@]/libasound2/libasound2t64}")
modules=(virtio_mmio virtio_blk virtio_net 9pnet_virtio 9p crc32c_generic ext4 snd-aloop)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$work/debs" "$root"/{usr/{lib,bin,sbin},proc,sys,dev,tmp,run,guest,data,root} \
    "$root"/var/{lib/dpkg/info,lib/mosquitto,tmp}
for dir in lib bin sbin; do ln -s "usr/$dir" "$root/$dir"; done
mkdir -p "$root/usr/lib/modules"

private_apt "$suite" arm64 "$work/apt"
mapfile -t closure < <(apt-get -qq -s install "${packages[@]}" | sed -n 's/^Inst \([^ ]*\).*/\1/p')
(cd "$work/debs" && apt-get -qq download "${closure[@]}")
for deb in "$work/debs/"*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink --no-same-owner \
        --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale \
        --exclude=./usr/share/sounds --exclude=./usr/share/zoneinfo --exclude=./usr/lib/udev \
        --exclude=./usr/share/alsa/ucm2 --exclude=./usr/share/i18n --exclude=./usr/lib/systemd
    {
        echo "Package: $(dpkg-deb -f "$deb" Package)"
        echo "Status: install ok installed"
        dpkg-deb -f "$deb" Version Architecture Multi-Arch Provides Depends Pre-Depends \
            Maintainer Description | sed '/^$/d'
        echo
    } >> "$root/var/lib/dpkg/status"
    : > "$root/var/lib/dpkg/info/$(dpkg-deb -f "$deb" Package).list"
done
: > "$root/var/lib/dpkg/available"
mkdir -p "$root/etc"
echo 'root:x:0:0::/root:/bin/sh' > "$root/etc/passwd"
printf 'root:x:0:\ndialout:x:20:\naudio:x:29:\nnogroup:x:65534:\n' > "$root/etc/group"
: > "$root/etc/shadow"
: > "$root/etc/gshadow"
echo '127.0.0.1 localhost' > "$root/etc/hosts"
echo 'hosts: files' > "$root/etc/nsswitch.conf"
ln -sf dash "$root/usr/bin/sh"
for kind in auth account password session; do # what pam-auth-update would write
    echo "$kind required pam_permit.so" > "$root/etc/pam.d/common-$kind"
done
install -m 755 "$here/init.sh" "$root/init"

# load MODULE: it, after those that its own header says it depends on
load() {
    local name=${1//-/_} file to dependency
    to=$root/usr/lib/modules/$name.ko
    [ ! -e "$to" ] || return 0
    file=$(find "$kernel/modules/kernel" -name "${name//_/[-_]}.ko*" | head -n 1)
    if [ -z "$file" ]; then
        grep -q "/${name//_/[-_]}\.ko" "$kernel/modules/modules.builtin" && return 0
        echo "root.sh: no module $name" >&2
        return 1
    fi
    case $file in
    *.xz) xz -dc "$file" > "$to" ;;
    *.zst) zstd -qdc "$file" > "$to" ;;
    *) cp "$file" "$to" ;;
    esac
    aarch64-linux-gnu-objcopy --strip-debug "$to"
    for dependency in $(aarch64-linux-gnu-objcopy -O binary -j .modinfo "$to" /dev/stdout |
        tr '\0' '\n' | sed -n 's/^depends=//p' | tr ',' ' '); do
        load "$dependency"
    done
    echo "$name" >> "$root/usr/lib/modules/order"
}
for module in "${modules[@]}"; do load "$module"; done

mkdir -p "$(dirname "$out")"
(cd "$root" && find . -print0 | LC_ALL=C sort -z |
    cpio -0 --quiet -o -H newc -R 0:0 --reproducible) > "$out.tmp"
mv "$out.tmp" "$out"
