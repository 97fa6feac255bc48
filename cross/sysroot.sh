#!/bin/bash
# sysroot.sh SUITE FOLDER [ARCH] - a sysroot (arm64) from Debian's packages, without root.
#
#   bookworm   libgpiod 1.6, glibc 2.36 (Raspberry Pi OS 12)
#   trixie     libgpiod 2.2, glibc 2.41 (Raspberry Pi OS 13)
#
# Headers, libraries and .pc files for the cross compiler, and what qemu-aarch64 -L needs to run
# the result. A binary built against a suite runs on that suite and later ones.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/private_apt.sh"
suite=${1:?usage: sysroot.sh SUITE FOLDER [ARCH]}
mkdir -p "$(dirname "${2:?usage: sysroot.sh SUITE FOLDER [ARCH]}")"
root=$(realpath -m "$2") arch=${3:-arm64}
packages=(libc6-dev linux-libc-dev libgcc-s1 libcjson-dev libssl-dev libmosquitto-dev
    libgpiod-dev libasound2-dev libcurl4-openssl-dev libsqlite3-dev libcmocka-dev)

echo "sysroot.sh: making $suite for $arch from $(debian_mirror)" >&2
rm -rf "$root" "$root.tmp"
mkdir -p "$root.tmp/debs"
private_apt "$suite" "$arch" "$root.tmp/apt"
mapfile -t closure < <(apt-get -qq -s install "${packages[@]}" | sed -n 's/^Inst \([^ ]*\).*/\1/p')
(cd "$root.tmp/debs" && apt-get -qq download "${closure[@]}")

# /lib is a link to /usr/lib before anything is unpacked, and tar must follow it; dpkg-deb -x
# would put a folder in its place.
new=$root.tmp/root
mkdir -p "$new/usr/lib" "$new/usr/bin" "$new/usr/sbin"
for dir in lib bin sbin; do ln -s "usr/$dir" "$new/$dir"; done
for deb in "$root.tmp/debs/"*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$new" --keep-directory-symlink --no-same-owner \
        --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale
done

# An absolute link would lead out of the sysroot.
find "$new" -type l | while read -r link; do
    target=$(readlink "$link")
    case $target in
    /*) ln -sfn "$(realpath -m --relative-to="$(dirname "$(realpath -s "$link")")" \
        "$new$target")" "$link" ;;
    esac
done
touch "$new/.ready"
mv "$new" "$root"
rm -rf "$root.tmp"
